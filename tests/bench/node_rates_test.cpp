#include "bench/node_rates.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "core/memory.h"
#include "kernels/cpu/backend.h"

namespace minke {
namespace {

struct NotedCalls final : NodeCalls {
  std::vector<std::vector<int>> bound;
  std::vector<int> memory_of;
  size_t bytes = 0;
  int bind_thread(const std::vector<int>& cpus) override { return bound.push_back(cpus), 0; }
  bool has_policy() override { return false; }
  int interleave(const std::vector<int>&) override { return 0; }
  int bind_memory(void*, size_t size, int node) override {
    memory_of.push_back(node), bytes = size;
    return node == 2 ? EPERM : 0;
  }
  int node_of(const void*) override { return -1; }
};

// The nodes are not there, the reads are.
TEST(NodeRates, OfEveryPair) {
  Threads threads(1);
  Arena scratch(host_memory(), 1 << 20);
  const Context ctx{.backend = &cpu_backend(), .threads = &threads, .scratch = &scratch};
  const std::vector<MemoryNode> nodes{
      {.id = 0, .cpus = {0}, .memory = 1}, {.id = 1, .cpus = {1, 2}}, {.id = 2, .memory = 1}};
  NotedCalls calls;
  constexpr int64_t kBytes = int64_t(1) << 20;
  const auto rates = node_rates(ctx, nodes, 0.001, kBytes, calls);
  ASSERT_EQ(rates.size(), 4u);  // of the threads of 0 and 1 in the memory of 0 and 2
  EXPECT_EQ(calls.bound, (std::vector<std::vector<int>>{{0}, {0}, {1, 2}, {1, 2}}));
  EXPECT_EQ(calls.memory_of, (std::vector<int>{0, 2, 0, 2}));
  EXPECT_EQ(calls.bytes, size_t(kBytes));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(rates[i].threads_of, i < 2 ? 0 : 1);
    EXPECT_EQ(rates[i].memory_of, i % 2 == 0 ? 0 : 2);
    if (i % 2 == 0) EXPECT_GT(rates[i].rate, 0) << i;
    else EXPECT_EQ(rates[i].rate, 0) << i;
    EXPECT_EQ(rates[i].refused, i % 2 == 0 ? "" : "Operation not permitted");
  }
}

}  // namespace
}  // namespace minke
