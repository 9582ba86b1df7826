// Rights that a test gives to everybody, on Windows.
#pragma once

#include <windows.h>
// After windows.h, which they need.
#include <aclapi.h>
#include <sddl.h>

#include <string>

#include "core/windows_error.hpp"

namespace noforce::test {

// False where the system does not.
inline bool open_to_everybody(const std::string& path) {
  void* descriptor = nullptr;
  if (::ConvertStringSecurityDescriptorToSecurityDescriptorW(L"D:(A;;FA;;;WD)", SDDL_REVISION_1,
                                                             &descriptor, nullptr) == 0) {
    return false;
  }
  BOOL is_there = FALSE;
  BOOL by_default = FALSE;
  PACL list = nullptr;
  std::wstring name = to_wide(path);
  const bool done = ::GetSecurityDescriptorDacl(descriptor, &is_there, &list, &by_default) != 0 &&
                    ::SetNamedSecurityInfoW(name.data(), SE_FILE_OBJECT, DACL_SECURITY_INFORMATION,
                                            nullptr, nullptr, list, nullptr) == ERROR_SUCCESS;
  ::LocalFree(descriptor);
  return done;
}

}  // namespace noforce::test
