// A HANDLE of Windows that is closed once, by its owner. For files of that platform only.
#pragma once

#include <utility>

namespace noforce {

class WindowsHandle {
 public:
  WindowsHandle() = default;
  // INVALID_HANDLE_VALUE counts as none.
  explicit WindowsHandle(void* handle);
  ~WindowsHandle() { reset(); }
  WindowsHandle(WindowsHandle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  WindowsHandle& operator=(WindowsHandle&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  WindowsHandle(const WindowsHandle&) = delete;
  WindowsHandle& operator=(const WindowsHandle&) = delete;

  [[nodiscard]] void* get() const { return handle_; }
  [[nodiscard]] explicit operator bool() const { return handle_ != nullptr; }
  // Somebody else closes it from now on.
  [[nodiscard]] void* release() { return std::exchange(handle_, nullptr); }
  void reset();

 private:
  void* handle_ = nullptr;
};

}  // namespace noforce
