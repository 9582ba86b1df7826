#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <vector>

#include "agent/process.hpp"

namespace noforce::agent {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool leak_check = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool leak_check = true;
#else
constexpr bool leak_check = false;
#endif
#else
constexpr bool leak_check = false;
#endif

}  // namespace

void set_up_process() {
  (void)is_hardened_unit();
  ::umask(077);
  ::signal(SIGPIPE, SIG_IGN);
}

void keep_memory_private() {
  // The leak checker looks into this memory from a process of its own.
  if (!leak_check) (void)::prctl(PR_SET_DUMPABLE, 0);
}

std::vector<std::string> program_arguments(int argc, char** argv) {
  return {argv, argv + argc};
}

std::string user_name(unsigned uid) {
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return "uid-" + std::to_string(uid);
}

std::string this_user() {
  return user_name(::geteuid());
}

bool is_root() {
  return ::geteuid() == 0;
}

bool is_hardened_unit() {
  // Once: later the face forbids itself the same.
  static const bool hardened =
      ::getenv("INVOCATION_ID") != nullptr && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  return hardened;
}

std::string machine_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string this_executable() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string() : path.string();
}

}  // namespace noforce::agent
