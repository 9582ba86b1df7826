// The suite that every backend has to pass, as it is: core/scm/port.hpp's rules, each a case.
//
// A backend's tests compile tests/conformance/*.cpp with them and say, once:
//   INSTANTIATE_TEST_SUITE_P(Supervisor, AnyScm, ::testing::Values(&make_estate));
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/graph.hpp"
#include "tests/conformance/estate.hpp"
#include "tests/support/listener.hpp"

namespace noforce::test {

// One client with the sink that listens to it.
class Client {
 public:
  Client(Estate& estate, std::unique_ptr<Scm> scm);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Result<void> begin();
  void end() { scm_->stop(); }
  [[nodiscard]] Scm& scm() { return *scm_; }
  [[nodiscard]] Listener& listener() { return listener_; }

  // By the suite's name. A service that is not there is one without a name.
  [[nodiscard]] Service service(const std::string& name);
  bool wait(const std::function<bool()>& true_now) { return listener_.wait(true_now); }
  bool wait_for(const std::string& name, ServiceState state);
  // Stopped, and its process gone as far as the SCM tells.
  bool wait_until_gone(const std::string& name);

  // Sends to the present instance (a start: to none).
  ControlToken send(ControlOp op, const std::string& name);
  void send(ControlOp op, const std::string& name, const ControlToken& token,
            const std::optional<Instance>& instance);
  // Waits for the answer to what was sent.
  Result<void> answer(const ControlToken& token);
  Result<void> control(ControlOp op, const std::string& name) { return answer(send(op, name)); }
  // Starts it and waits until it runs; null where it does not.
  std::optional<Instance> run(const std::string& name);

 private:
  Estate& estate_;
  Listener listener_;
  std::unique_ptr<Scm> scm_;
};

class AnyScm : public ::testing::TestWithParam<MakeEstate> {
 protected:
  AnyScm() : estate_(GetParam()()) {}

  // Installs, connects and waits for the first picture.
  [[nodiscard]] bool begin(const std::vector<Role>& roles);
  // A client more, beside or after the first.
  [[nodiscard]] std::unique_ptr<Client> another();
  [[nodiscard]] Client& client() { return *client_; }
  [[nodiscard]] Estate& estate() { return *estate_; }
  [[nodiscard]] std::string canonical(const std::string& name) { return estate_->canonical(name); }
  // Lets the time pass after which this SCM would end a hung service by force.
  void outlast_the_scms_patience() const;
  // Waits for what no sink tells.
  static bool eventually(const std::function<bool()>& true_now);

 private:
  std::unique_ptr<Estate> estate_;
  std::unique_ptr<Client> client_;
};

// A token that was not used before.
[[nodiscard]] ControlToken fresh_token();

}  // namespace noforce::test
