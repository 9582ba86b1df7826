#include "tests/fuzz/support/house.hpp"

#include <utility>

#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

template <typename T>
T must(Result<T> result) {
  expect(result.has_value(), "the house can be made", result ? "" : result.error().detail);
  return std::move(*result);
}

std::vector<Service> estate() {
  std::vector<Service> services = test::exchange_estate();
  test::in(services, "w3svc").display_name = "World Wide Web Publishing";
  services.push_back(test::make_service("spooler", {}, ServiceState::stopped));
  services.push_back(test::make_service("fax", {"spooler"}, ServiceState::stopped));
  test::in(services, "fax").start_type = StartType::disabled;
  services.push_back(test::make_service("index", {"w3svc", "nowhere"}, ServiceState::stopped));
  services.push_back(test::make_service("noforce"));
  return services;
}

Policies policies() {
  Policies all;
  all.groups = {{"iis", {"iisadmin", "w3svc", "ghost"}}, {"mail", {"smtpsvc", "pop3svc"}}};
  all.services["pop3svc"].is_protected = true;
  all.services["smtpsvc"].before_stop = {{"/bin/true"}};
  all.services["smtpsvc"].verify = Verify{.http = {}, .tcp = "127.0.0.1:9"};
  return all;
}

}  // namespace

House::House() : scm_(estate()) {
  scm_.forbid("noforce");
  journal_ = must(Journal::open(directory_.path() + "/noforce.db"));
  credentials_ = std::make_unique<Credentials>(*journal_, system_clock());
  expect(credentials_->load().has_value(), "the tokens can be read");
  jobs_ =
      must(Jobs::start({*journal_, scm_, events_, test::no_http}, policies(), Milliseconds{1000}));
  face_ = std::make_unique<api::Face>(api::FaceParts{.jobs = *jobs_,
                                                     .credentials = *credentials_,
                                                     .journal = *journal_,
                                                     .events = events_,
                                                     .agent = {.version = "0.1.0",
                                                               .backend = "supervisor",
                                                               .hostname = "agent.example",
                                                               .started_at = system_clock().wall(),
                                                               .started = system_clock().mono()},
                                                     .hosts = {"agent.example"}});
  add_token("$ADMIN", Role::admin, {});
  add_token("$OPERATOR", Role::operator_, {});
  add_token("$VIEWER", Role::viewer, {});
  add_token("$NARROW", Role::operator_, {"smtp*", "antispam"});
  run_job(Action::restart, {"w3svc"});
  run_job(Action::start, {"antispam"});
  placeholders_.emplace_back("$JOB", run_job(Action::restart, {"antispam"}));
  placeholders_.emplace_back("$EVENT", events_.id(1));
}

House::~House() {
  events_.close();
  face_.reset();
  jobs_.reset();
}

void House::add_token(const std::string& placeholder, Role role,
                      std::vector<std::string> services) {
  placeholders_.emplace_back(
      placeholder, must(credentials_->create(placeholder.substr(1), role, std::move(services), {},
                                             std::nullopt, "local:root"))
                       .secret);
}

std::string House::run_job(Action action, std::vector<std::string> services) {
  const Caller caller{.principal = {.name = "local:root", .role = Role::admin}, .address = "local"};
  const auto submitted = must(jobs_->submit(caller,
                                            {.action = action,
                                             .services = std::move(services),
                                             .group = std::nullopt,
                                             .options = jobs_->defaults()},
                                            std::nullopt));
  const auto ended =
      must(jobs_->wait(caller, submitted.job->id, system_clock().mono() + Seconds{60}));
  expect(ended->state == JobState::done, "a job ends", ended->id);
  return ended->id;
}

std::string House::fill_in(std::string_view text) const {
  std::string out(text);
  for (const auto& [placeholder, value] : placeholders_) {
    for (auto at = out.find(placeholder); at != std::string::npos;
         at = out.find(placeholder, at + value.size()))
      out.replace(at, placeholder.size(), value);
  }
  return out;
}

}  // namespace noforce::fuzz
