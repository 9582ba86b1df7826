#include "agent/notify.hpp"
#include "agent/opener.hpp"
#include "agent/own_status.hpp"
#include "agent/windows_service.hpp"

namespace noforce::agent {

// The manager above is Windows' own; where there is none, nothing is said to anybody.
Notifier Notifier::from_environment() {
  return {"", nullptr};
}

void Notifier::ready(std::string_view status) const {
  say_running();
  report_event(EventKind::information, status);
}

// Windows' services have no such state: they go on running.
void Notifier::reloading() const {}

void Notifier::stopping(std::string_view status) const {
  say_stopping(own_wait_hint);
  report_event(EventKind::information, status);
}

void Notifier::still_stopping(Milliseconds patience, std::string_view) const {
  say_stopping(patience);
}

// Windows looks at processes only.
void Notifier::alive() const {}

}  // namespace noforce::agent
