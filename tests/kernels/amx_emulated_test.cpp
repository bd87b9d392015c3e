#include "kernels/amx_emulated.h"

#include <gtest/gtest.h>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/common.h"
#include "support/random.h"

namespace minke {

namespace cpu::amx_emulated {
void fill_gemm(Table&);  // compiled by tests.cmake
}

namespace test {

bool has_amx_emulated() { return available_isas().size() > 1; }

#if defined(__x86_64__)
namespace {

const cpu::Table& table() {
  static const cpu::Table table = [] {
    cpu::Table t = *cpu::find_table(cpu_kernels("avx2"));
    cpu::amx_emulated::fill_gemm(t);
    return t;
  }();
  return table;
}

}  // namespace

const Kernels& amx_emulated() {
  static const Kernels kernels = [] {
    Kernels k = cpu_kernels("avx2");
    k.name = kAmxEmulated;
    k.gemm = [](const Context& ctx, const GemmArgs& args) { cpu::gemm(table(), ctx, args); };
    k.pack_weight = [](const Context& ctx, const PackWeightArgs& args) { cpu::pack_weight(table(), ctx, args); };
    k.packed_bytes = [](int64_t rows, int64_t columns, DType compute) {
      return cpu::packed_bytes(table(), rows, columns, compute);
    };
    return k;
  }();
  return kernels;
}
#else
const Kernels& amx_emulated() { return cpu_kernels("avx2"); }  // which says that there is none
#endif

namespace {

// Otherwise the suites would pass without a tile: pairs of bf16 are summed in blocks of 512, f32 in blocks of 256.
TEST(AmxEmulated, HasAnotherOrderOfAdditions) {
  if (!has_amx_emulated()) GTEST_SKIP() << "no AVX2";
  std::vector<Values> results;
  for (const Kernels* k : {&amx_emulated(), &cpu_kernels("avx2")}) {
    TestContext ctx(*k, host_memory(), 1);
    Buffer a(ctx, DType::bf16, {16, 512}), b(ctx, DType::bf16, {512, 16}), c(ctx, DType::f32, {16, 16});
    a.set(normals(RngKey{1, 1}, 16 * 512)), b.set(normals(RngKey{1, 2}, 512 * 16));
    k->gemm(ctx, {.a = a, .b = b, .c = c, .compute = DType::bf16, .offsets = {}});
    results.push_back(c.get());
  }
  EXPECT_NE(results[0], results[1]);
}

}  // namespace
}  // namespace test
}  // namespace minke
