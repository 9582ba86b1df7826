#include "agent/signals_windows.hpp"

#include <windows.h>

#include <algorithm>
#include <array>

#include "core/windows_handle.hpp"

namespace noforce::agent {
namespace {

struct Events {
  WindowsHandle end{::CreateEventW(nullptr, FALSE, FALSE, nullptr)};
  WindowsHandle reload{::CreateEventW(nullptr, FALSE, FALSE, nullptr)};
};

Events& events() {
  static Events all;
  return all;
}

// On a thread that Windows makes for it. A service is not told of these: it has its own handler. Nor is
// anybody told here of a logoff or shutdown: these go to services alone, and to no program with USER32
// ("HandlerRoutine"), which OpenSSL brings along. An agent on a console is then ended as it is, and its
// journal is made for that.
BOOL WINAPI on_console(DWORD what) {
  tell(Told::end);
  // With the console closed the process ends when this returns; the agent ends by itself meanwhile.
  if (what == CTRL_CLOSE_EVENT) ::Sleep(INFINITE);
  return TRUE;
}

}  // namespace

void tell(Told what) {
  ::SetEvent((what == Told::end ? events().end : events().reload).get());
}

Signals::Signals() {
  (void)events();
  ::SetConsoleCtrlHandler(nullptr,
                          FALSE);  // a starter may have switched Ctrl-C off for its children
  ::SetConsoleCtrlHandler(on_console, FALSE);
  ::SetConsoleCtrlHandler(on_console, TRUE);
}

std::optional<Told> Signals::wait(Milliseconds patience) const {
  const std::array<HANDLE, 2> both{events().end.get(), events().reload.get()};
  const auto most = static_cast<std::int64_t>(INFINITE) - 1;
  const auto time = static_cast<DWORD>(std::clamp<std::int64_t>(patience.count(), 0, most));
  switch (::WaitForMultipleObjects(both.size(), both.data(), FALSE, time)) {
    case WAIT_OBJECT_0:
      return Told::end;
    case WAIT_OBJECT_0 + 1:
      return Told::reload;
    default:
      return std::nullopt;
  }
}

}  // namespace noforce::agent
