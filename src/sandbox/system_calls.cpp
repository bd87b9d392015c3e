#include "sandbox/system_calls.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace minke {
namespace {

constexpr int kRefused[] = {
    // Other processes, even those of the same sandbox.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    // Other namespaces, and mounts.
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    // Memory that lies in no process.
    SYS_memfd_create,
    SYS_memfd_secret,
    SYS_shmget,
    SYS_msgget,
    SYS_semget,
    SYS_mq_open,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    // Large parts of the kernel that a short program does not need.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_fanotify_init,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_syslog,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_vhangup,
#ifdef __x86_64__
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

constexpr uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                    CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;

class Filter {
 public:
  void load(size_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, uint32_t(offset))); }
  void load_argument(int i) {
    load(offsetof(seccomp_data, args) + 8 * size_t(i));
  }  // its low half: both are little-endian
  // With the loaded value: leaves out the next `count` instructions unless the condition holds.
  void if_equal(uint32_t value, int count) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, uint8_t(count)));
  }
  void if_any_bit(uint32_t bits, int count) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, uint8_t(count)));
  }
  void unless_equal(uint32_t value, int count) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, uint8_t(count), 0));
  }
  void answer(uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }
  void fail(int error) { answer(SECCOMP_RET_ERRNO | uint32_t(error)); }
  void load_call() { load(offsetof(seccomp_data, nr)); }
  std::string bytes() const {
    return {reinterpret_cast<const char*>(code_.data()), code_.size() * sizeof(sock_filter)};
  }

 private:
  std::vector<sock_filter> code_;
};

}  // namespace

std::string system_call_filter() {
#if defined(__x86_64__)
  constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
  return "";
#endif
#if defined(__x86_64__) || defined(__aarch64__)
  Filter f;
  f.load(offsetof(seccomp_data, arch));
  f.unless_equal(kMachine, 1);  // calls of 32-bit programs have other numbers
  f.answer(SECCOMP_RET_KILL_PROCESS);
  f.load_call();
#ifdef __x86_64__
  f.if_any_bit(0x40000000, 1);  // and so do those of the x32 kind
  f.answer(SECCOMP_RET_KILL_PROCESS);
#endif
  for (const int call : kRefused) {
    f.if_equal(uint32_t(call), 1);
    f.fail(EPERM);
  }
  f.if_equal(SYS_clone3, 1);  // its flags lie in memory, where the filter cannot look; the C library then takes clone
  f.fail(ENOSYS);
  f.if_equal(SYS_clone, 4);
  f.load_argument(0);
  f.if_any_bit(kNewNamespaces, 1);
  f.fail(EPERM);
  f.load_call();
  f.if_equal(SYS_socket, 4);
  f.load_argument(0);
  f.unless_equal(AF_UNIX, 1);
  f.fail(EPERM);
  f.load_call();
  f.if_equal(SYS_ioctl, 4);
  f.load_argument(1);
  f.if_equal(TIOCSTI, 1);  // typing into a terminal
  f.fail(EPERM);
  f.load_call();
  f.answer(SECCOMP_RET_ALLOW);
  return f.bytes();
#endif
}

}  // namespace minke
