// The loops of isa/peak.cpp on all threads.
#include <atomic>
#include <ctime>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/common.h"

namespace minke {
namespace {

const cpu::Kernels* kernels_of(const Context& ctx) {
  const auto* backend = dynamic_cast<const CpuBackend*>(ctx.backend);
  return backend ? &backend->kernels() : nullptr;
}

double thread_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

}  // namespace

std::vector<double> cpu::bf16_rates(const std::vector<const Kernels*>& candidates) {
  constexpr int kTries = 6;                      // the first wakes the units up
  constexpr int64_t kRounds = int64_t(1) << 16;  // 0.1 to 0.4 ms
  std::vector<double> rates(candidates.size(), 0);
  for (int i = 0; i < kTries; ++i)
    for (size_t j = 0; j < candidates.size(); ++j) {
      const double begin = thread_seconds(), operations = candidates[j]->peak_bf16(kRounds);
      rates[j] = std::max(rates[j], operations / std::max(thread_seconds() - begin, 1e-9));
    }
  return rates;
}

double cpu_peak_loop(const Context& ctx, DType dtype, int64_t rounds) {
  const cpu::Kernels* kernels = kernels_of(ctx);
  if (!kernels) return 0;
  const auto loop = dtype == DType::u8     ? kernels->peak_int8
                    : dtype == DType::bf16 ? kernels->peak_bf16
                                           : kernels->peak_f32;
  double operations = 0;  // every task does as many
  ctx.threads->for_each(ctx.threads->count(), [&](int64_t task, int) {
    const double done = loop(rounds);
    if (task == 0) operations = done;
  });
  return operations * ctx.threads->count();
}

int64_t cpu_read_loop(const Context& ctx, const Operand& bytes, int streams, bool prefetch) {
  const cpu::Kernels* kernels = kernels_of(ctx);
  if (!kernels) return 0;
  check(bytes.dtype == DType::u8 && bytes.is_contiguous(), "cpu_read_loop: contiguous bytes");
  const int64_t parts = 4 * ctx.threads->count(), length = bytes.size() / parts / 64 * 64;
  std::atomic<int64_t> total = 0;
  ctx.threads->for_each(parts, [&](int64_t task, int) {
    total += kernels->read(static_cast<const char*>(bytes.data) + task * length, length, streams, prefetch);
  });
  return total;
}

}  // namespace minke
