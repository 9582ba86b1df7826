#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstdint>
#include <vector>

#include "agent/files.hpp"
#include "agent/privileges.hpp"

namespace noforce::agent {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t this_machine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t this_machine = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t this_machine = 0;
#endif

// Answered with EPERM, never with the process's end: a library that tries one goes on without it.
constexpr auto refused = std::to_array<std::uint32_t>({
    // into other processes
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_process_madvise,
    // what is mounted where
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    SYS_quotactl,
    // namespaces; clone() is looked at below
    SYS_unshare,
    SYS_setns,
    // the kernel, and large surfaces of it
    SYS_kexec_load,
#if defined(SYS_kexec_file_load)
    SYS_kexec_file_load,
#endif
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_syslog,
    // the machine
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_acct,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_vhangup,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
#endif
});

constexpr std::uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

using Lines = std::vector<sock_filter>;

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

// The lower half of an argument, on a machine with its low byte first.
sock_filter load_argument(std::size_t index) {
  return load(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
}

sock_filter allow() {
  return BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

sock_filter answer(int error) {
  return BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
}

// What was loaded last, compared; `then` counts only if it is so.
void when(Lines& lines, std::uint16_t comparison, std::uint32_t value, const Lines& then) {
  lines.push_back(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), value, 0,
                           static_cast<std::uint8_t>(then.size())));
  lines.insert(lines.end(), then.begin(), then.end());
}

Lines make_filter() {
  Lines lines{load(offsetof(seccomp_data, arch))};
  // Of another machine (32-bit programs) the numbers would mean other calls.
  Lines rest{load(offsetof(seccomp_data, nr))};
#if defined(__x86_64__)
  constexpr std::uint32_t first_x32 = 0x40000000;  // likewise
  when(rest, BPF_JGE, first_x32, {answer(EPERM)});
#endif
  when(rest, BPF_JEQ, SYS_clone3, {answer(ENOSYS)});  // its flags cannot be seen; clone()'s can
  Lines clone{load_argument(0)};
  when(clone, BPF_JSET, namespaces, {answer(EPERM)});
  clone.push_back(allow());
  when(rest, BPF_JEQ, SYS_clone, clone);
  Lines ioctl{load_argument(1)};
  when(ioctl, BPF_JEQ, TIOCSTI, {answer(EPERM)});    // keys pressed for somebody else's terminal
  when(ioctl, BPF_JEQ, TIOCLINUX, {answer(EPERM)});  // the same by way of the clipboard
  ioctl.push_back(allow());
  when(rest, BPF_JEQ, SYS_ioctl, ioctl);
  for (const std::uint32_t call : refused)
    when(rest, BPF_JEQ, call, {answer(EPERM)});
  rest.push_back(allow());
  when(lines, BPF_JEQ, this_machine, rest);
  lines.push_back(answer(EPERM));
  return lines;
}

}  // namespace

Result<void> refuse_dangerous_calls() {
  if (this_machine == 0) {
    return fail(ErrorKind::scm_unavailable, "this build knows no system calls of this machine");
  }
  Lines lines = make_filter();
  const sock_fprog program{.len = static_cast<unsigned short>(lines.size()),
                           .filter = lines.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
    return system_error("the kernel takes no filter for system calls", errno);
  }
  return {};
}

}  // namespace noforce::agent
