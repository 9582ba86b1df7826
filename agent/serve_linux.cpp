#include "agent/commands.hpp"
#include "agent/first_process.hpp"
#include "agent/notify.hpp"
#include "agent/opener.hpp"
#include "agent/process.hpp"
#include "agent/serving.hpp"
#include "agent/signals.hpp"
#include "core/descriptor_limit.hpp"
#include "core/fd.hpp"

namespace noforce::agent {

int serve(const ServeOptions& options) {
  keep_memory_private();
  raise_descriptor_limit();  // a connection is one
  const bool in_container = is_first_process();
  if (is_root()) {
    auto settings = read_settings(options.config);
    if (settings && !settings->server.user.empty()) {
      const std::string file = settings->file;
      return run_opener({.settings = std::move(*settings),
                         .read_settings = [file] { return read_settings(file); },
                         .first_process = in_container},
                        [&options, in_container](OpenerLine& opener) {
                          const Signals signals;
                          const Notifier notifier = Notifier::through(opener);
                          return run_agent(options, in_container, signals, notifier, &opener);
                        });
    }
  }
  const auto run = [&options, in_container] {
    const Signals signals;
    const Notifier notifier = Notifier::from_environment();
    return run_agent(options, in_container, signals, notifier, nullptr);
  };
  if (!in_container) return run();
  return run_below({.agent = [&run](const Fd&) { return run(); }, .hear = {}, .again = true});
}

}  // namespace noforce::agent
