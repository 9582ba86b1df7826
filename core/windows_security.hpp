// Who owns a file and what others may do with it, as Windows' security descriptors say. Trusted are
// SYSTEM, the administrators, Windows' own installer and, where it has not the administrators' rights
// itself, the user that this process runs as; everybody else is an other. For files of that platform
// only.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace noforce {

// Of a PSID; empty where it is none.
[[nodiscard]] std::string sid_text(void* sid);
// "S-1-5-18", and "BUILTIN\Administrators" or what there is of a name.
[[nodiscard]] std::string own_sid();
[[nodiscard]] std::string account_name(const std::string& sid);
// Of the user whose access token this is; empty where the system does not say.
[[nodiscard]] std::string user_of_token(void* token);
// The token has the administrators' group, and not only to be denied by it (as the token that User
// Account Control gives to an administrator's ordinary programs). One for impersonation; null: this
// process's. SYSTEM's has it too.
[[nodiscard]] bool has_administrators_rights(void* token = nullptr);
// Wine is no Windows: it has one user, who is administrator and SYSTEM, and owns each file.
[[nodiscard]] bool is_wine();

// Pure. The user that a process of `own` trusts besides; empty: none. One with the administrators'
// rights trusts nobody else than the service does, which is SYSTEM and finds what `init` and
// `service install` leave to it: what that user's other programs may change without these rights must
// not decide what runs with them.
[[nodiscard]] std::string user_to_trust(const std::string& own, bool is_administrator,
                                        bool has_one_user);
// That of this process.
[[nodiscard]] const std::string& trusted_user();
[[nodiscard]] bool is_trusted_sid(const std::string& sid, const std::string& user = trusted_user());

// What others may do with a file or directory; what is only handed on to what is made in it does not
// count.
struct OthersRights {
  std::string owner;     // SID
  bool is_link = false;  // a symbolic link or a junction
  bool is_directory = false;
  std::uint64_t links = 1;  // names that the file has
  std::string who;          // the first other with any of the rights below
  bool may_read = false;    // its content
  bool may_add = false;     // a directory: make new files or directories in it
  bool may_change = false;  // write, delete, rename, or give itself the right to
};

// Of what has this name itself, a link included. not_found or access_denied with a sentence.
[[nodiscard]] Result<OthersRights> rights_of_others(const std::string& path);
// As a descriptor with owner and list (a PSECURITY_DESCRIPTOR) says them, where `user` is trusted.
[[nodiscard]] OthersRights rights_in(void* descriptor, bool is_directory, const std::string& user);

// Pure. What PrivateSecurity is made of, as Windows writes it (Security Descriptor Definition
// Language), for a process that trusts `user`.
[[nodiscard]] std::string private_descriptor(const std::string& user);

// A security descriptor for what administrators, SYSTEM and the user that is trusted besides may use,
// and nobody else, handed on to what is made inside. Holds what the system's calls want; null: the
// system gave none.
class PrivateSecurity {
 public:
  PrivateSecurity();
  ~PrivateSecurity();
  PrivateSecurity(const PrivateSecurity&) = delete;
  PrivateSecurity& operator=(const PrivateSecurity&) = delete;

  // A PSECURITY_DESCRIPTOR; null where the system gave none.
  [[nodiscard]] void* descriptor() const { return descriptor_; }

 private:
  void* descriptor_ = nullptr;
};

// Leaves the file to those alone; also one that is there with other rights.
[[nodiscard]] Result<void> close_to_others(const std::string& path);

}  // namespace noforce
