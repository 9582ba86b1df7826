#include "core/scm/port.hpp"

#include "core/names.hpp"

namespace noforce {
namespace {

constexpr auto control_op_names =
    names_of<ControlOp>(ControlOp::reload, {
                                               {ControlOp::stop, "stop"},
                                               {ControlOp::start, "start"},
                                               {ControlOp::pause, "pause"},
                                               {ControlOp::resume, "continue"},
                                               {ControlOp::reload, "reload"},
                                           });

}  // namespace

std::string_view to_string(ControlOp op) {
  return control_op_names.text(op);
}

}  // namespace noforce
