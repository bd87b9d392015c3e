#include "sandbox/child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/error.h"

namespace minke {
namespace {

constexpr const char* kFewerJobs = "Run fewer jobs at once, or raise `ulimit -n`";

// Above the numbers that a child's own streams get.
Descriptor moved_up(Descriptor fd, const char* what) {
  Descriptor moved(fd.open() ? fcntl(fd.get(), F_DUPFD_CLOEXEC, 10) : -1);
  if (!moved.open()) user_error("the sandbox has no {}: {}. {}", what, strerror(errno), kFewerJobs);
  return moved;
}

// Runs in the child, which shares this process's memory until it executes: system calls only, and by number where the C library
// would change the user of all threads. Returns what failed.
const char* become(const ChildStart& start, char* const* arguments) {
  if (syscall(SYS_setsid) < 0) return "setsid";
  if (start.group >= 0) {
    if (syscall(SYS_setgroups, 0, nullptr) != 0) return "setgroups";
    if (syscall(SYS_setresgid, start.group, start.group, start.group) != 0) return "setresgid";
  }
  if (start.user >= 0 && syscall(SYS_setresuid, start.user, start.user, start.user) != 0) return "setresuid";
  if (chdir("/") != 0) return "chdir";
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int signal = 1; signal < SIGRTMIN; ++signal) sigaction(signal, &usual, nullptr);  // fails for two, rightly
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int streams[] = {start.input, start.output, start.errors, start.mark, start.go};
  for (int number = 0; number < 5; ++number)
    if (streams[number] >= 0 && dup2(streams[number], number) < 0) return "dup2";
  if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) != 0) return "close_range";
  if ((start.mark >= 0 && fcntl(3, F_SETFD, 0) != 0) || (start.go >= 0 && fcntl(4, F_SETFD, 0) != 0)) return "fcntl";
  for (const int fd : start.handed_on)
    if (fcntl(fd, F_SETFD, 0) != 0) return "fcntl";
  char* const environment[] = {nullptr};
  execve(arguments[0], arguments, environment);
  return "execve";
}

}  // namespace

void Descriptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) user_error("the sandbox has no pipe: {}. {}", strerror(errno), kFewerJobs);
  Descriptor write(ends[1]);  // closed if the other cannot be moved
  Pipe pipe{moved_up(Descriptor(ends[0]), "pipe"), {}};
  pipe.write = moved_up(std::move(write), "pipe");
  return pipe;
}

Descriptor memory_file(std::string_view bytes) {
  Descriptor file = moved_up(Descriptor(memfd_create("minke", MFD_CLOEXEC)), "file in memory");
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) user_error("the sandbox cannot hold a file of {} bytes in memory: {}", bytes.size(), strerror(errno));
    bytes.remove_prefix(size_t(n));
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

Descriptor null_device() { return moved_up(Descriptor(::open("/dev/null", O_RDWR | O_CLOEXEC)), "/dev/null"); }

Child start_child(const ChildStart& start) {
  std::vector<char*> arguments;
  for (const std::string& a : start.command) arguments.push_back(const_cast<char*>(a.c_str()));
  arguments.push_back(nullptr);
  const char* volatile failed = nullptr;
  volatile int error = 0;
  const pid_t process = vfork();
  if (process == 0) {
    failed = become(start, arguments.data());
    error = errno;
    _exit(127);
  }
  if (process < 0) user_error("the sandbox cannot start a process: {}", strerror(errno));
  if (failed) {
    waitpid(process, nullptr, 0);
    user_error("the sandbox cannot start {}: {}: {}", start.command[0], failed, strerror(error));
  }
  Child child{process, Descriptor(int(syscall(SYS_pidfd_open, process, 0)))};
  if (!child.handle.open()) {
    const int reason = errno;
    kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
    user_error("the sandbox needs Linux 5.9 or later: pidfd_open: {}", strerror(reason));
  }
  return child;
}

}  // namespace minke
