// One service as it is followed: what the service manager says of it and what its process shows,
// put together into what core sees. Pure: time, statuses and processes come in as values.
//
//   - STOPPED is not gone: for a service with a process of its own the instance stays until that
//     process has ended. In a shared process it is gone at once while others run there; the last
//     one waits for the process for kSharedLinger at most, since a host may go on without services.
//   - Progress is a growing checkpoint of one pending state ("Service State Transitions"); a state
//     that is new counts as well.
//   - The manager takes any status that a service reports, also an impossible one: a state that is
//     none is not believed, and what follows it is taken as it comes.
//   - A process that has ended while the manager still calls its service up is told as such, once the
//     manager has had kScmNotices to notice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/windows/records.hpp"
#include "core/service.hpp"

namespace noforce::windows {

inline constexpr Milliseconds kScmNotices{1'000};
inline constexpr Milliseconds kSharedLinger{10'000};

// A process as it is known at the moment of a look.
struct ProcessSeen {
  std::uint32_t pid = 0;
  std::uint64_t created = 0;  // FILETIME; 0: it could not be asked
  bool held = false;          // a handle of it is open, so its end will be seen
  bool ended = false;
  std::optional<Code> exit_code;  // once it has ended

  bool operator==(const ProcessSeen&) const = default;
};

// How the process of a status and the process of the instance before it look.
struct Sight {
  std::optional<ProcessSeen> named;  // StatusRecord::pid; unset: the record names none
  std::optional<ProcessSeen> last;   // of the instance that was known, where it is another or none
  bool others_run_there = false;     // another service is up in that process
  MonoTime now{};
  WallTime wall{};
};

class Followed {
 public:
  explicit Followed(std::string name) { service_.name = std::move(name); }

  // `unread`: warnings that stand beside those of each look.
  void describe(const ConfigRecord& config, std::vector<std::string> depends_on,
                std::vector<std::string> unread = {});
  // Takes over a look. True when the service looks different now.
  bool take(const StatusRecord& status, const Sight& sight);

  [[nodiscard]] const Service& service() const { return service_; }
  [[nodiscard]] const StatusRecord& status() const { return status_; }
  [[nodiscard]] bool shared() const { return (status_.type & type::share_process) != 0; }
  // The process of the instance; 0: there is none.
  [[nodiscard]] std::uint32_t process() const { return process_.pid; }
  // When to look again although nothing is heard: a pending state by its wait hint, what is
  // expected to end soon sooner; nullopt: the round over all services will do.
  [[nodiscard]] std::optional<Milliseconds> look_again() const;

  // Runs that were seen within one shared process: what tells one from the next there.
  struct Runs {
    std::string process;  // "pid:created"
    std::uint32_t count = 0;

    bool operator==(const Runs&) const = default;
  };
  [[nodiscard]] const Runs& runs() const { return runs_; }
  void remember(Runs runs) { runs_ = std::move(runs); }

 private:
  void take_instance(const StatusRecord& status, const Sight& sight);
  void take_progress(const StatusRecord& status, ServiceState before, const Sight& sight);
  void take_end(const StatusRecord& status, ServiceState before, const Sight& sight);
  void show_gone(const StatusRecord& status, const Sight& sight);
  [[nodiscard]] std::string key_of(const ProcessSeen& process);

  void warn(std::string warning) { service_.warnings.push_back(std::move(warning)); }

  Service service_;
  std::vector<std::string> unread_;  // the first of its warnings
  StatusRecord status_;              // the last that was believed
  bool seen_ = false;                // one was taken at all
  ProcessSeen process_;              // of the instance
  Runs runs_;
  bool ran_ = false;                    // since the last STOPPED
  std::uint32_t given_up_ = 0;          // that process has ended, and the manager has not noticed
  std::optional<MonoTime> dead_since_;  // its process has ended and the manager calls it up
  std::optional<MonoTime> stopped_since_;  // STOPPED, and its process is still there
};

// dwCurrentState as core's state; nullopt for a number that is none.
[[nodiscard]] std::optional<ServiceState> state_of(std::uint32_t number);
// What it takes now: the bits that it reports, as far as the manager hands controls on in this state
// (1061: none to STOPPED, START_PENDING and STOP_PENDING).
[[nodiscard]] Accepts accepts_of(const StatusRecord& status);
[[nodiscard]] StartType start_type_of(std::uint32_t number);
// How often a pending state is looked at: "a tenth of the wait hint, but not less than 1 second and
// not more than 10 seconds" (Stopping a Service, Starting a Service).
[[nodiscard]] Milliseconds poll_interval(std::uint32_t wait_hint_ms);

}  // namespace noforce::windows
