// The loops of isa/peak.cpp on all threads.
#include <atomic>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/common.h"

namespace minke {
namespace {

const cpu::Table* isa_of(const Context& ctx) {
  const auto* backend = dynamic_cast<const CpuBackend*>(ctx.backend);
  return backend ? &backend->isa() : nullptr;
}

}  // namespace

double cpu_peak_loop(const Context& ctx, DType dtype, int64_t rounds) {
  const cpu::Table* isa = isa_of(ctx);
  if (!isa) return 0;
  const auto loop = dtype == DType::u8 ? isa->peak_int8 : dtype == DType::bf16 ? isa->peak_bf16 : isa->peak_f32;
  double operations = 0;  // every task does as many
  ctx.threads->for_each(ctx.threads->count(), [&](int64_t task, int) {
    const double done = loop(rounds);
    if (task == 0) operations = done;
  });
  return operations * ctx.threads->count();
}

int64_t cpu_read_loop(const Context& ctx, const Operand& bytes, int streams, bool prefetch) {
  const cpu::Table* isa = isa_of(ctx);
  if (!isa) return 0;
  check(bytes.dtype == DType::u8 && bytes.is_contiguous(), "cpu_read_loop: contiguous bytes");
  const int64_t parts = 4 * ctx.threads->count(), length = bytes.size() / parts / 64 * 64;
  std::atomic<int64_t> total = 0;
  ctx.threads->for_each(parts, [&](int64_t task, int) {
    total += isa->read(static_cast<const char*>(bytes.data) + task * length, length, streams, prefetch);
  });
  return total;
}

}  // namespace minke
