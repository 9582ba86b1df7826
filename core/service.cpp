#include "core/service.hpp"

#include <algorithm>

#include "core/names.hpp"

namespace noforce {
namespace {

constexpr auto state_names = names_of<ServiceState>(
    ServiceState::paused, {
                              {ServiceState::stopped, "stopped"},
                              {ServiceState::start_pending, "start_pending"},
                              {ServiceState::stop_pending, "stop_pending"},
                              {ServiceState::running, "running"},
                              {ServiceState::continue_pending, "continue_pending"},
                              {ServiceState::pause_pending, "pause_pending"},
                              {ServiceState::paused, "paused"},
                          });

constexpr auto start_type_names =
    names_of<StartType>(StartType::disabled, {
                                                 {StartType::automatic, "auto"},
                                                 {StartType::manual, "manual"},
                                                 {StartType::disabled, "disabled"},
                                             });

}  // namespace

std::string_view to_string(ServiceState state) {
  return state_names.text(state);
}
std::optional<ServiceState> service_state_from(std::string_view text) {
  return state_names.value(text);
}

bool is_pending(ServiceState state) {
  return state == ServiceState::start_pending || state == ServiceState::stop_pending ||
         state == ServiceState::continue_pending || state == ServiceState::pause_pending;
}

bool is_up(ServiceState state) {
  return state != ServiceState::stopped;
}

std::string_view to_string(StartType type) {
  return start_type_names.text(type);
}
std::optional<StartType> start_type_from(std::string_view text) {
  return start_type_names.value(text);
}

const Service* Picture::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(
      services, name, {}, [](const auto& service) { return std::string_view(service->name); });
  return found != services.end() && (*found)->name == name ? found->get() : nullptr;
}

}  // namespace noforce
