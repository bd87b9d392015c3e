// For tests of the sandbox: skips where this machine cannot have one; and after each job nothing of it may be left, which is looked
// for by a mark in the command line of its processes.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "core/system_files.h"
#include "sandbox/programs.h"
#include "sandbox/sandbox.h"

namespace minke::test {

class SandboxTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    why_ = why_no_sandbox();
    if (why_.empty()) sandbox_ = std::make_unique<Sandbox>();
  }
  void SetUp() override {
    const char* ci = std::getenv("CI");  // there, none of these tests may be left out
    if (!why_.empty() && ci && std::string(ci) == "true") FAIL() << why_;
    if (!why_.empty()) GTEST_SKIP() << why_;
    if (const std::string why = why_not(CodeLanguage::python); !why.empty()) GTEST_SKIP() << why;
  }
  void TearDown() override { EXPECT_EQ(processes_left(), ""); }

  static const Sandbox& sandbox() { return *sandbox_; }

  // Command lines of processes that hold the mark that jobs of the process `of` carry in theirs.
  static std::string processes_left(pid_t of = getpid()) {
    std::string left;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != name.npos || name == std::to_string(of)) continue;
      std::string command = system_file(entry.path() / "cmdline");
      if (command.find(mark(of)) != command.npos) left += name + ": " + command + "\n";
    }
    return left;
  }
  static std::string mark(pid_t of = getpid()) { return "minke_sandbox_test_" + std::to_string(of) + "_"; }

  // Python, with the mark as its argument, which those that it forks inherit.
  static SandboxJob marked(std::string source, const SandboxLimits& limits = {}) {
    SandboxJob job = python_job(std::move(source), {}, limits);
    job.command.push_back(mark());
    return job;
  }
  static SandboxResult run(std::string source, const SandboxLimits& limits = {}) {
    return sandbox().run(marked(std::move(source), limits));
  }

 private:
  static inline std::unique_ptr<Sandbox> sandbox_;
  static inline std::string why_;
};

}  // namespace minke::test
