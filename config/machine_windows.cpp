#include <windows.h>

#include <filesystem>
#include <vector>

#include "config/machine.hpp"
#include "core/trusted_program.hpp"
#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"

namespace noforce::config {

Result<FileContent> read_file(const std::string& path, std::size_t most) {
  const auto refuse = [](DWORD code) {
    return windows_error(windows_kind(code, ErrorKind::access_denied), "cannot be read", code);
  };
  const std::wstring name = to_wide(path);
  const DWORD attributes = ::GetFileAttributesW(name.c_str());
  if (attributes == INVALID_FILE_ATTRIBUTES) return refuse(::GetLastError());
  if ((attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE)) != 0) {
    return fail(ErrorKind::malformed, "is not a regular file");
  }
  const WindowsHandle file(::CreateFileW(name.c_str(), GENERIC_READ,
                                         FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                         nullptr, OPEN_EXISTING, 0, nullptr));
  if (!file) return refuse(::GetLastError());
  if (::GetFileType(file.get()) != FILE_TYPE_DISK) {
    return fail(ErrorKind::malformed, "is not a regular file");
  }
  FileContent content;
  std::error_code ignored;
  const auto whole = std::filesystem::absolute(std::filesystem::path(name), ignored);
  if (const auto trusted = check_trusted_file(to_utf8(whole.lexically_normal().wstring()));
      !trusted) {
    content.distrust = trusted.error().detail;
  }
  std::vector<char> buffer(65'536);
  for (;;) {
    DWORD count = 0;
    if (::ReadFile(file.get(), buffer.data(), static_cast<DWORD>(buffer.size()), &count, nullptr) ==
        0) {
      return refuse(::GetLastError());
    }
    if (count == 0) return content;
    content.text.append(buffer.data(), count);
    if (content.text.size() > most) {
      return fail(ErrorKind::too_large, "is larger than " + std::to_string(most) + " bytes");
    }
  }
}

Result<User> find_user(const std::string&) {
  return fail(ErrorKind::malformed,
              "'user' is for Linux: on Windows the agent runs as the account that its service was "
              "installed with; take 'user' out");
}

std::string why_not_program(const std::string& path, const std::string&) {
  const auto trusted = check_trusted_program(path);
  if (trusted || trusted.error().native_code == ERROR_FILE_NOT_FOUND) return {};
  return trusted.error().detail;
}

std::string why_not_user(const std::string& user) {
  return "no service is run as '" + user + "' here: Windows' own services know their accounts";
}

}  // namespace noforce::config
