#include "core/windows_security.hpp"

#include <windows.h>
// After windows.h, which they need.
#include <aclapi.h>
#include <sddl.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"

namespace noforce {

std::string sid_text(void* sid) {
  wchar_t* text = nullptr;
  if (::ConvertSidToStringSidW(sid, &text) == 0) return {};
  std::string out = to_utf8(text);
  ::LocalFree(text);
  return out;
}

namespace {

// What LocalFree frees.
class Local {
 public:
  Local() = default;
  ~Local() { ::LocalFree(memory_); }
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;
  void** out() { return &memory_; }
  [[nodiscard]] void* get() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

std::string find_own_sid() {
  HANDLE opened = nullptr;
  if (::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &opened) == 0) return {};
  const WindowsHandle token(opened);
  return user_of_token(token.get());
}

constexpr auto trusted_sids = std::to_array<std::string_view>({
    "S-1-5-18",      // SYSTEM
    "S-1-5-32-544",  // BUILTIN\Administrators
    // NT SERVICE\TrustedInstaller, which owns what belongs to Windows.
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
});

constexpr DWORD reading = FILE_READ_DATA | GENERIC_READ | GENERIC_ALL;
constexpr DWORD adding = FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | GENERIC_WRITE | GENERIC_ALL;
constexpr DWORD changing = DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL;

void count(OthersRights& rights, DWORD mask, const std::string& sid) {
  const bool reads = (mask & reading) != 0;
  const bool adds = rights.is_directory && (mask & adding) != 0;
  // FILE_DELETE_CHILD is a directory's; a file's data bits are a directory's adding bits.
  const DWORD more = rights.is_directory ? FILE_DELETE_CHILD : FILE_WRITE_DATA | FILE_APPEND_DATA;
  const bool changes = (mask & (changing | more)) != 0;
  if (!reads && !adds && !changes) return;
  if (rights.who.empty() || (changes && !rights.may_change)) rights.who = account_name(sid);
  rights.may_read |= reads;
  rights.may_add |= adds;
  rights.may_change |= changes;
}

void read_list(OthersRights& rights, PACL list, const std::string& user) {
  if (list == nullptr) {  // no list at all lets everybody do everything
    count(rights, GENERIC_ALL, "S-1-1-0");
    return;
  }
  for (DWORD i = 0; i < list->AceCount; ++i) {
    void* entry = nullptr;
    if (::GetAce(list, i, &entry) == 0) continue;
    const auto* const header = static_cast<const ACE_HEADER*>(entry);
    if ((header->AceFlags & INHERIT_ONLY_ACE) != 0) continue;
    // Of the other kinds that allow something (callback, object) the SID is elsewhere: none is made for
    // files but by programs of the administrators' own choice.
    if (header->AceType != ACCESS_ALLOWED_ACE_TYPE) continue;
    auto* const allowed = static_cast<ACCESS_ALLOWED_ACE*>(entry);
    const std::string sid = sid_text(&allowed->SidStart);
    // CREATOR OWNER is nobody but in what is handed on; OWNER RIGHTS is the owner, who is looked at by
    // itself ("Well-known SIDs").
    if (is_trusted_sid(sid, user) || sid == "S-1-3-0" || sid == "S-1-3-4") continue;
    count(rights, allowed->Mask, sid);
  }
}

// Leads to another place ("Reparse Point Tags": a name surrogate). What deduplication, compression or the
// cloud's files leave behind is the file itself.
bool leads_elsewhere(const WindowsHandle& file, DWORD attributes) {
  if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) return false;
  FILE_ATTRIBUTE_TAG_INFO tag{};
  return ::GetFileInformationByHandleEx(file.get(), FileAttributeTagInfo, &tag, sizeof tag) == 0 ||
         IsReparseTagNameSurrogate(tag.ReparseTag);
}

}  // namespace

std::string own_sid() {
  static const std::string sid = find_own_sid();
  return sid;
}

std::string account_name(const std::string& sid) {
  Local binary;
  if (::ConvertStringSidToSidW(to_wide(sid).c_str(), binary.out()) == 0) return sid;
  std::array<wchar_t, 256> name{};
  std::array<wchar_t, 256> domain{};
  DWORD name_size = name.size();
  DWORD domain_size = domain.size();
  SID_NAME_USE use{};
  if (::LookupAccountSidW(nullptr, binary.get(), name.data(), &name_size, domain.data(),
                          &domain_size, &use) == 0) {
    return sid;
  }
  const std::string prefix = to_utf8(domain.data());
  return (prefix.empty() ? "" : prefix + "\\") + to_utf8(name.data());
}

std::string user_of_token(void* token) {
  DWORD size = 0;
  ::GetTokenInformation(token, TokenUser, nullptr, 0, &size);
  std::vector<unsigned char> buffer(size);
  if (size == 0 || ::GetTokenInformation(token, TokenUser, buffer.data(), size, &size) == 0) {
    return {};
  }
  return sid_text(reinterpret_cast<TOKEN_USER*>(buffer.data())->User.Sid);
}

bool has_administrators_rights(void* token) {
  Local administrators;
  BOOL is_member = FALSE;
  return ::ConvertStringSidToSidW(L"S-1-5-32-544", administrators.out()) != 0 &&
         ::CheckTokenMembership(token, administrators.get(), &is_member) != 0 && is_member != 0;
}

bool is_wine() {
  const HMODULE base = ::GetModuleHandleW(L"ntdll.dll");
  return base != nullptr && ::GetProcAddress(base, "wine_get_version") != nullptr;
}

std::string user_to_trust(const std::string& own, bool is_administrator, bool has_one_user) {
  return is_administrator && !has_one_user ? std::string() : own;
}

const std::string& trusted_user() {
  static const std::string user = user_to_trust(own_sid(), has_administrators_rights(), is_wine());
  return user;
}

bool is_trusted_sid(const std::string& sid, const std::string& user) {
  return !sid.empty() &&
         (std::ranges::find(trusted_sids, sid) != trusted_sids.end() || sid == user);
}

Result<OthersRights> rights_of_others(const std::string& path) {
  const auto refuse = [&path](DWORD code) {
    return windows_error(windows_kind(code, ErrorKind::access_denied),
                         path + " cannot be looked at", code);
  };
  constexpr DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  const WindowsHandle file(::CreateFileW(
      to_wide(path).c_str(), READ_CONTROL | FILE_READ_ATTRIBUTES, shared, nullptr, OPEN_EXISTING,
      FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  if (!file) return refuse(::GetLastError());
  BY_HANDLE_FILE_INFORMATION about{};
  if (::GetFileInformationByHandle(file.get(), &about) == 0) return refuse(::GetLastError());
  Local descriptor;
  const DWORD problem = ::GetSecurityInfo(file.get(), SE_FILE_OBJECT,
                                          OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                                          nullptr, nullptr, nullptr, nullptr, descriptor.out());
  if (problem != ERROR_SUCCESS) return refuse(problem);
  const bool is_directory = (about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  OthersRights rights = rights_in(descriptor.get(), is_directory, trusted_user());
  rights.is_link = leads_elsewhere(file, about.dwFileAttributes);
  rights.links = about.nNumberOfLinks;
  return rights;
}

OthersRights rights_in(void* descriptor, bool is_directory, const std::string& user) {
  OthersRights rights;
  rights.is_directory = is_directory;
  PSID owner = nullptr;
  PACL list = nullptr;
  BOOL by_default = FALSE;
  BOOL has_list = FALSE;
  ::GetSecurityDescriptorOwner(descriptor, &owner, &by_default);
  ::GetSecurityDescriptorDacl(descriptor, &has_list, &list, &by_default);
  if (owner != nullptr) rights.owner = sid_text(owner);
  read_list(rights, has_list != 0 ? list : nullptr, user);
  return rights;
}

std::string private_descriptor(const std::string& user) {
  const std::string list = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";
  // The owner is said: by default it is the administrators' group for some and its member for others.
  if (user.empty()) return "O:BA" + list;
  return "O:" + user + list + "(A;OICI;FA;;;" + user + ")";
}

PrivateSecurity::PrivateSecurity() {
  const std::string text = private_descriptor(trusted_user());
  if (::ConvertStringSecurityDescriptorToSecurityDescriptorW(to_wide(text).c_str(), SDDL_REVISION_1,
                                                             &descriptor_, nullptr) == 0) {
    descriptor_ = nullptr;
  }
}

PrivateSecurity::~PrivateSecurity() {
  ::LocalFree(descriptor_);
}

Result<void> close_to_others(const std::string& path) {
  const PrivateSecurity security;
  // As it stands, with nothing of the directory's: the list says that it is protected.
  const bool done =
      security.descriptor() != nullptr &&
      ::SetFileSecurityW(to_wide(path).c_str(),
                         DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
                         security.descriptor()) != 0;
  const DWORD problem = done ? ERROR_SUCCESS : ::GetLastError();
  if (problem == ERROR_SUCCESS) return {};
  return windows_error(windows_kind(problem), path + " cannot be closed to others", problem);
}

}  // namespace noforce
