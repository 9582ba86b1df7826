// Services that are really installed in the service manager that runs (under Wine: Wine's), hosted by
// svc_hosted, and a backend over it. Names are this test's own; nothing is left behind.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/scm/windows/backend.hpp"
#include "tests/services/windows/installer_windows.hpp"
#include "tests/support/listener.hpp"

namespace noforce::windows::testing {

class ARealScm : public ::testing::Test {
 protected:
  ARealScm();
  ~ARealScm() override;  // lets go what hangs, stops and deletes everything that was installed

  // Installs a service; the name that it really has.
  std::string install(const std::string& name, const std::vector<std::string>& depends_on = {});
  void uninstall(const std::string& name);
  // What its control file says from now on.
  void behave(const std::string& service, const std::string& lines);
  [[nodiscard]] std::vector<std::string> events(const std::string& service) const;
  [[nodiscard]] int count(const std::string& service, const std::string& event) const;

  Result<void> begin();
  [[nodiscard]] noforce::Service service(const std::string& name) const;
  [[nodiscard]] bool wait(const std::function<bool()>& true_now) {
    return listener_.wait(true_now);
  }
  [[nodiscard]] bool wait_for(const std::string& name, ServiceState state) {
    return wait([&] { return service(name).state == state; });
  }
  [[nodiscard]] bool wait_gone(const std::string& name) {
    return wait([&] {
      const auto it = service(name);
      return it.state == ServiceState::stopped && !it.instance;
    });
  }
  ControlToken send(ControlOp op, const std::string& name);
  Result<void> answer(const ControlToken& token);
  Result<void> control(ControlOp op, const std::string& name) { return answer(send(op, name)); }

  std::filesystem::path folder_;
  test::Listener listener_;
  std::unique_ptr<WindowsScm> scm_;

 private:
  std::string prefix_;
  std::vector<std::string> installed_;
  std::unique_ptr<services::windows::Installer> installer_;
  std::uint32_t next_ = 1;
};

// Where svc_hosted is.
[[nodiscard]] std::string host_program();
// Renames, also while the one that is replaced is being read, which Windows refuses meanwhile.
void put_in_place(const std::filesystem::path& from, const std::filesystem::path& to);
// Whether a process of this number runs.
[[nodiscard]] bool runs(std::int64_t pid);

}  // namespace noforce::windows::testing
