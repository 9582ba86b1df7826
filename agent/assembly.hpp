// The agent as a whole: what is built in which order, and taken down in the reverse order.
//
//   journal, credentials -> event feed -> SCM backend -> jobs -> face -> TLS server -> local socket
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/expiry.hpp"
#include "agent/local_socket.hpp"
#include "agent/opener.hpp"
#include "agent/scm.hpp"
#include "agent/state_dir.hpp"
#include "api/clients.hpp"
#include "api/face.hpp"
#include "api/server/server.hpp"
#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/credentials.hpp"
#include "core/error.hpp"
#include "core/events.hpp"
#include "core/jobs.hpp"
#include "core/journal.hpp"
#include "core/thread_safety.hpp"

namespace noforce::agent {

class Agent {
 public:
  struct Parts {
    config::Settings settings;
    StateDir state;
    std::string version;
    // Reads the settings again, for reload().
    std::function<Result<config::Settings>()> read_settings;
    // Who looks after the keeper, where that is not this process; null: it is.
    OpenerLine* opener = nullptr;
  };

  // Serves when it returns. Everything that it holds is given back when it fails. The state
  // directory is prepared and its lock held by the caller.
  [[nodiscard]] static Result<std::unique_ptr<Agent>> start(Parts parts);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  // As the settings say now. Any thread.
  [[nodiscard]] config::OnExit on_exit();
  // Whether services live by this agent, so that they may have to end with it.
  [[nodiscard]] bool owns_services() const { return scm_->owns_services(); }

  // Reads the settings again, in the name of `by` ("local:root", "signal"), and says what is new.
  // All that can fail comes first: on an error nothing has changed but that the log's file was
  // opened anew, the error says why, and warnings() does so until a reload succeeds. Reloads come
  // one after the other. Any thread.
  [[nodiscard]] Result<std::string> reload(const std::string& by);
  // What a person should know of the agent itself, as far as this caller may see it. Any thread.
  [[nodiscard]] std::vector<std::string> warnings(const Principal& caller);
  // A job for each service that `start = "auto"` starts now; none where the services are not this
  // agent's. Any thread.
  void start_what_is_due();
  // Forgets old jobs, puts the audit trail's head into the log, and what warnings() has for the agent
  // itself; now and then.
  void look_after();
  // Whether the executor has taken a turn since this was asked last. The main thread.
  [[nodiscard]] bool responds() { return jobs_->responds(); }

  // The end, in this order ------------------------------------------------------------------------
  enum class Stopped : std::uint8_t {
    all,        // every service is down
    some_left,  // some show no progress any more; they were left as they are
    told_off,   // `told_again` said so
  };
  // Waits for up to the time it is given and says whether it is enough.
  using ToldAgain = std::function<bool(Milliseconds)>;
  // From now on no job is accepted, but whoever looks on still sees everything. Stops all services
  // gracefully, and waits for as long as they show progress.
  [[nodiscard]] Stopped stop_services(const ToldAgain& told_again);
  [[nodiscard]] std::vector<std::string> services_up() const;
  // Once no service is up: nothing is left for the keeper to keep.
  [[nodiscard]] Result<void> end_keeper();
  // No new connection and no new request; streams end. Idempotent.
  void close_doors();
  // Closes the doors, parks running jobs and joins all threads; services run on. Idempotent.
  void stop();

 private:
  explicit Agent(Parts parts);
  Result<void> open_journal();
  Result<void> start_jobs();
  Result<void> open_doors();
  [[nodiscard]] api::TlsFiles tls_files(const config::Settings& settings) const;
  using ClientAuthority = std::shared_ptr<const api::ClientAuthority>;
  // Null where no client certificates are asked for.
  [[nodiscard]] Result<ClientAuthority> client_authority(const api::TlsFiles& files) const;
  [[nodiscard]] Result<void> check_tls_files(const api::TlsFiles& files) const;
  void note_served(const api::TlsFiles& files);
  void note_programs(const config::Settings& settings);
  [[nodiscard]] Expiries expiries();
  [[nodiscard]] std::vector<std::string> host_names(const config::Settings& settings) const;
  [[nodiscard]] Result<std::string> read_and_take_up();
  [[nodiscard]] Result<std::string> take_up(config::Settings settings)
      NOFORCE_REQUIRES(reload_mutex_);
  void reopen_log() NOFORCE_REQUIRES(reload_mutex_);
  void wait_for_inventory(const std::vector<supervisor::ServiceSpec>& services) const;
  // A stop job for each tree of services that is up; their ids.
  [[nodiscard]] std::vector<std::string> submit_stops();
  // False when it is told off meanwhile.
  [[nodiscard]] bool wait_for_stops(const std::vector<std::string>& jobs,
                                    const ToldAgain& told_again);
  void remember(const Result<std::string>& reloaded);
  void note(const std::string& principal, const std::string& event, const std::string& outcome,
            const std::string& detail);

  const StateDir state_;
  const std::string version_;
  const std::function<Result<config::Settings>()> read_settings_;
  OpenerLine* const opener_;
  const Caller itself_;

  Mutex reload_mutex_;
  config::Settings settings_ NOFORCE_GUARDED_BY(reload_mutex_);
  Mutex start_mutex_;  // one look at what is due at a time

  // The last reload, where it was refused.
  struct Refusal {
    WallTime at{};
    std::string why;
  };
  Mutex refusal_mutex_;
  std::optional<Refusal> refusal_ NOFORCE_GUARDED_BY(refusal_mutex_);

  // Of the certificate that is served.
  Mutex served_mutex_;
  std::optional<WallTime> served_until_ NOFORCE_GUARDED_BY(served_mutex_);
  bool served_is_ours_ NOFORCE_GUARDED_BY(served_mutex_) = true;
  std::atomic<bool> confines_programs_{false};  // others' programs run inside our unit's hardening

  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Credentials> credentials_;
  api::Clients clients_;
  std::unique_ptr<EventFeed> events_;
  std::unique_ptr<ChosenScm> scm_;
  std::unique_ptr<Jobs> jobs_;
  std::unique_ptr<api::Face> face_;
  std::unique_ptr<api::Server> server_;
  std::unique_ptr<LocalSocket> local_socket_;
  std::string address_;  // empty: not serving
  bool started_ = false;
  std::atomic<bool> ending_{false};
};

}  // namespace noforce::agent
