// The service manager's handles as types of their own, each closed once.
#pragma once

#include <windows.h>

#include <memory>
#include <type_traits>

namespace noforce::windows {

struct CloseSc {
  void operator()(SC_HANDLE handle) const { CloseServiceHandle(handle); }
};
// SC_HANDLE
using UniqueScHandle = std::unique_ptr<std::remove_pointer_t<SC_HANDLE>, CloseSc>;

}  // namespace noforce::windows
