// What a supervised service is: the settings of one [[service]], as the keeper needs them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/service.hpp"

namespace noforce::supervisor {

enum class Readiness : std::uint8_t {
  simple,  // running once it was exec'ed
  notify,  // running once it said READY=1 (sd_notify)
};

enum class RestartPolicy : std::uint8_t { no, on_failure, always };

struct ServiceSpec {
  std::string name;                  // [A-Za-z0-9._@-]{1,80}
  std::string display_name;          // the name where the settings give none
  std::vector<std::string> command;  // argv; command[0] is an absolute path; never a shell
  std::vector<std::string> depends_on;
  StartType start = StartType::automatic;
  Readiness type = Readiness::simple;
  std::string ready_tcp;                    // "host:port" (numeric host); empty: not asked
  int stop_signal = 15;                     // SIGTERM; SIGKILL is refused by the settings
  std::vector<std::string> stop_command;    // instead of the signal; argv
  int reload_signal = 0;                    // 0: does not accept reload
  std::vector<std::string> reload_command;  // instead of the signal; argv
  RestartPolicy restart = RestartPolicy::no;
  std::string user;       // empty: the keeper's own
  std::string directory;  // empty: "/"
  std::vector<std::pair<std::string, std::string>> environment;
  // RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_NPROC ...: the name and the value for soft and hard. Those
  // by which the kernel kills (CPU, RTTIME, FSIZE, AS, DATA, STACK) are refused by the settings.
  std::vector<std::pair<std::string, std::uint64_t>> limits;

  bool operator==(const ServiceSpec&) const = default;
};

}  // namespace noforce::supervisor
