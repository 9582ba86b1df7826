// A test service program for Windows.
//
//   svc_hosted install iis6|iis7 FOLDER          an estate (estates.hpp)
//   svc_hosted install FOLDER NAME [DEPENDENCY...]   one service of its own process
//   svc_hosted remove iis6|iis7 | NAME...
//   svc_hosted poll NAME MS                      looks each MS until NAME is stopped; when it saw that, in
//                                                microseconds since 1970
//   svc_hosted gone NAME                         waits until the process of NAME is gone; when it was, the same
//   svc_hosted end PID                           by force, as IISReset does; for what tests set beside
//   svc_hosted host own|shared FOLDER NAME...    what the service manager runs
//
// How a service behaves stands in FOLDER\NAME.control (behaviour.hpp); what it did, in FOLDER\NAME.events.

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/services/windows/hosted_windows.hpp"
#include "tests/services/windows/installer_windows.hpp"

namespace services::windows {
namespace {

std::string folder;
bool shared = false;

std::string narrow(const wchar_t* text) {
  const int length = WideCharToMultiByte(CP_UTF8, 0, text, -1, nullptr, 0, nullptr, nullptr);
  std::string out(static_cast<std::size_t>(length - 1), '\0');
  WideCharToMultiByte(CP_UTF8, 0, text, -1, out.data(), length, nullptr, nullptr);
  return out;
}

void WINAPI service_main(DWORD count, wchar_t** names) {
  if (count == 0) return;
  Hosted(std::filesystem::path(reinterpret_cast<const char8_t*>(folder.c_str())), narrow(names[0]),
         shared)
      .run();
}

int host(const std::vector<std::string>& words) {
  shared = words.at(1) == "shared";
  folder = words.at(2);
  std::vector<std::wstring> names;
  for (std::size_t n = 3; n < words.size(); ++n)
    names.emplace_back(words[n].begin(), words[n].end());
  std::vector<SERVICE_TABLE_ENTRYW> table;
  for (auto& name : names)
    table.push_back({name.data(), &service_main});
  table.push_back({nullptr, nullptr});
  return StartServiceCtrlDispatcherW(table.data()) ? 0 : 1;
}

void say_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::printf("%lld\n", static_cast<long long>(
                            std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
}

// As tools without notifications do it (.NET's ServiceController: every 250 ms).
int poll(const std::string& name, unsigned long interval) {
  const SC_HANDLE manager = OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT);
  const SC_HANDLE service =
      OpenServiceW(manager, std::wstring(name.begin(), name.end()).c_str(), SERVICE_QUERY_STATUS);
  SERVICE_STATUS status{};
  while (QueryServiceStatus(service, &status) && status.dwCurrentState != SERVICE_STOPPED)
    Sleep(interval);
  say_now();
  CloseServiceHandle(service);
  CloseServiceHandle(manager);
  return status.dwCurrentState == SERVICE_STOPPED ? 0 : 1;
}

// The least that whoever waits for the process can do: how long the service's own end takes.
int gone(const std::string& name) {
  const SC_HANDLE manager = OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT);
  const SC_HANDLE service =
      OpenServiceW(manager, std::wstring(name.begin(), name.end()).c_str(), SERVICE_QUERY_STATUS);
  SERVICE_STATUS_PROCESS status{};
  DWORD needed = 0;
  QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, reinterpret_cast<BYTE*>(&status),
                       sizeof status, &needed);
  const HANDLE process = OpenProcess(SYNCHRONIZE, FALSE, status.dwProcessId);
  const bool seen = process != nullptr && WaitForSingleObject(process, 60'000) == WAIT_OBJECT_0;
  say_now();
  CloseHandle(process);
  CloseServiceHandle(service);
  CloseServiceHandle(manager);
  return seen ? 0 : 1;
}

// What noforce never does, so that tests can show what it costs.
int end_by_force(const std::string& pid) {
  const HANDLE process = OpenProcess(PROCESS_TERMINATE, FALSE, std::stoul(pid));
  if (process == nullptr) return 1;
  const BOOL ended = TerminateProcess(process, 1);  // never-kills: the peer, for comparison
  CloseHandle(process);
  return ended ? 0 : 1;
}

const Estate* estate(const std::string& name) {
  if (name == kIis6.name) return &kIis6;
  return name == kIis7.name ? &kIis7 : nullptr;
}

int install(const std::vector<std::string>& words) {
  if (const Estate* known = estate(words.at(1)))
    return Installer(words.at(2)).install(*known) ? 0 : 1;
  ToInstall one{.name = words.at(2), .depends_on = {words.begin() + 3, words.end()}};
  return Installer(words.at(1)).install({one}) ? 0 : 1;
}

int remove(const std::vector<std::string>& words) {
  if (const Estate* known = estate(words.at(1)))
    return Installer(".").remove_estate(*known) ? 0 : 1;
  const std::vector<std::string> names(words.begin() + 1, words.end());
  return Installer(".").remove(names) ? 0 : 1;
}

}  // namespace
}  // namespace services::windows

int wmain(int argc, wchar_t** argv) {
  using namespace services::windows;
  std::vector<std::string> words;
  for (int n = 1; n < argc; ++n)
    words.push_back(narrow(argv[n]));
  if (words.size() >= 4 && words[0] == "host") return host(words);
  if (words.size() >= 3 && words[0] == "install") return install(words);
  if (words.size() == 3 && words[0] == "poll") return poll(words[1], std::stoul(words[2]));
  if (words.size() == 2 && words[0] == "gone") return gone(words[1]);
  if (words.size() == 2 && words[0] == "end") return end_by_force(words[1]);
  if (words.size() >= 2 && words[0] == "remove") return remove(words);
  std::fprintf(stderr,
               "say install, remove, poll, gone, end or host; see the top of main_windows.cpp\n");
  return 2;
}
