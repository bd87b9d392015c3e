#include "bench/node_rates.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "bench/measure.h"
#include "core/machine_memory.h"
#include "core/memory.h"
#include "kernels/cpu/backend.h"

namespace minke {
namespace {

// On a thread that is bound to the node: the pool's threads inherit it.
NodeRate rate_of(const Context& outer, const MemoryNode& near, int memory_of, double seconds, int64_t bytes,
                 NodeCalls& calls) {
  NodeRate result{.threads_of = near.id, .memory_of = memory_of};
  const Tensor memory(outer.backend->memory(), DType::f32, {bytes / 4});
  int error = calls.bind_thread(near.cpus);
  if (error == 0) error = calls.bind_memory(memory.operand().data, size_t(bytes), memory_of);
  if (error != 0) {
    result.refused = std::strerror(error);
    return result;
  }
  Threads threads(int(near.cpus.size()));
  Context ctx = outer;
  ctx.threads = &threads;
  ctx.backend->fill(ctx, {.dst = memory, .value = 1});
  const Operand all = Operand::of(memory.operand().data, DType::u8, {bytes});
  for (const bool prefetch : {false, true})
    for (const int streams : {1, 4}) {
      int64_t read = 0;
      const Timing t = measure(seconds / 4, [&] { read = cpu_read_loop(ctx, all, streams, prefetch); });
      result.rate = std::max(result.rate, double(read) / t.best);
    }
  return result;
}

}  // namespace

std::vector<NodeRate> node_rates(const Context& ctx, const std::vector<MemoryNode>& nodes, double seconds,
                                 int64_t bytes, NodeCalls& calls) {
  std::vector<NodeRate> rates;
  if (double(bytes) > 0.9 * double(free_memory())) return rates;
  for (const MemoryNode& near : nodes)
    for (const MemoryNode& far : nodes)
      if (!near.cpus.empty() && far.memory > 0)
        std::thread([&] { rates.push_back(rate_of(ctx, near, far.id, seconds, bytes, calls)); }).join();
  return rates;
}

}  // namespace minke
