#include <algorithm>
#include <cstdio>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/tls_check.hpp"
#include "config/load.hpp"

namespace noforce::agent {
namespace {

void say(const config::Mistake& mistake) {
  (void)std::fprintf(stderr, "%s\n", config::to_string(mistake).c_str());
}

}  // namespace

int check_config(const std::string& file) {
  const std::string path = file.empty() ? default_settings() : file;
  const auto settings = config::load(path);
  if (!settings) {
    std::ranges::for_each(settings.error(), say);
    return exit_failed;
  }
  const std::vector<TlsFinding> findings = check_tls(settings->tls, system_clock().wall());
  for (const TlsFinding& finding : findings) {
    say(config::mistake_at(path, "tls", finding.key,
                           (finding.is_mistake ? "" : "warning: ") + finding.sentence));
  }
  if (std::ranges::any_of(findings, &TlsFinding::is_mistake)) return exit_failed;
  (void)std::printf("ok: %zu services, %zu groups\n", settings->services.size(),
                    settings->policies.groups.size());
  return exit_ok;
}

}  // namespace noforce::agent
