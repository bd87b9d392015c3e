#include "sandbox/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

#include "core/error.h"

namespace minke {
namespace {

std::string everything_in(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, size_t(n));
  return text;
}

struct Outcome {
  std::string output, mark;
  int status = 0;
};

Outcome shell(const std::string& script, int user = -1, std::vector<int> handed_on = {}) {
  Pipe out = make_pipe(), mark = make_pipe();
  Descriptor in = memory_file("the input\n");
  const Child child = start_child({.command = {"/bin/sh", "-c", script},
                                   .input = in.get(),
                                   .output = out.write.get(),
                                   .errors = out.write.get(),
                                   .mark = mark.write.get(),
                                   .handed_on = std::move(handed_on),
                                   .user = user,
                                   .group = user});
  out.write.close(), mark.write.close();
  Outcome o;
  o.output = everything_in(out.read.get()), o.mark = everything_in(mark.read.get());
  pollfd p{child.handle.get(), POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 10'000), 1);
  waitpid(child.process, &o.status, 0);
  return o;
}

TEST(Child, GetsItsStreamsAndNothingElse) {
  const Descriptor handed = memory_file("handed on\n");
  const int leaked = fcntl(handed.get(), F_DUPFD, 50);  // without O_CLOEXEC; above what the shell opens itself
  const Outcome o = shell(fmt::format("cat; echo errors >&2; printf mark >&3; cat /dev/fd/{}; pwd; for f in "
                                      "/proc/$$/fd/*; do echo ${{f##*/}}; done; env",
                                      handed.get()),
                          -1, {handed.get()});
  close(leaked);
  EXPECT_EQ(o.mark, "mark");
  EXPECT_TRUE(o.output.starts_with("the input\nerrors\nhanded on\n/\n0\n1\n")) << o.output;
  EXPECT_EQ(o.output.find(fmt::format("\n{}\n", leaked)), std::string::npos) << o.output;
  EXPECT_EQ(o.output.find("HOME="), std::string::npos) << o.output;
  EXPECT_TRUE(WIFEXITED(o.status));
}

TEST(Child, IsInItsOwnSessionWithUsualSignals) {
  struct sigaction ignored {
  }, before{};
  ignored.sa_handler = SIG_IGN;
  sigaction(SIGUSR1, &ignored, &before);
  const Outcome o = shell(
      "read -r _ _ _ _ _ session _ </proc/$$/stat; [ $session = $$ ] && echo own session; grep -E 'SigIgn|SigBlk' "
      "/proc/self/status; kill -USR1 $$");
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_TRUE(WIFSIGNALED(o.status));
  EXPECT_TRUE(o.output.starts_with("own session\n")) << o.output;
  EXPECT_NE(o.output.find("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"), std::string::npos) << o.output;
}

TEST(Child, OfRootIsNobody) {
  if (geteuid() != 0) GTEST_SKIP() << "not started by root";
  const Outcome o = shell("id -u; id -g; id -G; cat /etc/shadow && echo read", 65533);
  EXPECT_TRUE(o.output.starts_with("65533\n65533\n65533\n")) << o.output;
  EXPECT_EQ(o.output.find("\nread"), std::string::npos);
  EXPECT_EQ(geteuid(), 0u);  // the user of this process has not changed
}

TEST(Child, ThatCannotBeStartedIsAnError) {
  const Descriptor null = null_device();
  const ChildStart start{.command = {"/nowhere/program"},
                         .input = null.get(),
                         .output = null.get(),
                         .errors = null.get(),
                         .mark = null.get()};
  try {
    start_child(start);
    FAIL();
  } catch (const UserError& e) {
    EXPECT_STREQ(e.what(), "the sandbox cannot start /nowhere/program: execve: No such file or directory");
  }
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // no zombie
  EXPECT_EQ(errno, ECHILD);
}

TEST(Child, DescriptorsCloseThemselves) {
  const int before = null_device().get();
  {
    Pipe p = make_pipe();
    Descriptor moved = std::move(p.read);
    p.read = Descriptor();
    EXPECT_TRUE(moved.open());
    moved = null_device();
  }
  EXPECT_EQ(null_device().get(), before);
}

}  // namespace
}  // namespace minke
