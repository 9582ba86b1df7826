#include "core/windows_error.hpp"

#include <windows.h>

#include <algorithm>
#include <array>
#include <memory>

#include "core/scm/windows/codes.hpp"

namespace noforce {
namespace {

struct Name {
  unsigned long code;
  const char* name;
};

// Beside those that the service manager answers with (core/scm/windows/codes.hpp).
constexpr auto names = std::to_array<Name>({
    {ERROR_INVALID_FUNCTION, "ERROR_INVALID_FUNCTION"},
    {ERROR_FILE_NOT_FOUND, "ERROR_FILE_NOT_FOUND"},
    {ERROR_PATH_NOT_FOUND, "ERROR_PATH_NOT_FOUND"},
    {ERROR_TOO_MANY_OPEN_FILES, "ERROR_TOO_MANY_OPEN_FILES"},
    {ERROR_INVALID_HANDLE, "ERROR_INVALID_HANDLE"},
    {ERROR_NOT_ENOUGH_MEMORY, "ERROR_NOT_ENOUGH_MEMORY"},
    {ERROR_BAD_FORMAT, "ERROR_BAD_FORMAT"},
    {ERROR_INVALID_DRIVE, "ERROR_INVALID_DRIVE"},
    {ERROR_WRITE_PROTECT, "ERROR_WRITE_PROTECT"},
    {ERROR_NOT_READY, "ERROR_NOT_READY"},
    {ERROR_SHARING_VIOLATION, "ERROR_SHARING_VIOLATION"},
    {ERROR_LOCK_VIOLATION, "ERROR_LOCK_VIOLATION"},
    {ERROR_HANDLE_DISK_FULL, "ERROR_HANDLE_DISK_FULL"},
    {ERROR_BAD_NETPATH, "ERROR_BAD_NETPATH"},
    {ERROR_FILE_EXISTS, "ERROR_FILE_EXISTS"},
    {ERROR_BROKEN_PIPE, "ERROR_BROKEN_PIPE"},
    {ERROR_DISK_FULL, "ERROR_DISK_FULL"},
    {ERROR_INVALID_NAME, "ERROR_INVALID_NAME"},
    {ERROR_DIR_NOT_EMPTY, "ERROR_DIR_NOT_EMPTY"},
    {ERROR_ALREADY_EXISTS, "ERROR_ALREADY_EXISTS"},
    {ERROR_EXE_MACHINE_TYPE_MISMATCH, "ERROR_EXE_MACHINE_TYPE_MISMATCH"},
    {ERROR_BAD_EXE_FORMAT, "ERROR_BAD_EXE_FORMAT"},
    {ERROR_PIPE_BUSY, "ERROR_PIPE_BUSY"},
    {ERROR_NO_DATA, "ERROR_NO_DATA"},
    {ERROR_DIRECTORY, "ERROR_DIRECTORY"},
    {ERROR_PRIVILEGE_NOT_HELD, "ERROR_PRIVILEGE_NOT_HELD"},
    {ERROR_SERVICE_EXISTS, "ERROR_SERVICE_EXISTS"},
    {ERROR_NOT_A_REPARSE_POINT, "ERROR_NOT_A_REPARSE_POINT"},
});

struct LocalMemory {
  void operator()(wchar_t* memory) const { ::LocalFree(memory); }
};

std::string message_of(unsigned long code, DWORD language) {
  constexpr DWORD flags =
      FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
  wchar_t* text = nullptr;
  const DWORD length = ::FormatMessageW(flags, nullptr, code, language,
                                        reinterpret_cast<wchar_t*>(&text), 0, nullptr);
  const std::unique_ptr<wchar_t, LocalMemory> owned(text);
  std::string message = to_utf8({text, length});
  while (!message.empty() && (message.back() == '\n' || message.back() == '\r' ||
                              message.back() == ' ' || message.back() == '.'))
    message.pop_back();
  return message;
}

}  // namespace

std::string windows_text(unsigned long code) {
  std::string text = message_of(code, MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US));
  if (text.empty()) text = message_of(code, 0);
  return text.empty() ? "Windows error " + std::to_string(code) : text;
}

std::string windows_name(unsigned long code) {
  const std::string_view of_scm = windows::meaning_of(static_cast<windows::Code>(code)).name;
  if (!of_scm.empty()) return std::string(of_scm);
  const auto* const found = std::ranges::find(names, code, &Name::code);
  return found == names.end() ? "" : found->name;
}

ErrorKind windows_kind(unsigned long code, ErrorKind otherwise) {
  switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_INVALID_DRIVE:
      return ErrorKind::not_found;
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
      return ErrorKind::access_denied;
    default:
      return otherwise;
  }
}

std::unexpected<Error> windows_error(ErrorKind kind, const std::string& what, unsigned long code) {
  Error error;
  error.kind = kind;
  error.detail = what + ": " + windows_text(code);
  error.native_code = static_cast<int>(code);
  error.native_name = windows_name(code);
  return std::unexpected(std::move(error));
}

std::wstring to_wide(std::string_view text) {
  if (text.empty()) return {};
  const int size = static_cast<int>(text.size());
  const int length = ::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0);
  std::wstring wide(static_cast<std::size_t>(length), L'\0');
  ::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, wide.data(), length);
  return wide;
}

std::string to_utf8(std::wstring_view text) {
  if (text.empty()) return {};
  const int size = static_cast<int>(text.size());
  const int length =
      ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, nullptr, 0, nullptr, nullptr);
  std::string narrow(static_cast<std::size_t>(length), '\0');
  ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, narrow.data(), length, nullptr, nullptr);
  return narrow;
}

}  // namespace noforce
