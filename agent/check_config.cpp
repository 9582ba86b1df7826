#include <cstdio>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "config/load.hpp"

namespace noforce::agent {

int check_config(const std::string& file) {
  const std::string path = file.empty() ? default_settings : file;
  const auto settings = config::load(path);
  if (!settings) {
    for (const config::Mistake& mistake : settings.error()) {
      (void)std::fprintf(stderr, "%s\n", config::to_string(mistake).c_str());
    }
    return exit_failed;
  }
  (void)std::printf("ok: %zu services, %zu groups\n", settings->services.size(),
                    settings->policies.groups.size());
  return exit_ok;
}

}  // namespace noforce::agent
