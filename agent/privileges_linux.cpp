#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

#include "agent/files.hpp"
#include "agent/privileges.hpp"
#include "agent/process.hpp"

namespace noforce::agent {
namespace {

constexpr std::uint32_t bind_low_port = 1U << CAP_NET_BIND_SERVICE;

struct Capabilities {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
};

Result<void> set_capabilities(std::uint32_t kept) {
  Capabilities wanted;
  wanted.sets[0] = {.effective = kept, .permitted = kept, .inheritable = 0};
  if (::syscall(SYS_capset, &wanted.header, wanted.sets.data()) != 0) {
    return system_error("cannot give up capabilities", errno);
  }
  return {};
}

Result<void> become(const config::User& user) {
  const int groups =
      user.name.empty() ? ::setgroups(0, nullptr) : ::initgroups(user.name.c_str(), user.gid);
  if (groups != 0) return system_error("cannot take on the user's groups", errno);
  if (::setresgid(user.gid, user.gid, user.gid) != 0 ||
      ::setresuid(user.uid, user.uid, user.uid) != 0) {
    return system_error("cannot become user " + std::to_string(user.uid), errno);
  }
  return {};
}

// The kernel is asked, and not what was done above.
Result<void> look_again(const config::User& user, std::uint32_t kept) {
  std::array<uid_t, 3> uids{};
  std::array<gid_t, 3> gids{};
  Capabilities left;
  const bool asked = ::getresuid(&uids[0], &uids[1], &uids[2]) == 0 &&
                     ::getresgid(&gids[0], &gids[1], &gids[2]) == 0 &&
                     ::syscall(SYS_capget, &left.header, left.sets.data()) == 0;
  bool given_up = asked && left.sets[1].permitted == 0 && left.sets[1].inheritable == 0 &&
                  left.sets[0].permitted == kept && left.sets[0].effective == kept &&
                  left.sets[0].inheritable == 0 && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  for (const uid_t uid : uids)
    given_up = given_up && uid == user.uid;
  for (const gid_t gid : gids)
    given_up = given_up && gid == user.gid;
  // And it must not work.
  given_up = given_up && ::setuid(0) != 0 && ::setgid(0) != 0 && ::setgroups(0, nullptr) != 0;
  if (given_up) return {};
  return fail(ErrorKind::internal, "root's rights were not given up whole; the agent does not run");
}

}  // namespace

Result<void> drop_privileges(const config::User& user, bool low_port) {
  const std::uint32_t kept = low_port ? bind_low_port : 0;
  // What a program could gain by being executed; no_new_privs says the same where this is refused.
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
    (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (low_port) (void)::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (auto became = become(user); !became) return became;
  if (auto set = set_capabilities(kept); !set) return set;
  (void)::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return system_error("cannot forbid new rights", errno);
  }
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  (void)::setrlimit(RLIMIT_CORE, &no_core);
  keep_memory_private();  // another user's process may be looked into again
  return look_again(user, kept);
}

}  // namespace noforce::agent
