// That the emulated instruction sets are what they are called, and on a machine that has the real one, give its bits.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/emulated.h"
#include "support/random.h"

namespace minke::test {
namespace {

// A product in bf16 and attention over it, which between them use most of the intrinsics.
std::vector<Values> results_of(Backend& backend, DType compute) {
  TestContext ctx(backend, 1);
  constexpr int64_t m = 37, k = 523, heads = 2, d = 24, n = heads * d;
  Buffer a(ctx, compute, {m, k}), b(ctx, compute, {k, n}), c(ctx, DType::f32, {m, n});
  a.set(normals(RngKey{1, 1}, m * k)), b.set(normals(RngKey{1, 2}, k * n));
  backend.gemm(ctx, {.a = a, .b = b, .c = c, .compute = compute, .offsets = {}});
  Buffer q(ctx, compute, {m, heads, d}), out(ctx, compute, {m, heads, d}), lse(ctx, DType::f32, {m, heads});
  q.set(c.get());
  const int64_t whole[] = {0, m};
  backend.attention(ctx, {.q = q,
                          .k = q,
                          .k_rope = {},
                          .v = q,
                          .out = out,
                          .lse = lse,
                          .scale = 0.01,
                          .sequence_offsets = whole,
                          .num_sequences = 1,
                          .first_visible = {},
                          .compute = compute});
  return {c.get(), out.get(), lse.get()};
}

bool emulates() { return tested_isas().size() > available_isas().size(); }
bool has(const std::string& isa) { return emulates() && std::ranges::count(available_isas(), isa) == 1; }

TEST(Emulated, HasTheBitsOfTheRealOne) {
  int compared = 0;
  for (const std::string isa : {"avx512", "avx512_vnni", "avx512_bf16", "amx_bf16"}) {
    if (!has(isa)) continue;
    ++compared;
    for (const DType compute : {DType::f32, DType::bf16})
      EXPECT_EQ(results_of(emulated_backend(isa + "_emulated"), compute), results_of(cpu_backend(isa), compute)) << isa;
  }
  if (compared == 0) GTEST_SKIP() << "no AVX-512, or nothing is emulated";
}

// Otherwise the suites would pass without a pair or a tile: pairs of bf16 are summed in blocks of up to 768 k, f32 of 384.
TEST(Emulated, PairsHaveAnotherOrderOfAdditions) {
  if (!has("avx2")) GTEST_SKIP() << "no AVX2, or nothing is emulated";
  const Values avx2 = results_of(cpu_backend("avx2"), DType::bf16)[0];
  for (const char* isa : {"avx512_bf16_emulated", "amx_bf16_emulated"})
    EXPECT_NE(results_of(emulated_backend(isa), DType::bf16)[0], avx2) << isa;
}

}  // namespace
}  // namespace minke::test
