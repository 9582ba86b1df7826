// Installs services of this executable, and takes them out again.
#pragma once

#include <string>
#include <vector>

#include "tests/services/windows/estates.hpp"

namespace services::windows {

struct ToInstall {
  std::string name;
  std::string display_name;
  std::string process;                  // empty: one of its own
  std::vector<std::string> depends_on;  // "+NAME" is a group
  std::string load_group;
  bool automatic = false;
};

class Installer {
 public:
  // `folder`: where the services keep their control files and events. `program`: what hosts them; empty:
  // this one.
  explicit Installer(std::string folder, std::string program = {});

  // Each says on standard error what went wrong. A service that is there already is set anew.
  bool install(const std::vector<ToInstall>& services);
  bool install(const Estate& estate);
  // Only services that were installed from here; they have to be stopped. With an estate go its stand-ins
  // for what Windows has, which are stopped.
  bool remove_estate(const Estate& estate);
  bool remove(const std::vector<std::string>& names);

 private:
  bool install_one(const ToInstall& service, const std::vector<std::string>& in_process);

  std::string folder_;
  std::wstring program_;
};

[[nodiscard]] std::vector<std::string> names_of(const Estate& estate);

}  // namespace services::windows
