#include "core/standard_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/error.h"

namespace minke {
namespace {

// As if SIGPIPE had not been ignored by whoever started the program.
[[noreturn]] void end_with_the_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  std::raise(SIGPIPE);
  ::_exit(128 + SIGPIPE);
}

[[noreturn]] void failed(int reason) {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  const bool no_reader = ::poll(&out, 1, 0) == 1 && out.revents & POLLERR;
  if (reason == EPIPE || no_reader) end_with_the_pipe();
  user_error("cannot write to standard output{}{}; the output is incomplete", reason ? ": " : "",
             reason ? std::strerror(reason) : "");
}

}  // namespace

void reserve_standard_streams() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    // Opened the wrong way round: to read from it or print to it fails, as it did before.
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void print_out(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) failed(errno);
}

void print_note(std::string_view line) { std::fprintf(stderr, "%.*s\n", int(line.size()), line.data()); }

void flush_out() {
  const bool failed_before = std::ferror(stdout);  // the reason is known no more
  errno = 0;
  if (std::fflush(stdout) != 0) failed(errno);
  if (failed_before) failed(0);
}

bool is_standard_output(const fs::path& path) {
  struct stat named {
  }, out{};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(STDOUT_FILENO, &out) == 0 && named.st_dev == out.st_dev &&
         named.st_ino == out.st_ino;
}

}  // namespace minke
