#include "app/peak.h"

#include <algorithm>
#include <chrono>

#include "kernels/ops.h"

namespace minke {

double product_rate(const Context& ctx, DType compute) {
  constexpr int64_t kSize = 1024;
  const auto tensor = [&](DType dtype, uint64_t stream) {
    Tensor t(*ctx.memory, dtype, {kSize, kSize});
    ctx.kernels->fill_normal(ctx, {.dst = t, .key = RngKey{1, stream}, .stddev = 1});
    return t;
  };
  const Tensor a = tensor(compute, 1), b = tensor(compute, 2), c(*ctx.memory, compute, {kSize, kSize});
  const Tensor memory(*ctx.memory, DType::u8, {int64_t(ctx.kernels->packed_bytes(kSize, kSize, compute))});
  Operand packed = b;
  packed.data = memory.operand().data;
  packed.packing = Packing::panels;
  ctx.kernels->pack_weight(ctx, {.b = b, .packed = packed, .compute = compute});
  double best = 1e9;
  for (int run = 0; run < 6; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    ctx.kernels->gemm(ctx, {.a = a, .b = packed, .c = c, .compute = compute});
    ctx.kernels->synchronize(ctx);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return 2.0 * kSize * kSize * kSize / best;
}

}  // namespace minke
