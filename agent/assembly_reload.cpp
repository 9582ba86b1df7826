// Agent: how changed settings are taken up while it runs.
#include <algorithm>
#include <string_view>
#include <thread>
#include <utility>

#include "agent/assembly.hpp"
#include "agent/log.hpp"
#include "core/text.hpp"

namespace noforce::agent {
namespace {

constexpr Milliseconds inventory_seen{2'000};
constexpr std::size_t names_said = 8;
constexpr std::string_view confined =
    "services or hooks run inside all that the agent's unit forbids (NoNewPrivileges= and more), "
    "and may fail of it: run `noforce service install`, which writes the unit as they need it, "
    "look for drop-ins of your own that forbid the same, and restart the agent";

// "2 new (a, b)"
std::string counted(const std::vector<std::string>& names, const std::string& what) {
  std::string out = std::to_string(names.size()) + " " + what;
  if (names.empty()) return out;
  out += " (";
  for (std::size_t i = 0; i < std::min(names.size(), names_said); ++i)
    out += (i == 0 ? "" : ", ") + names[i];
  return out + (names.size() > names_said ? ", ...)" : ")");
}

std::string changes(const std::vector<supervisor::ServiceSpec>& before,
                    const std::vector<supervisor::ServiceSpec>& after) {
  std::vector<std::string> added;
  std::vector<std::string> changed;
  std::vector<std::string> removed;
  for (const supervisor::ServiceSpec& spec : after) {
    const auto old = std::ranges::find(before, spec.name, &supervisor::ServiceSpec::name);
    if (old == before.end()) {
      added.push_back(spec.name);
    } else if (*old != spec) {
      changed.push_back(spec.name);
    }
  }
  for (const supervisor::ServiceSpec& spec : before) {
    const auto now = std::ranges::find(after, spec.name, &supervisor::ServiceSpec::name);
    if (now == after.end()) removed.push_back(spec.name);
  }
  return counted(added, "new") + ", " + counted(changed, "changed") + ", " +
         counted(removed, "taken out");
}

// What is read only when an agent starts.
std::string next_time(const config::Settings& before, const config::Settings& after) {
  std::vector<std::string> keys;
  if (after.server.host != before.server.host || after.server.port != before.server.port) {
    keys.emplace_back("'listen'");
  }
  if (after.limits != before.limits) keys.emplace_back("[limits]");
  if (after.scm != before.scm) keys.emplace_back("[scm]");
  std::string out;
  for (const std::string& key : keys)
    out += "; " + key + " counts from the agent's next start on";
  return out;
}

// The first of several mistakes, and how to see the others.
std::string in_short(const std::string& mistakes) {
  const std::size_t end = mistakes.find('\n');
  if (end == std::string::npos) return mistakes;
  const auto more = std::count(mistakes.begin(), mistakes.end(), '\n');
  return mistakes.substr(0, end) + " (and " + std::to_string(more) +
         " more; `noforce check-config` names them all)";
}

}  // namespace

Result<std::string> Agent::reload(const std::string& by) {
  const Result<std::string> done = read_and_take_up();
  if (done) {
    log(LogLevel::info, "reloaded", {{"by", by}, {"found", *done}});
    note(by, "reload", "ok", *done);
    start_what_is_due();
  } else {
    const std::string why = in_short(done.error().detail);
    log(LogLevel::warning, "not reloaded, nothing has changed", {{"by", by}, {"why", why}});
    note(by, "reload", std::string(to_string(done.error().kind)), why);
  }
  return done;
}

Result<std::string> Agent::read_and_take_up() {
  const MutexLock lock(reload_mutex_);
  if (ending_) return fail(ErrorKind::shutting_down, "the agent is ending; start it again");
  auto settings = read_settings_();
  Result<std::string> done =
      settings ? take_up(std::move(*settings)) : std::unexpected(settings.error());
  if (!done) reopen_log();
  remember(done);
  return done;
}

Result<std::string> Agent::take_up(config::Settings settings) {
  if (settings.server.state_dir != settings_.server.state_dir) {
    return fail(ErrorKind::malformed,
                "'state_dir' cannot change while the agent runs: end it and start it again");
  }
  const api::TlsFiles files = tls_files(settings);
  if (auto good = check_tls_files(files); !good) return std::unexpected(good.error());
  auto authority = client_authority(files);
  if (!authority) return std::unexpected(authority.error());
  const auto certificates = server_->read_certificates(files);
  if (!certificates) return std::unexpected(certificates.error());
  auto log_file = open_log_file(settings.log.file);
  if (!log_file) return std::unexpected(log_file.error());
  if (auto loaded = credentials_->load(); !loaded) return std::unexpected(loaded.error());
  if (opener_ != nullptr) {
    // It reads them itself, with root's eyes, and the keeper knows them when it says yes.
    if (auto told = opener_->wish(Wish::definitions); !told) return std::unexpected(told.error());
  }

  // From here on nothing fails.
  (*certificates)();
  use_log_file(std::move(*log_file), settings.log.level);
  note_served(files);
  note_programs(settings);
  clients_.replace(settings.clients, std::move(*authority));
  face_->set_hosts(host_names(settings));
  jobs_->replace_policies(settings.policies);
  server_->look_again();  // who is listed no more is told at once
  std::string found = "services: " + changes(settings_.services, settings.services) + "; " +
                      std::to_string(settings.policies.groups.size()) + " group" +
                      (settings.policies.groups.size() == 1 ? "" : "s") +
                      next_time(settings_, settings);
  if (confines_programs_) found.append("; ").append(confined);
  scm_->reconfigure(settings.services);
  wait_for_inventory(settings.services);
  settings_ = std::move(settings);
  return found;
}

// By its name: after it was moved away (logrotate) the lines go to a new one, whatever has become
// of the settings. Where that fails, the old one goes on.
void Agent::reopen_log() {
  auto file = open_log_file(settings_.log.file);
  if (file) {
    use_log_file(std::move(*file), settings_.log.level);
  } else {
    log(LogLevel::warning, "the log goes on in the file that is open",
        {{"why", file.error().detail}});
  }
}

// New services are started at once, so the picture has to show them.
void Agent::wait_for_inventory(const std::vector<supervisor::ServiceSpec>& services) const {
  const MonoTime until = system_clock().mono() + inventory_seen;
  const auto is_seen = [this](const supervisor::ServiceSpec& spec) {
    return jobs_->picture()->find(spec.name) != nullptr;
  };
  while (!std::ranges::all_of(services, is_seen) && system_clock().mono() < until) {
    std::this_thread::sleep_for(Milliseconds(5));
  }
}

void Agent::remember(const Result<std::string>& reloaded) {
  const MutexLock lock(refusal_mutex_);
  refusal_.reset();
  if (!reloaded) {
    refusal_ = Refusal{.at = system_clock().wall(), .why = in_short(reloaded.error().detail)};
  }
}

std::vector<std::string> Agent::warnings(const Principal& caller) {
  std::vector<std::string> sentences = ends_soon(expiries(), caller, system_clock().wall());
  if (confines_programs_) sentences.emplace_back(confined);
  const MutexLock lock(refusal_mutex_);
  if (refusal_) {
    // The settings speak of services that not everybody may see.
    const bool sees_all = caller.services.empty();
    sentences.push_back("the settings on disk were not taken up at " + to_rfc3339(refusal_->at) +
                        ", the old ones count: " +
                        (sees_all ? clean_text(refusal_->why, 1000) : "the agent's log says why"));
  }
  return sentences;
}

}  // namespace noforce::agent
