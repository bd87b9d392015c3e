#include "sandbox/process_tree.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

namespace minke {
namespace {

// A process with a child, both with 64 MiB that they share and the child with 32 MiB of its own.
class ProcessTree : public testing::Test {
 protected:
  void SetUp() override {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    first_ = fork();
    if (first_ == 0) {
      void* shared = memory(64 << 20);
      if (fork() == 0) memory(32 << 20);
      [[maybe_unused]] const auto n = write(ready[1], shared, 1);
      pause();
      _exit(0);
    }
    char bytes[2];
    for (int i = 0; i < 2; ++i) ASSERT_EQ(read(ready[0], bytes, 1), 1);
    close(ready[0]), close(ready[1]);
  }
  void TearDown() override {
    std::vector<pid_t> tree = process_tree(first_);
    std::reverse(tree.begin(), tree.end());
    for (const pid_t p : tree) kill(p, SIGKILL);
    waitpid(first_, nullptr, 0);
    EXPECT_TRUE(process_tree(first_).empty());
  }
  static void* memory(size_t bytes) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, bytes);
    return p;
  }
  pid_t first_ = 0;
};

TEST_F(ProcessTree, HoldsAllDescendants) {
  const std::vector<pid_t> tree = process_tree(first_);
  ASSERT_EQ(tree.size(), 2u);
  EXPECT_EQ(tree[0], first_);
  const auto mine = process_tree(getpid());
  EXPECT_NE(std::find(mine.begin(), mine.end(), tree[1]), mine.end());
}

TEST_F(ProcessTree, SharedPagesCountInEachOrOnce) {
  const std::vector<pid_t> tree = process_tree(first_);
  constexpr int64_t kMiB = 1 << 20;
  const TreeUse use = use_of(tree);
  EXPECT_EQ(use.processes, 2);
  EXPECT_GE(use.resident_bytes, 160 * kMiB);
#ifndef MINKE_SANITIZED  // a sanitizer has memory of its own
  EXPECT_LT(use.resident_bytes, 260 * kMiB);
  EXPECT_LT(proportional_bytes(tree), 140 * kMiB);
#endif
  EXPECT_GE(proportional_bytes(tree), 96 * kMiB);
  EXPECT_GT(use.cpu_seconds, 0);
}

TEST_F(ProcessTree, FilesAreCounted) {
  EXPECT_GT(files_in(first_, "/dev"), 0);
  EXPECT_EQ(files_in(first_, "/no such folder"), 0);
}

}  // namespace
}  // namespace minke
