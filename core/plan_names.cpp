#include "core/names.hpp"
#include "core/plan.hpp"

namespace noforce {
namespace {

constexpr auto action_names = names_of<Action>(Action::resume, {
                                                                   {Action::stop, "stop"},
                                                                   {Action::start, "start"},
                                                                   {Action::restart, "restart"},
                                                                   {Action::reload, "reload"},
                                                                   {Action::pause, "pause"},
                                                                   {Action::resume, "continue"},
                                                               });

constexpr auto operation_names =
    names_of<Operation>(Operation::hook, {
                                             {Operation::stop, "stop"},
                                             {Operation::start, "start"},
                                             {Operation::pause, "pause"},
                                             {Operation::resume, "continue"},
                                             {Operation::reload, "reload"},
                                             {Operation::verify, "verify"},
                                             {Operation::hook, "hook"},
                                         });

}  // namespace

std::string_view to_string(Action action) {
  return action_names.text(action);
}
std::optional<Action> action_from(std::string_view text) {
  return action_names.value(text);
}

std::string_view to_string(Operation operation) {
  return operation_names.text(operation);
}
std::optional<Operation> operation_from(std::string_view text) {
  return operation_names.value(text);
}

}  // namespace noforce
