// The agent as a Windows service: what it says to the service control manager above it, which is what
// sd_notify says elsewhere, and how it gets there (`noforce service install`).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace noforce::agent {

// The name of the service that this process is; empty: it is none.
[[nodiscard]] std::string own_service();

// Is the service `name` until `agent` has ended; its exit status. Stop, preshutdown and shutdown tell
// Signals to end, a parameter change to reload. scm_unavailable: no SCM has started this process.
[[nodiscard]] Result<int> run_as_service(const std::string& name,
                                         const std::function<int()>& agent);

// Each says at once what it means, with a new checkpoint, and how long the next word may take; nothing
// where this process is no service.
void say_running();
void say_stopping(Milliseconds patience);

// A line for the machine's event log; nothing where this process is no service. Any thread.
enum class EventKind : unsigned short { error, warning, information };
void report_event(EventKind kind, std::string_view text);

// For an administrator, on this machine; with a sentence that says what to do.
struct ServiceInstallation {
  std::string name;
  std::string config;  // absolute; empty: the default one
};
// Starts with Windows, and again after it died (recovery actions).
[[nodiscard]] Result<void> install_service(const ServiceInstallation& installation);
// Marks it for deletion; it has to be stopped. not_found: there is none.
[[nodiscard]] Result<void> uninstall_service(const std::string& name);
// Waits until it runs, for as long as it shows progress; for the end of one that is still stopping, too.
[[nodiscard]] Result<void> start_service(const std::string& name);

}  // namespace noforce::agent
