#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/notify.hpp"
#include "agent/process.hpp"
#include "agent/serving.hpp"
#include "agent/signals.hpp"
#include "agent/windows_service.hpp"

namespace noforce::agent {

int serve(const ServeOptions& options) {
  keep_memory_private();
  const auto run = [&options] {
    const Signals signals;
    const Notifier notifier = Notifier::from_environment();
    return run_agent(options, false, signals, notifier, nullptr);
  };
  if (options.service.empty()) return run();
  const auto status = run_as_service(options.service, run);
  return status ? *status : report(status.error());
}

}  // namespace noforce::agent
