#include "core/windows_handle.hpp"

#include <windows.h>

namespace noforce {

WindowsHandle::WindowsHandle(void* handle)
    : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}

void WindowsHandle::reset() {
  if (handle_ != nullptr) ::CloseHandle(handle_);
  handle_ = nullptr;
}

}  // namespace noforce
