// Each kind of system handle as a type of its own, closed once.
#pragma once

#include <windows.h>

#include <memory>
#include <type_traits>

namespace noforce::windows {

template <auto Close>
struct Closer {
  template <typename H>
  void operator()(H handle) const {
    Close(handle);
  }
};

template <typename H, auto Close>
using UniqueHandle = std::unique_ptr<std::remove_pointer_t<H>, Closer<Close>>;

using UniqueScHandle = UniqueHandle<SC_HANDLE, CloseServiceHandle>;
using UniqueKernelHandle = UniqueHandle<HANDLE, CloseHandle>;

}  // namespace noforce::windows
