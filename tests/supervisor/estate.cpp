#include "tests/supervisor/estate.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "core/scm/supervisor/process.hpp"

namespace noforce::supervisor::testing {
namespace {

constexpr std::chrono::seconds kBroken{20};  // only broken code waits for so long

}  // namespace

Estate::Estate() {
  std::string pattern = (std::filesystem::temp_directory_path() / "noforce-keeper-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
}

Estate::~Estate() {
  if (!scm_ && !begin()) return;
  // Whatever a test left halted or holding on ends here, by pid: they are the test's own children's
  // children, and hold nothing of worth.
  const PicturePtr left = scm_->snapshot();
  for (const auto& known : left->services) {
    if (!is_up(known->state)) continue;
    send(ControlOp::stop, known->name);
    if (known->instance) {
      const Fd pidfd = open_pidfd(known->instance->pid);
      (void)send_signal(pidfd, SIGCONT);
      (void)send_signal(pidfd, SIGKILL);
    }
  }
  wait([this] {
    const PicturePtr picture = scm_->snapshot();
    return std::none_of(picture->services.begin(), picture->services.end(),
                        [](const auto& known) { return is_up(known->state); });
  });
  const std::int64_t keeper = keeper_pid();
  if (const auto ended = scm_->end_keeper(Milliseconds(10'000)); !ended) {
    ADD_FAILURE() << ended.error().detail;
  }
  leave();
  if (!eventually([keeper] { return !alive(keeper); })) ADD_FAILURE() << "the keeper did not end";
  const std::string log = file("logs/keeper.log");
  EXPECT_EQ(log.find("Sanitizer"), std::string::npos) << log;
  EXPECT_EQ(log.find("was lost"), std::string::npos) << log;
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Estate::file(const std::string& name) const {
  std::ifstream in(folder_ + "/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

ServiceSpec& Estate::add(const std::string& name, std::vector<std::string> command) {
  ServiceSpec spec;
  spec.name = name;
  spec.display_name = name;
  spec.command = std::move(command);
  specs_.push_back(std::move(spec));
  return specs_.back();
}

Puppet& Estate::add_puppet(const std::string& name) {
  puppets_[name] = std::make_unique<Puppet>(folder_ + "/" + name + ".fifo");
  add(name, puppets_[name]->command()).type = Readiness::notify;
  return *puppets_[name];
}

ServiceSpec& Estate::spec(const std::string& name) {
  for (auto& spec : specs_) {
    if (spec.name == name) return spec;
  }
  return specs_.front();
}

Result<void> Estate::begin(std::map<std::string, std::vector<std::string>> begun) {
  listener_ = std::make_unique<Listener>();
  scm_ = std::make_unique<SupervisorScm>(SupervisorOptions{.state_dir = folder_,
                                                           .executable = "/proc/self/exe",
                                                           .keeper_args = {"--keeper", folder_},
                                                           .specs = specs_,
                                                           .begun = std::move(begun)});
  return scm_->start(*listener_, Milliseconds(20'000));
}

void Estate::leave() {
  scm_.reset();
}

Service Estate::service(const std::string& name) {
  const PicturePtr picture = scm_->snapshot();
  const Service* found = picture->find(name);
  return found == nullptr ? Service{} : *found;
}

bool Estate::is_puppet(std::int64_t pid) const {
  std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str().find("--puppet") != std::string::npos &&
         text.str().find(folder_) != std::string::npos;
}

std::int64_t Estate::keeper_pid() const {
  const std::string text = file("keeper.lock");
  return text.empty() ? 0 : std::stoll(text);
}

void Estate::kill_keeper() {
  const std::int64_t pid = keeper_pid();
  const Fd pidfd = open_pidfd(pid);
  if (send_signal(pidfd, SIGKILL) != 0) return;
  pollfd wait{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  ::poll(&wait, 1, 10'000);
}

void Estate::send(ControlOp op, const std::string& name, const ControlToken& token,
                  const std::optional<Instance>& instance) {
  scm_->submit(
      {.op = op, .service = name, .instance = instance, .token = token, .comment = "test"});
}

ControlToken Estate::send(ControlOp op, const std::string& name) {
  const ControlToken token{.job = "01TEST", .step = next_++, .attempt = 1};
  send(op, name, token, service(name).instance);
  return token;
}

Result<void> Estate::control(ControlOp op, const std::string& name) {
  const ControlToken token = send(op, name);
  if (!wait([&] { return listener_->answer(token).has_value(); })) {
    return noforce::fail(ErrorKind::timeout, "no answer");
  }
  return *listener_->answer(token);
}

bool Estate::wait_for(const std::string& name, ServiceState state) {
  return wait([&] { return service(name).state == state; });
}

bool eventually(const std::function<bool()>& true_now) {
  const auto until = std::chrono::steady_clock::now() + kBroken;
  while (!true_now()) {
    if (std::chrono::steady_clock::now() > until) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

bool alive(std::int64_t pid) {
  const auto stat = read_stat(pid);
  return stat && !stat->gone();
}

}  // namespace noforce::supervisor::testing
