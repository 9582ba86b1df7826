#include <windows.h>

#include <array>
#include <string>

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/windows_error.hpp"

namespace noforce {
namespace {

// Keys of the registry that are made volatile are gone with the next boot: what the first one who asks
// puts there stands for this one.
std::string boot_id_below(HKEY root) {
  HKEY key = nullptr;
  if (::RegCreateKeyExW(root, L"SOFTWARE\\noforce-boot", 0, nullptr, REG_OPTION_VOLATILE,
                        KEY_READ | KEY_WRITE, nullptr, &key, nullptr) != ERROR_SUCCESS) {
    return {};
  }
  std::array<wchar_t, 64> text{};
  DWORD size = (text.size() - 1) * sizeof(wchar_t);
  if (::RegQueryValueExW(key, L"id", nullptr, nullptr, reinterpret_cast<BYTE*>(text.data()),
                         &size) != ERROR_SUCCESS) {
    const std::wstring made = to_wide(to_hex(random_bytes(16)));
    ::RegSetValueExW(key, L"id", 0, REG_SZ, reinterpret_cast<const BYTE*>(made.c_str()),
                     static_cast<DWORD>((made.size() + 1) * sizeof(wchar_t)));
    size = (text.size() - 1) * sizeof(wchar_t);
    // What is there now: another process may have been faster.
    if (::RegQueryValueExW(key, L"id", nullptr, nullptr, reinterpret_cast<BYTE*>(text.data()),
                           &size) != ERROR_SUCCESS) {
      text.front() = L'\0';
    }
  }
  ::RegCloseKey(key);
  return to_utf8(text.data());
}

}  // namespace

std::string boot_id() {
  // Who may not write for the whole machine has an id of his own.
  std::string id = boot_id_below(HKEY_LOCAL_MACHINE);
  return id.empty() ? boot_id_below(HKEY_CURRENT_USER) : id;
}

}  // namespace noforce
