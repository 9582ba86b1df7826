#include "core/scm/windows/answers.hpp"

#include <expected>

namespace noforce::windows {
namespace {

std::string asked_for(ControlOp op) {
  return "`" + std::string(to_string(op)) + "`";
}

// A stop that came while another one is under way has joined it.
bool joined(ControlOp op, Code code, const Service& service) {
  return op == ControlOp::stop && code == code::cannot_accept &&
         (service.state == ServiceState::stop_pending || service.state == ServiceState::stopped);
}

}  // namespace

Code refusal_of(const Control& control, const Service* service) {
  if (service == nullptr) return code::does_not_exist;
  const bool other = control.op != ControlOp::start &&
                     (!control.instance || service->instance != control.instance);
  return other ? code::not_active : code::success;
}

Result<void> result_of(ControlOp op, Code code, const std::string& service, const Service* seen) {
  if (code == code::success || (seen != nullptr && joined(op, code, *seen))) return {};
  return std::unexpected(error_of(code, service, asked_for(op)));
}

Error not_noted(ControlOp op, const std::string& service) {
  Error error;
  error.kind = ErrorKind::busy;
  error.service = service;
  error.detail = service + " was not asked for " + asked_for(op) +
                 ": the agent cannot note it in its state directory first. Look whether its disk "
                 "is full.";
  return error;
}

}  // namespace noforce::windows
