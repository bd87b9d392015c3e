// How fast the threads of each memory node read the memory of each (core/memory_nodes.h). Test: tests/bench/node_rates_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "core/memory_nodes.h"
#include "kernels/context.h"

namespace minke {

struct NodeRate {
  int threads_of = 0, memory_of = 0;  // ids
  double rate = 0;                    // bytes per second
  std::string refused;                // why there is none: the kernel's words; "" if there is one
};

// Of every node with CPUs, as many threads as these, and every node with memory. As read_ceiling (ceilings.h), with
// the backend of ctx; nothing where so much memory is not free.
std::vector<NodeRate> node_rates(const Context& ctx, const std::vector<MemoryNode>& nodes, double seconds,
                                 int64_t bytes = int64_t(256) << 20, NodeCalls& calls = node_calls());

}  // namespace minke
