#include "agent/assembly.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "agent/address.hpp"
#include "agent/administration.hpp"
#include "agent/auto_start.hpp"
#include "agent/certificates.hpp"
#include "agent/files.hpp"
#include "agent/log.hpp"
#include "agent/process.hpp"
#include "api/http_probe.hpp"
#include "api/server/client_certificate.hpp"
#include "api/server/tls_context.hpp"
#include "config/machine.hpp"
#include "core/graph.hpp"
#include "core/text.hpp"
#include "core/ulid.hpp"

namespace noforce::agent {
namespace {

constexpr Milliseconds first_picture{15'000};  // how long the keeper may take to answer at first
constexpr Milliseconds last_requests{2'000};   // how long requests may take to end at the end
constexpr Milliseconds keeper_end{10'000};
constexpr Seconds no_limit = std::chrono::days(31);

// Groups of services of which none hangs on one of another group, so that each can be stopped by a
// job of its own and a hung one holds up its own tree and nobody else.
std::vector<std::vector<std::string>> trees(const Picture& picture,
                                            const std::vector<std::string>& services) {
  std::set<std::string> left(services.begin(), services.end());
  std::vector<std::vector<std::string>> all;
  while (!left.empty()) {
    std::vector<std::string> tree;
    std::set<std::string> seen{*left.begin()};
    std::vector<std::string> open{*left.begin()};
    while (!open.empty()) {
      const std::string name = std::move(open.back());
      open.pop_back();
      if (left.erase(name) > 0) tree.push_back(name);
      for (const auto& neighbours :
           {picture.graph->dependencies(name), picture.graph->dependents(name)}) {
        for (const std::string& next : neighbours) {
          if (seen.insert(next).second) open.push_back(next);
        }
      }
    }
    all.push_back(std::move(tree));
  }
  return all;
}

// By job that had begun: what it stops, and may have to start again.
std::map<std::string, std::vector<std::string>> stopped_by(const std::vector<Job>& unfinished) {
  std::map<std::string, std::vector<std::string>> all;
  for (const Job& job : unfinished) {
    if (job.state != JobState::running && job.state != JobState::cancelling) continue;
    for (const Step& step : job.steps) {
      if (step.operation == Operation::stop) all[job.id].push_back(step.service);
    }
  }
  return all;
}

std::string in_progress(const Picture& picture, const std::vector<std::string>& services) {
  std::string out;
  for (const std::string& name : services) {
    const Service* service = picture.find(name);
    if (service == nullptr) continue;
    out += (out.empty() ? "" : ", ") + name + " (" + std::string(to_string(service->state));
    if (!service->status_text.empty()) out += ": " + service->status_text;
    out += ")";
  }
  return out;
}

api::ServerLimits server_limits(const config::LimitSettings& settings) {
  api::ServerLimits limits;
  limits.connections = settings.connections;
  limits.connections_per_address = settings.connections_per_address;
  limits.streams = settings.streams;
  limits.streams_per_address = settings.streams_per_address;
  return limits;
}

}  // namespace

Agent::Agent(Parts parts)
    : state_(std::move(parts.state)),
      version_(std::move(parts.version)),
      read_settings_(std::move(parts.read_settings)),
      opener_(parts.opener),
      itself_{.principal = {.name = std::string(kAgentPrincipal), .role = Role::admin},
              .address = "local"},
      settings_(std::move(parts.settings)) {}

Agent::~Agent() {
  stop();
}

Result<std::unique_ptr<Agent>> Agent::start(Parts parts) {
  std::unique_ptr<Agent> agent(new Agent(std::move(parts)));
  if (auto done = agent->open_journal(); !done) return std::unexpected(done.error());
  if (auto done = agent->start_jobs(); !done) return std::unexpected(done.error());
  if (auto done = agent->open_doors(); !done) {
    // A keeper that has nothing to keep would be left behind by an agent that never was.
    if (agent->services_up().empty()) (void)agent->end_keeper();
    return std::unexpected(done.error());
  }
  agent->started_ = true;
  agent->note(std::string(kAgentPrincipal), "agent.started", "ok",
              "noforce " + agent->version_ + " at " + agent->address_);
  return agent;
}

// Going up -----------------------------------------------------------------------------------------

Result<void> Agent::open_journal() {
  const MutexLock lock(reload_mutex_);
  // What `init` makes is asked for first: nothing is started that would have to end again.
  if (auto good = check_tls_files(tls_files(settings_)); !good) return good;
  // An agent that cannot listen would take up its jobs only to park them again.
  if (auto free = check_address(settings_.server.host, settings_.server.port); !free) return free;
  auto journal = Journal::open(state_.journal());
  if (!journal) return std::unexpected(journal.error());
  journal_ = std::move(*journal);
  credentials_ = std::make_unique<Credentials>(*journal_, system_clock());
  return credentials_->load();
}

Result<void> Agent::start_jobs() {
  const MutexLock lock(reload_mutex_);
  const auto unfinished = journal_->unfinished();
  if (!unfinished) return std::unexpected(unfinished.error());
  events_ = std::make_unique<EventFeed>(UlidSource().next());
  auto chosen = choose_scm({.settings = settings_,
                            .state_dir = state_.path(),
                            .begun = stopped_by(*unfinished),
                            .opener = opener_});
  if (!chosen) return std::unexpected(chosen.error());
  scm_ = std::move(*chosen);
  auto jobs = Jobs::start(
      {.journal = *journal_,
       .scm = scm_->scm(),
       .events = *events_,
       .attendant = [](AttendantSink& sink) { return make_attendant(sink, api::http_probe()); }},
      settings_.policies, first_picture);
  if (!jobs) return std::unexpected(jobs.error());
  jobs_ = std::move(*jobs);
  return {};
}

Result<void> Agent::open_doors() {
  const MutexLock lock(reload_mutex_);
  const api::TlsFiles files = tls_files(settings_);
  auto authority = client_authority(files);
  if (!authority) return std::unexpected(authority.error());
  clients_.replace(settings_.clients, std::move(*authority));
  std::vector<std::string> names = names_of_this_machine();
  face_ = std::make_unique<api::Face>(
      api::FaceParts{.jobs = *jobs_,
                     .credentials = *credentials_,
                     .journal = *journal_,
                     .events = *events_,
                     .agent = {.version = version_,
                               .backend = std::string(scm_->name()),
                               .hostname = names.front(),
                               .started_at = system_clock().wall(),
                               .started = system_clock().mono()},
                     .hosts = host_names(settings_),
                     .warnings = [this](const Principal& to) { return warnings(to); },
                     .clients = &clients_});
  server_ = api::make_server(
      [face = face_.get()](const api::Request& request) { return face->handle(request); },
      server_limits(settings_.limits));
  events_->set_listener([server = server_.get()] { server->look_again(); });

  const config::ServerSettings& server = settings_.server;
  const bool ipv6 = server.host.find(':') != std::string::npos;
  const std::string listen =
      (ipv6 ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port);
  auto bound = server_->start(listen, files);
  if (!bound) return std::unexpected(bound.error());
  address_ = std::move(*bound);
  note_served(files);
  note_programs(settings_);

  auto local =
      open_local_socket(state_.socket(), [this](const std::string& user, std::string_view request) {
        const auto answer =
            administer({.journal = *journal_,
                        .credentials = *credentials_,
                        .jobs = jobs_.get(),
                        .reload = [this](const std::string& by) { return reload(by); },
                        .hold_released = [this] { start_what_is_due(); }},
                       user, request);
        server_->look_again();  // a credential may be gone
        return answer;
      });
  if (!local) return std::unexpected(local.error());
  local_socket_ = std::move(*local);
  return replace_file(state_.address(), address_ + "\n", 0600);
}

api::TlsFiles Agent::tls_files(const config::Settings& settings) const {
  const bool has_own = !settings.tls.certificate.empty();
  return {.certificate = has_own ? settings.tls.certificate : state_.server_certificate(),
          .key = has_own ? settings.tls.key : state_.server_key(),
          .client_ca = settings.tls.client_ca};
}

Result<Agent::ClientAuthority> Agent::client_authority(const api::TlsFiles& files) const {
  if (files.client_ca.empty()) return nullptr;
  const auto file = config::read_file(files.client_ca, api::largest_client_ca);
  const std::string distrust = file ? file->distrust : file.error().detail;
  if (!distrust.empty()) {
    return fail(ErrorKind::malformed,
                "the CA of client certificates " + files.client_ca + ": " + distrust);
  }
  auto authority = api::ClientAuthority::load(files.client_ca);
  if (!authority) return authority;
  if (const auto own = read_small_file(state_.ca_certificate()); own && (*authority)->holds(*own)) {
    return fail(ErrorKind::malformed,
                "'client_ca' cannot be the agent's own CA, which signs servers only: make one for "
                "clients");
  }
  return authority;
}

Result<void> Agent::check_tls_files(const api::TlsFiles& files) const {
  for (const std::string& file : {files.certificate, files.key}) {
    if (exists(file)) continue;
    const bool made_by_init = file.starts_with(state_.tls());
    return fail(ErrorKind::not_found,
                "there is no " + file +
                    (made_by_init ? "; run `noforce init --state-dir " + state_.path() + "` first"
                                  : "; the settings name it in [tls]"));
  }
  // Tried before anything is started, as the server will use them.
  if (const auto usable = api::make_tls_context(files); !usable) {
    return std::unexpected(usable.error());
  }
  if (const auto usable = client_authority(files); !usable) {
    return std::unexpected(usable.error());
  }
  return {};
}

void Agent::note_served(const api::TlsFiles& files) {
  const auto pem = read_small_file(files.certificate, 1U << 20U);
  const auto facts = pem ? read_certificate(*pem) : std::unexpected(pem.error());
  const MutexLock lock(served_mutex_);
  served_until_ = facts ? std::optional(facts->not_after) : std::nullopt;
  served_is_ours_ = files.certificate == state_.server_certificate();
}

// By the backend that runs, whatever the settings say of the next one.
void Agent::note_programs(const config::Settings& settings) {
  confines_programs_ = is_hardened_unit() && (owns_services() || config::runs_hooks(settings));
}

std::vector<std::string> Agent::host_names(const config::Settings& settings) const {
  std::vector<std::string> names = settings.server.names;
  const auto pem = read_small_file(tls_files(settings).certificate, 1U << 20U);
  if (!pem) return names;
  if (const auto facts = read_certificate(*pem)) {
    names.insert(names.end(), facts->names.begin(), facts->names.end());
  }
  return names;
}

// While it runs ------------------------------------------------------------------------------------

config::OnExit Agent::on_exit() {
  const MutexLock lock(reload_mutex_);
  return settings_.on_exit;
}

void Agent::start_what_is_due() {
  const MutexLock lock(start_mutex_);
  if (ending_ || !scm_->owns_services()) return;
  const auto wanted = journal_->wanted();
  const auto unfinished = journal_->unfinished();
  if (!wanted || !unfinished) return;  // the journal says so itself
  for (const std::string& service :
       due_to_start(*jobs_->picture(), *wanted, *unfinished, boot_id())) {
    JobRequest request{
        .action = Action::start, .services = {service}, .options = jobs_->defaults()};
    request.options.reason = "start = \"auto\"";
    const auto job = jobs_->submit(itself_, request, std::nullopt);
    if (!job) {
      log(LogLevel::warning, "start = \"auto\" was refused",
          {{"service", service}, {"why", job.error().detail}});
    }
  }
}

void Agent::look_after() {
  int days = 0;
  {
    const MutexLock lock(reload_mutex_);
    days = settings_.policies.jobs.history_days;
  }
  const WallTime now = system_clock().wall();
  if (const auto forgotten = journal_->forget_jobs(now - std::chrono::days(days)); !forgotten) {
    log(LogLevel::warning, "cannot forget old jobs", {{"why", forgotten.error().detail}});
  } else if (*forgotten > 0) {
    log(LogLevel::info, "forgot old jobs", {{"count", std::to_string(*forgotten)}});
  }
  // Somewhere else than in the journal: a chain that was written anew has another head.
  if (const auto newest = journal_->audit_rows({.limit = 1}); newest && !newest->empty()) {
    log(LogLevel::info, "audit trail",
        {{"rows", std::to_string(newest->front().number)}, {"head", newest->front().hash}});
  }
  for (const std::string& sentence : warnings(itself_.principal))
    log(LogLevel::warning, sentence);
}

Expiries Agent::expiries() {
  Expiries all{.client_ca = clients_.authority_ends(), .tokens = credentials_->list()};
  const MutexLock lock(served_mutex_);
  all.server = served_until_;
  all.server_is_ours = served_is_ours_;
  return all;
}

void Agent::note(const std::string& principal, const std::string& event, const std::string& outcome,
                 const std::string& detail) {
  const auto noted = journal_->audit({.principal = principal,
                                      .address = "local",
                                      .event = event,
                                      .outcome = outcome,
                                      .detail = clean_text(detail, 500)});
  if (!noted) {
    log(LogLevel::warning, "cannot write the audit trail", {{"why", noted.error().detail}});
  }
}

// Going down ---------------------------------------------------------------------------------------

void Agent::close_doors() {
  ending_ = true;
  if (!address_.empty()) remove_file(state_.address());
  address_.clear();
  local_socket_.reset();
  if (events_) events_->close();
  if (server_) server_->stop(last_requests);
}

std::vector<std::string> Agent::services_up() const {
  std::vector<std::string> up;
  for (const auto& service : jobs_->picture()->services) {
    if (is_up(service->state)) up.push_back(service->name);
  }
  return up;
}

std::vector<std::string> Agent::submit_stops() {
  const PicturePtr picture = jobs_->picture();
  std::vector<std::string> jobs;
  for (const std::vector<std::string>& tree : trees(*picture, services_up())) {
    JobRequest request{.action = Action::stop, .services = tree, .options = jobs_->defaults()};
    request.options.reason = "the agent ends and takes its services with it";
    request.options.dependents = Dependents::include;
    request.options.on_failure = OnFailure::leave;
    request.options.deadline = no_limit;  // for as long as there is progress
    request.options.queue = no_limit;
    const auto job = jobs_->submit(itself_, request, std::nullopt);
    if (job) {
      jobs.push_back(job->job->id);
    } else {
      log(LogLevel::warning, "cannot stop services before the end",
          {{"services", list_names(tree)}, {"why", job.error().detail}});
    }
  }
  return jobs;
}

bool Agent::wait_for_stops(const std::vector<std::string>& jobs, const ToldAgain& told_again) {
  constexpr Milliseconds look{100};
  constexpr Milliseconds say{10'000};
  MonoTime next_line = system_clock().mono() + say;
  for (const std::string& id : jobs) {
    for (;;) {
      if (told_again(Milliseconds(0))) return false;
      const auto job = jobs_->wait(itself_, id, system_clock().mono() + look);
      if (!job || (*job)->state == JobState::done) break;
      if (system_clock().mono() < next_line) continue;
      next_line = system_clock().mono() + say;
      log(LogLevel::info, "waiting for services to stop; none is killed",
          {{"services", in_progress(*jobs_->picture(), services_up())}});
    }
  }
  return true;
}

Agent::Stopped Agent::stop_services(const ToldAgain& told_again) {
  ending_ = true;
  jobs_->drain();
  // More than one round only where a job that was under way brought something up meanwhile.
  constexpr int rounds = 3;
  constexpr Milliseconds look{50};
  for (int round = 0; round < rounds;) {
    if (services_up().empty()) {
      if (jobs_->counts().running == 0) return Stopped::all;
      if (told_again(look)) return Stopped::told_off;  // what it is about to start must stop too
      continue;
    }
    const std::vector<std::string> jobs = submit_stops();
    if (jobs.empty()) break;
    if (!wait_for_stops(jobs, told_again)) return Stopped::told_off;
    ++round;
  }
  return services_up().empty() ? Stopped::all : Stopped::some_left;
}

Result<void> Agent::end_keeper() {
  return scm_->end_keeper(keeper_end);
}

void Agent::stop() {
  close_doors();
  if (jobs_) jobs_->stop();
  if (started_) note(std::string(kAgentPrincipal), "agent.stopped", "ok", "noforce " + version_);
  started_ = false;
  if (events_) events_->set_listener({});
  server_.reset();
  face_.reset();
  jobs_.reset();
  scm_.reset();
  events_.reset();
  credentials_.reset();
  journal_.reset();
}

}  // namespace noforce::agent
