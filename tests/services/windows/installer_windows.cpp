#include "tests/services/windows/installer_windows.hpp"

#include <windows.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace services::windows {
namespace {

struct CloseSc {
  void operator()(SC_HANDLE handle) const { CloseServiceHandle(handle); }
};
using ScHandle = std::unique_ptr<std::remove_pointer_t<SC_HANDLE>, CloseSc>;

std::wstring wide(const std::string& text) {
  const int size = static_cast<int>(text.size());
  std::wstring out(
      static_cast<std::size_t>(MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0)),
      L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.data(), size, out.data(), static_cast<int>(out.size()));
  return out;
}

std::wstring quoted(const std::wstring& text) {
  return L"\"" + text + L"\"";
}

std::wstring this_program() {
  std::wstring path(32'768, L'\0');
  path.resize(GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size())));
  return path;
}

bool failed(const std::string& what) {
  std::fprintf(stderr, "%s: error %lu\n", what.c_str(), GetLastError());
  return false;
}

ScHandle manager(DWORD rights) {
  return ScHandle(OpenSCManagerW(nullptr, nullptr, rights));
}

bool is_there(const std::string& name) {
  const auto scm = manager(SC_MANAGER_CONNECT);
  return ScHandle(OpenServiceW(scm.get(), wide(name).c_str(), SERVICE_QUERY_STATUS)) != nullptr;
}

constexpr std::string_view stand_in = " (a stand-in)";

bool is_stand_in(const std::string& name) {
  const auto scm = manager(SC_MANAGER_CONNECT);
  const ScHandle service(OpenServiceW(scm.get(), wide(name).c_str(), SERVICE_QUERY_CONFIG));
  alignas(QUERY_SERVICE_CONFIGW) std::byte room[8192];  // the most that Windows asks for
  auto* config = reinterpret_cast<QUERY_SERVICE_CONFIGW*>(room);
  DWORD needed = 0;
  return service != nullptr &&
         QueryServiceConfigW(service.get(), config, sizeof room, &needed) != 0 &&
         std::wstring_view(config->lpDisplayName).ends_with(wide(std::string(stand_in)));
}

// A service that runs is only marked for deletion, and cannot be installed anew until it has stopped.
void stop(const std::string& name) {
  const auto scm = manager(SC_MANAGER_CONNECT);
  const ScHandle service(
      OpenServiceW(scm.get(), wide(name).c_str(), SERVICE_STOP | SERVICE_QUERY_STATUS));
  SERVICE_STATUS status{};
  if (service == nullptr || ControlService(service.get(), SERVICE_CONTROL_STOP, &status) == 0)
    return;
  for (int looks = 0; looks < 200 && status.dwCurrentState != SERVICE_STOPPED; ++looks) {
    Sleep(50);
    if (QueryServiceStatus(service.get(), &status) == 0) return;
  }
}

bool needs(const Estate& estate, std::string_view name) {
  return std::ranges::any_of(estate.services, [&](const EstateService& service) {
    return std::ranges::find(service.depends_on, name) != service.depends_on.end();
  });
}

std::vector<std::string> owned(const std::vector<std::string_view>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

Installer::Installer(std::string folder, std::string program)
    : folder_(std::move(folder)), program_(program.empty() ? this_program() : wide(program)) {
  CreateDirectoryW(wide(folder_).c_str(), nullptr);
}

bool Installer::install(const Estate& estate) {
  std::vector<ToInstall> all;
  for (const auto name : kOfWindows) {
    if (!needs(estate, name) || is_there(std::string(name))) continue;
    all.push_back({.name = std::string(name),
                   .display_name = std::string(name) + std::string(stand_in),
                   .process = {},
                   .depends_on = {},
                   .load_group = {},
                   .automatic = true});
  }
  for (const auto& service : estate.services) {
    all.push_back({.name = std::string(service.name),
                   .display_name = std::string(service.display_name),
                   .process = std::string(service.process),
                   .depends_on = owned(service.depends_on),
                   .load_group = std::string(service.load_group),
                   .automatic = service.automatic});
  }
  return install(all);
}

bool Installer::install(const std::vector<ToInstall>& services) {
  return std::all_of(services.begin(), services.end(), [&](const ToInstall& service) {
    std::vector<std::string> in_process;
    for (const auto& other : services) {
      const bool same = !service.process.empty() && other.process == service.process;
      if (same || other.name == service.name) in_process.push_back(other.name);
    }
    return install_one(service, in_process);
  });
}

bool Installer::install_one(const ToInstall& service, const std::vector<std::string>& in_process) {
  const auto scm = manager(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE);
  if (scm == nullptr) return failed("the service manager");
  const DWORD type =
      service.process.empty() ? SERVICE_WIN32_OWN_PROCESS : SERVICE_WIN32_SHARE_PROCESS;
  const DWORD start = service.automatic ? SERVICE_AUTO_START : SERVICE_DEMAND_START;
  std::wstring image = quoted(program_) + L" host " +
                       (service.process.empty() ? L"own " : L"shared ") + quoted(wide(folder_));
  for (const auto& name : in_process)
    image += L" " + wide(name);
  std::wstring needs;
  for (const auto& name : service.depends_on)
    needs += wide(name) + L'\0';
  needs += L'\0';
  const std::wstring name = wide(service.name);
  const std::wstring shown =
      wide(service.display_name.empty() ? service.name : service.display_name);
  const std::wstring group = wide(service.load_group);
  ScHandle made(CreateServiceW(scm.get(), name.c_str(), shown.c_str(), SERVICE_ALL_ACCESS, type,
                               start, SERVICE_ERROR_NORMAL, image.c_str(),
                               group.empty() ? nullptr : group.c_str(), nullptr, needs.c_str(),
                               nullptr, nullptr));
  if (made != nullptr) return true;
  if (GetLastError() != ERROR_SERVICE_EXISTS) return failed("to create " + service.name);
  made.reset(OpenServiceW(scm.get(), name.c_str(), SERVICE_CHANGE_CONFIG));
  if (made == nullptr || !ChangeServiceConfigW(made.get(), type, start, SERVICE_ERROR_NORMAL,
                                               image.c_str(), group.c_str(), nullptr, needs.c_str(),
                                               nullptr, nullptr, shown.c_str())) {
    return failed("to change " + service.name);
  }
  return true;
}

bool Installer::remove_estate(const Estate& estate) {
  std::vector<std::string> names = names_of(estate);
  for (const auto name : kOfWindows) {
    if (!needs(estate, name) || !is_stand_in(std::string(name))) continue;
    stop(std::string(name));
    names.emplace_back(name);
  }
  return remove(names);
}

bool Installer::remove(const std::vector<std::string>& names) {
  const auto scm = manager(SC_MANAGER_CONNECT);
  bool all = true;
  for (const auto& name : names) {
    const ScHandle service(OpenServiceW(scm.get(), wide(name).c_str(), DELETE));
    if (service == nullptr || !DeleteService(service.get())) all = failed("to delete " + name);
  }
  return all;
}

std::vector<std::string> names_of(const Estate& estate) {
  std::vector<std::string> names;
  for (const auto& service : estate.services)
    names.emplace_back(service.name);
  return names;
}

}  // namespace services::windows
