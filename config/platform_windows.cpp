#include <windows.h>

#include <array>
#include <cctype>

#include "config/platform.hpp"
#include "core/windows_error.hpp"

namespace noforce::config {
namespace {

// From the registry and not from the environment, which whoever starts the agent may set.
std::string program_data() {
  std::array<wchar_t, MAX_PATH> path{};
  DWORD size = sizeof path;
  const LSTATUS found = ::RegGetValueW(
      HKEY_LOCAL_MACHINE, L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList",
      L"ProgramData", RRF_RT_REG_SZ, nullptr, path.data(), &size);
  return found == ERROR_SUCCESS ? to_utf8(path.data()) : "C:\\ProgramData";
}

}  // namespace

std::string default_state_dir() {
  return program_data() + "\\noforce";
}

Backend default_backend() {
  return Backend::windows;
}

std::string default_settings_file() {
  return default_state_dir() + "\\noforce.toml";
}

bool is_absolute_path(const std::string& path) {
  return path.size() >= 3 && std::isalpha(static_cast<unsigned char>(path[0])) != 0 &&
         path[1] == ':' && (path[2] == '\\' || path[2] == '/');
}

std::string why_not_absolute() {
  return R"(does not begin with a drive, as C:\)";
}

}  // namespace noforce::config
