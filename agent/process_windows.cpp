#include <windows.h>

#include "agent/process.hpp"
// After windows.h, which they need.
#include <shellapi.h>

#include <array>
#include <vector>

#include "core/socket.hpp"
#include "core/windows_error.hpp"
#include "core/windows_security.hpp"

namespace noforce::agent {

void set_up_process() {
  // From now on libraries come from Windows' own directory only. What the program imports itself was
  // loaded before its first line: first from its own directory, but for the system's "known DLLs"; hence
  // nobody else may write there (check_trusted_program, at `service install`).
  ::SetDllDirectoryW(L"");
  ::SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32);
  // No box that waits for somebody to click, where nobody sits.
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
  start_sockets();
}

// Others of the same user can look into any of its processes on Windows; what can be had is that error
// reporting writes no copy of the memory to the disk (set_up_process).
void keep_memory_private() {}

bool is_hardened_unit() {
  return false;
}

std::string this_user() {
  const std::string name = account_name(own_sid());
  return name.empty() ? "unknown" : name;
}

std::string machine_name() {
  std::array<wchar_t, 256> name{};
  DWORD size = name.size();
  return ::GetComputerNameExW(ComputerNameDnsHostname, name.data(), &size) != 0
             ? to_utf8({name.data(), size})
             : "";
}

std::string this_executable() {
  std::vector<wchar_t> path(32'768);
  const DWORD length = ::GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size()));
  return length < path.size() ? to_utf8({path.data(), length}) : "";
}

std::vector<std::string> program_arguments(int, char**) {
  int count = 0;
  wchar_t** const wide = ::CommandLineToArgvW(::GetCommandLineW(), &count);
  std::vector<std::string> arguments;
  for (int i = 0; wide != nullptr && i < count; ++i)
    arguments.push_back(to_utf8(wide[i]));
  ::LocalFree(wide);
  return arguments;
}

}  // namespace noforce::agent
