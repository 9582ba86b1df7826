#include "tests/conformance/any_scm.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

namespace noforce::test {
namespace {

constexpr Milliseconds kPatience{20'000};  // only broken code waits for so long

}  // namespace

ControlToken fresh_token() {
  static std::atomic<std::uint32_t> next{1};
  return {.job = "01TEST", .step = next++, .attempt = 1};
}

Client::Client(Estate& estate, std::unique_ptr<Scm> scm) : estate_(estate), scm_(std::move(scm)) {
  listener_.look_at([this] { return scm_->snapshot(); });
}

Client::~Client() {
  scm_->stop();
}

Result<void> Client::begin() {
  return scm_->start(listener_, kPatience);
}

Service Client::service(const std::string& name) {
  const PicturePtr picture = scm_->snapshot();
  const Service* found = picture->find(estate_.canonical(name));
  return found == nullptr ? Service{} : *found;
}

bool Client::wait_for(const std::string& name, ServiceState state) {
  return wait([&] {
    const Service now = service(name);
    return !now.name.empty() && now.state == state;
  });
}

bool Client::wait_until_gone(const std::string& name) {
  return wait([&] {
    const Service now = service(name);
    return !now.name.empty() && now.state == ServiceState::stopped && !now.instance;
  });
}

void Client::send(ControlOp op, const std::string& name, const ControlToken& token,
                  const std::optional<Instance>& instance) {
  scm_->submit({.op = op,
                .service = estate_.canonical(name),
                .instance = instance,
                .token = token,
                .comment = "conformance"});
}

ControlToken Client::send(ControlOp op, const std::string& name) {
  const ControlToken token = fresh_token();
  send(op, name, token, op == ControlOp::start ? std::nullopt : service(name).instance);
  return token;
}

Result<void> Client::answer(const ControlToken& token) {
  if (!wait([&] { return listener_.answer(token).has_value(); })) {
    return fail(ErrorKind::internal, "no answer came");
  }
  return *listener_.answer(token);
}

std::optional<Instance> Client::run(const std::string& name) {
  if (const auto answered = control(ControlOp::start, name); !answered) {
    ADD_FAILURE() << "start of " << name << ": " << answered.error().detail;
    return std::nullopt;
  }
  if (!wait_for(name, ServiceState::running)) {
    ADD_FAILURE() << name << " is " << to_string(service(name).state);
    return std::nullopt;
  }
  return service(name).instance;
}

bool AnyScm::begin(const std::vector<Role>& roles) {
  estate_->install(roles);
  client_ = another();
  return client_ != nullptr;
}

std::unique_ptr<Client> AnyScm::another() {
  auto made = std::make_unique<Client>(*estate_, estate_->connect());
  if (const auto begun = made->begin(); !begun) {
    ADD_FAILURE() << begun.error().detail;
    return nullptr;
  }
  return made;
}

void AnyScm::outlast_the_scms_patience() const {
  const Milliseconds limit = estate_->abilities().kills_after;
  if (limit.count() > 0) std::this_thread::sleep_for(limit + Milliseconds(700));
}

bool AnyScm::eventually(const std::function<bool()>& true_now) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!true_now()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(Milliseconds(5));
  }
  return true;
}

}  // namespace noforce::test
