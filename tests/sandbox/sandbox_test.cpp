// The interface: jobs, results, the pool, two jobs that talk to each other, and what is said where there can be no sandbox.
#include "sandbox/sandbox.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "sandbox/hostile.h"

namespace minke {
namespace {

class SandboxJobs : public test::SandboxTest {
 protected:
  static std::string refusal(const SandboxJob& job) {
    try {
      sandbox().run(job);
      return "";
    } catch (const UserError& e) {
      return e.what();
    }
  }
};

TEST_F(SandboxJobs, GetFilesInputAndArguments) {
  SandboxJob job{
      .files = {{"run.sh", "#!/bin/sh\ncat deep/er/text; cat; printf '<%s>' \"$@\"; echo errors >&2; exit 7\n", true},
                {"deep/er/text", std::string("a\0b\n", 4)}},
      .command = {"./run.sh", "one two", "", "$HOME"},
      .input = "input\n"};
  const SandboxResult r = sandbox().run(job);
  EXPECT_EQ(r.end, SandboxEnd::exited);
  EXPECT_EQ(r.exit_code, 7);
  EXPECT_EQ(r.output, std::string("a\0b\n", 4) + "input\n<one two><><$HOME>");
  EXPECT_EQ(r.errors, "errors\n");
  EXPECT_GT(r.cpu_seconds, 0);
  EXPECT_GT(r.wall_seconds, 0);
}

TEST_F(SandboxJobs, LargeFilesAndInput) {
  std::string large(10 << 20, 'x');
  const SandboxResult r = sandbox().run(
      {.files = {{"large", large}}, .command = {"/bin/sh", "-c", "wc -c <large; wc -c"}, .input = std::move(large)});
  EXPECT_EQ(r.output, "10485760\n10485760\n") << r.errors;
}

TEST_F(SandboxJobs, SignalsAreToldAsShellsDo) {
  const SandboxResult r = sandbox().run({.command = {"/bin/sh", "-c", "kill -SEGV $$"}});
  EXPECT_EQ(r.end, SandboxEnd::exited);
  EXPECT_EQ(r.exit_code, 128 + 11);
  EXPECT_EQ(describe(r), "ended by signal 11");
}

TEST_F(SandboxJobs, AProgramThatIsMissingIsAFailureOfTheJob) {
  const SandboxResult r = sandbox().run({.command = {"/usr/bin/no-such-program"}});
  EXPECT_EQ(r.end, SandboxEnd::exited);
  EXPECT_NE(r.exit_code, 0);
  EXPECT_NE(r.errors.find("no-such-program"), std::string::npos) << r.errors;
}

TEST_F(SandboxJobs, WhatIsNoJobIsRefused) {
  const SandboxJob good{.files = {{"a/b.c", ""}}, .command = {"/bin/true"}};
  EXPECT_EQ(refusal(good), "");
  for (const char* name : {"", "/etc/x", "../x", "a/../x", "a//b", "a/", ".", "./x"}) {
    SandboxJob job = good;
    job.files[0].name = name;
    EXPECT_NE(refusal(job).find("file name"), std::string::npos) << name;
  }
  const auto changed = [&](auto change) {
    SandboxJob job = good;
    change(job);
    return refusal(job);
  };
  EXPECT_NE(changed([](auto& j) { j.files[0].name = std::string("a\0b", 3); }).find("NUL"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.files.push_back(j.files[0]); }).find("two files"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.files.resize(1000); }).find("1000 files"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.files[0].text.assign(65 << 20, ' '); }).find("disk"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.command.clear(); }).find("command"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.command.push_back(std::string("a\0b", 3)); }).find("NUL"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.command.push_back(std::string(200'000, 'x')); }).find("200000 bytes"),
            std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.command.resize(100'000, "x"); }).find("100000 words"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.limits.wall_seconds = 0; }).find("time limits"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.limits.cpu_seconds = std::nan(""); }).find("time limits"), std::string::npos);
  EXPECT_NE(changed([](auto& j) { j.limits.processes = 0; }).find("limits"), std::string::npos);
  // As long as a word may be, it arrives.
  SandboxJob longest{.command = {"/bin/sh", "-c", "echo ${#1}", "sh", std::string(100'000, 'x')}};
  EXPECT_EQ(sandbox().run(longest).output, "100000\n");
}

TEST_F(SandboxJobs, ThePoolKeepsTheOrder) {
  std::vector<SandboxJob> jobs;
  for (int i = 0; i < 24; ++i)
    jobs.push_back({.command = {"/bin/sh", "-c", i % 3 ? "echo $1" : "sleep 0.05; echo $1", "sh", std::to_string(i)}});
  for (const int workers : {1, 5, 100}) {
    const std::vector<SandboxResult> results = sandbox().run_all(jobs, workers);
    ASSERT_EQ(results.size(), jobs.size());
    for (int i = 0; i < 24; ++i) EXPECT_EQ(results[size_t(i)].output, std::to_string(i) + "\n");
  }
  jobs[7].files.push_back({"..", ""});
  EXPECT_THROW(sandbox().run_all(jobs, 3), UserError);
  EXPECT_TRUE(sandbox().run_all({}, 3).empty());
}

TEST_F(SandboxJobs, LinkedJobsTalkOnlyThroughTheirStreams) {
  const SandboxJob asks = marked(
      "import os\nprint('ping', flush=True)\nassert input() == 'pong ' + str(os.getpid())\nraise SystemExit(5)\n");
  const SandboxJob answers = marked(
      "import os\nassert input() == 'ping'\nprint('pong', os.getpid(), flush=True)\n"
      "assert not os.path.exists('/tmp/job/other')\n");
  const auto [a, b] = sandbox().run_linked(asks, answers);
  EXPECT_EQ(a.exit_code, 5) << a.errors;
  EXPECT_EQ(b.exit_code, 0) << b.errors;
  EXPECT_EQ(a.output + b.output, "");
}

TEST_F(SandboxJobs, ALinkedJobThatEndsLeavesTheOtherAtTheEndOfItsInput) {
  const SandboxJob flood = marked("import sys\nwhile True: sys.stdout.write('x' * 10000)\n");
  const SandboxJob dead = marked("raise SystemExit(0)\n");
  const auto [a, b] = sandbox().run_linked(flood, dead);
  EXPECT_FALSE(a.succeeded());  // a broken pipe
  EXPECT_LT(a.wall_seconds, 5);
  EXPECT_TRUE(b.succeeded());
  const auto [c, d] =
      sandbox().run_linked(dead, marked("import sys\nassert sys.stdin.read() == ''\nwhile True: print('x')\n"));
  EXPECT_TRUE(c.succeeded());
  EXPECT_FALSE(d.succeeded());  // nobody reads its answer
}

// --- Where there can be none.

class NoSandbox : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("minke_no_sandbox_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    chmod(folder_.c_str(), 0755);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string with_bwrap(const std::string& script) {
    const std::string path = (folder_ / "bwrap").string();
    std::ofstream(path) << "#!/bin/sh\n" << script;
    chmod(path.c_str(), 0755);
    const std::string why = why_no_sandbox({.bubblewrap = path});
    try {
      Sandbox({.bubblewrap = path});
      EXPECT_EQ(why, "");
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find(why), std::string::npos);
    }
    return why;
  }
  std::filesystem::path folder_;
};

TEST_F(NoSandbox, WithoutBubblewrapThePackageIsNamed) {
  EXPECT_EQ(why_no_sandbox({.bubblewrap = "/nowhere/bwrap"}),
            "/nowhere/bwrap is missing: install the Debian package bubblewrap (apt-get install bubblewrap)");
  EXPECT_THROW(Sandbox({.bubblewrap = "/nowhere/bwrap"}), UserError);
}

TEST_F(NoSandbox, WhatBubblewrapSaysIsTold) {
  const std::string why = with_bwrap(
      "echo 'bwrap: No permissions to create new namespace, likely because the kernel does not allow it' >&2\nexit "
      "1\n");
  EXPECT_NE(why.find("could not start (exit code 1): bwrap: No permissions"), std::string::npos) << why;
  EXPECT_NE(why.find("sysctl kernel.unprivileged_userns_clone=1"), std::string::npos) << why;
}

// A bwrap that succeeds without having run anything is no sandbox.
TEST_F(NoSandbox, SuccessWithoutAStartIsNone) {
  EXPECT_NE(with_bwrap("exit 0\n").find("could not start"), std::string::npos);
}

// One that is no program.
TEST_F(NoSandbox, ABwrapThatCannotBeExecuted) {
  const std::string path = (folder_ / "bwrap").string();
  std::ofstream(path) << "\x7f"
                      << "ELF nonsense";
  chmod(path.c_str(), 0755);
  EXPECT_NE(why_no_sandbox({.bubblewrap = path}).find("execve"), std::string::npos);
}

// What is said if users may really make no namespaces: tried in a namespace of users in which that is forbidden.
TEST_F(NoSandbox, ForbiddenNamespaces) {
  if (!why_no_sandbox().empty()) GTEST_SKIP() << why_no_sandbox();
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command =
      "unshare --user --map-user=1000 --keep-caps sh -c 'echo 0 >/proc/sys/user/max_user_namespaces || exit 77; "
      "exec setpriv --ambient-caps=-all --inh-caps=-all \"" +
      self + "\" --gtest_filter=NoSandbox.IsAskedByTheTestOfForbiddenNamespaces' 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string text;
  for (char buffer[4096]; fgets(buffer, sizeof buffer, pipe);) text += buffer;
  const int status = pclose(pipe);
  if (WEXITSTATUS(status) == 77 || text.find("unshare:") == 0) GTEST_SKIP() << text;
  EXPECT_NE(text.find("WHY the sandbox could not start (exit code 1): bwrap: "), std::string::npos) << text;
  EXPECT_NE(text.find("max_user_namespaces=10000"), std::string::npos) << text;
}
TEST_F(NoSandbox, IsAskedByTheTestOfForbiddenNamespaces) {
  // Alone this only shows that asking does no harm.
  printf("WHY %s\n", why_no_sandbox().c_str());
}

}  // namespace
}  // namespace minke
