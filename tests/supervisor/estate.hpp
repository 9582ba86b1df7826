// A state directory with a keeper, an agent's backend over it, and waiting for what they say.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/scm/supervisor/backend.hpp"
#include "tests/support/listener.hpp"
#include "tests/support/puppet.hpp"

namespace noforce::supervisor::testing {

using test::Listener;
using test::Puppet;
using test::send_notification;

class Estate {
 public:
  Estate();
  ~Estate();  // stops every service and ends the keeper
  Estate(const Estate&) = delete;
  Estate& operator=(const Estate&) = delete;

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string file(const std::string& name) const;  // its text
  // Adds a service; before begin() or followed by reconfigure().
  ServiceSpec& add(const std::string& name, std::vector<std::string> command);
  // A puppet of type notify.
  Puppet& add_puppet(const std::string& name);
  [[nodiscard]] ServiceSpec& spec(const std::string& name);
  [[nodiscard]] std::vector<ServiceSpec>& specs() { return specs_; }

  // Starts a backend (and a keeper if need be); ends it without a word to the keeper.
  // `begun`: what jobs of an agent before it hold.
  Result<void> begin(std::map<std::string, std::vector<std::string>> begun = {});
  void leave();
  [[nodiscard]] SupervisorScm& scm() { return *scm_; }
  [[nodiscard]] Listener& listener() { return *listener_; }

  [[nodiscard]] Service service(const std::string& name);
  // Whether this process is a puppet of this estate.
  [[nodiscard]] bool is_puppet(std::int64_t pid) const;
  [[nodiscard]] std::int64_t keeper_pid() const;
  // The keeper dies by force, as nothing in the program does; returns when it is gone.
  void kill_keeper();

  // Sends a control to the present instance and waits for the answer.
  Result<void> control(ControlOp op, const std::string& name);
  ControlToken send(ControlOp op, const std::string& name);
  void send(ControlOp op, const std::string& name, const ControlToken& token,
            const std::optional<Instance>& instance);
  bool wait_for(const std::string& name, ServiceState state);
  bool wait(const std::function<bool()>& true_now) { return listener_->wait(true_now); }

 private:
  std::string folder_;
  std::vector<ServiceSpec> specs_;
  std::map<std::string, std::unique_ptr<Puppet>> puppets_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<SupervisorScm> scm_;
  std::uint32_t next_ = 1;
};

// Waits for a file's text or a process to be as wanted, for what no backend tells.
bool eventually(const std::function<bool()>& true_now);
bool alive(std::int64_t pid);

}  // namespace noforce::supervisor::testing
