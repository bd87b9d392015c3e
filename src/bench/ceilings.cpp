#include "bench/ceilings.h"

#include <fmt/core.h>

#include <algorithm>

#include "bench/measure.h"
#include "bench/onednn.h"
#include "bench/operands.h"
#include "core/machine_memory.h"
#include "kernels/cpu/backend.h"

namespace minke {
namespace {

constexpr int64_t kSize = 1024;
constexpr double kProduct = 2.0 * kSize * kSize * kSize;

Ceiling::Try rated(std::string how, double work, const Timing& t) {
  return {std::move(how), work / t.best, t.core_seconds > 0 ? work / t.core_seconds : 0};
}

// The instruction sets whose ceilings are those of ctx: all of the machine, however its products are computed; where
// another than the default is named, none that is newer: as on a machine that ends there.
std::vector<std::string> counted_isas(const Context& ctx) {
  std::vector<std::string> isas = available_isas();
  for (size_t i = 0; i < isas.size(); ++i)
    if (&cpu_backend(isas[i]) == ctx.backend && isas[i] != default_isa().isa) isas.resize(i + 1);
  return isas;
}

void try_registers(const Context& outer, DType dtype, double seconds, Ceiling& ceiling) {
  constexpr int64_t kRounds = int64_t(1) << 19;  // about a millisecond
  if (cpu_peak_loop(outer, dtype, 1) == 0) return;
  for (const std::string& isa : counted_isas(outer)) {
    Context ctx = outer;
    ctx.backend = &cpu_backend(isa);
    double operations = 0;
    const Timing t = measure(seconds, [&] { operations = cpu_peak_loop(ctx, dtype, kRounds); });
    if (operations == 0) continue;
    Ceiling::Try& all = ceiling.tries.emplace_back(rated("multiply-adds on registers, " + isa, operations, t));
    // Threads share nothing here. On a busy machine they hardly ever run all at once: then what one does, times their number.
    all.rate = std::max(all.rate, all.rate_per_core * std::min(ctx.threads->count(), hardware_threads()));
  }
}

void try_own_product(const Context& outer, DType dtype, double seconds, Ceiling& ceiling) {
  Context ctx = outer;
  Operands operands(ctx);
  const Operand a = operands.random(dtype, {kSize, kSize}), c = operands.empty(dtype, {kSize, kSize}),
                b = operands.packed(operands.random(dtype, {kSize, kSize}), dtype);
  const GemmArgs product{.a = a, .b = b, .c = c, .compute = dtype};
  // Scratch of its own: that of the caller is as large as the caller's own work needs.
  Arena scratch(ctx.backend->memory(), ctx.backend->scratch_of(product, ctx.threads->count()));
  ctx.scratch = &scratch;
  const Timing t = measure(seconds, [&] {
    ctx.backend->gemm(ctx, product);
    ctx.backend->synchronize(ctx);
  });
  ceiling.tries.push_back(rated("packed product 1024³", kProduct, t));
}

void try_library(const Context& ctx, DType dtype, double seconds, Ceiling& ceiling) {
  const OneDnn library(ctx.threads->count());
  const std::string version = library.version();
  const size_t bytes = size_t(kSize * kSize) * 4;  // enough for any of the types; zeros multiply as fast
  const Tensor a(host_memory(), DType::u8, {int64_t(bytes)}), b(host_memory(), DType::u8, {int64_t(bytes)}),
      c(host_memory(), DType::u8, {int64_t(bytes)});
  const auto run = [&] { return library.multiply(dtype, kSize, a.operand().data, b.operand().data, c.operand().data); };
  if (version.empty() || !run()) return;
  const Timing t = measure(seconds, [&] { run(); });
  ceiling.tries.push_back(rated(fmt::format("oneDNN {} product 1024³", version), kProduct, t));
}

}  // namespace

Ceiling::Try Ceiling::best() const {
  const auto it = std::max_element(tries.begin(), tries.end(), [](auto& a, auto& b) { return a.rate < b.rate; });
  return it == tries.end() ? Try{"none"} : *it;
}

double Ceiling::rate_per_core() const {
  double most = 0;
  for (const Try& t : tries) most = std::max(most, t.rate_per_core);
  return most;
}

Ceiling product_ceiling(const Context& ctx, DType dtype, double seconds, bool library) {
  Ceiling ceiling;
  try_registers(ctx, dtype, seconds, ceiling);
  if (dtype != DType::u8) try_own_product(ctx, dtype, seconds, ceiling);
  if (library) try_library(ctx, dtype, seconds, ceiling);
  return ceiling;
}

Ceiling read_ceiling(const Context& ctx, double seconds, int64_t bytes) {
  Ceiling ceiling;
  if (double(bytes) > 0.9 * double(free_memory())) return ceiling;  // not all: what is free varies
  const Tensor memory(ctx.backend->memory(), DType::f32, {bytes / 4});
  ctx.backend->fill(ctx, {.dst = memory, .value = 1});  // a page that was never written may be the one page of zeros
  const Operand all = Operand::of(memory.operand().data, DType::u8, {bytes});
  for (const bool prefetch : {false, true}) {
    for (const int streams : {1, 2, 4, 8}) {
      int64_t read = cpu_read_loop(ctx, all, streams, prefetch);
      if (read == 0) return ceiling;
      const Timing t = measure(seconds, [&] { read = cpu_read_loop(ctx, all, streams, prefetch); });
      ceiling.tries.push_back(rated(
          fmt::format("{} stream{} per thread{}", streams, streams == 1 ? "" : "s", prefetch ? ", prefetched" : ""),
          double(read), t));
    }
  }
  return ceiling;
}

}  // namespace minke
