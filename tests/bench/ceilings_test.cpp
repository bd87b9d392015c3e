// Ceilings exist and are finite for every instruction set; the loops do the work they say.
#include "bench/ceilings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/machine_memory.h"
#include "kernels/cpu/backend.h"
#include "support/random.h"

namespace minke {
namespace {

using test::TestContext;

void expect_ceiling(const Ceiling& c, size_t tries) {
  EXPECT_EQ(c.tries.size(), tries);
  for (const Ceiling::Try& t : c.tries) {
    EXPECT_TRUE(std::isfinite(t.rate) && t.rate > 0) << t.how;
    EXPECT_TRUE(std::isfinite(t.rate_per_core) && t.rate_per_core >= 0) << t.how;
    EXPECT_LE(t.rate, c.best().rate);
    EXPECT_LE(t.rate_per_core, c.rate_per_core());
  }
}

TEST(Ceilings, OfEveryInstructionSet) {
  const std::vector<std::string> isas = available_isas();
  for (size_t i = 0; i < isas.size(); ++i) {
    SCOPED_TRACE(isas[i]);
    const TestContext ctx(cpu_backend(isas[i]), 2);
    const size_t counted = isas[i] == default_isa().isa ? isas.size() : i + 1;
    expect_ceiling(product_ceiling(ctx, DType::f32, 0), counted + 1);
    expect_ceiling(product_ceiling(ctx, DType::bf16, 0), counted + 1);
#if defined(__x86_64__)
    expect_ceiling(product_ceiling(ctx, DType::u8, 0), counted);
#endif
    expect_ceiling(read_ceiling(ctx, 0, 1 << 20), 8);
  }
}

// A share of the peak is one of what the machine can do, not of what the chosen instructions can.
TEST(Ceilings, OfTheMachineWhateverIsChosen) {
  const TestContext ctx(cpu_backend(), 1);
  const Ceiling all = product_ceiling(ctx, DType::bf16, 0);
  for (const std::string& isa : available_isas()) {
    const auto is_of = [&](const Ceiling::Try& t) { return t.how.ends_with(", " + isa); };
    EXPECT_EQ(std::ranges::count_if(all.tries, is_of), 1) << isa;
  }
}

// A caller's scratch is as large as its own work needs: `bench infer` with a short prompt has less than a product of 1024³ takes.
TEST(Ceilings, TakeNothingFromTheCallersScratch) {
  Arena none(host_memory(), 64);
  const TestContext with_scratch(cpu_backend(), 2);
  Context ctx = with_scratch.context();
  ctx.scratch = &none;
  EXPECT_GT(product_ceiling(ctx, DType::f32, 0).best().rate, 0);
  EXPECT_GT(product_ceiling(ctx, DType::bf16, 0).best().rate, 0);
}

TEST(Ceilings, NoneWithoutLoops) {
  const TestContext ctx(reference_backend());
  EXPECT_EQ(product_ceiling(ctx, DType::u8, 0).best().rate, 0);
  EXPECT_EQ(product_ceiling(ctx, DType::u8, 0).rate_per_core(), 0);
  EXPECT_TRUE(read_ceiling(ctx, 0, 1 << 16).tries.empty());
}

TEST(Ceilings, NoneOfMoreMemoryThanThereIs) {
  const TestContext ctx(cpu_backend(), 1);
  EXPECT_TRUE(read_ceiling(ctx, 0, int64_t(machine_memory())).tries.empty());
}

TEST(Ceilings, LoopsCountWhatTheyDo) {
  const TestContext ctx(cpu_backend("baseline"), 3);
  // 4 lanes, 12 sums, 2 operations, 10 rounds, 3 threads
  EXPECT_EQ(cpu_peak_loop(ctx, DType::f32, 10), 4 * 12 * 2 * 10 * 3);
  EXPECT_EQ(cpu_peak_loop(ctx, DType::bf16, 10), 4 * 12 * 2 * 10 * 3);
  const Tensor bytes(host_memory(), DType::u8, {12 * 8 * 64});
  for (const int streams : {1, 2, 4, 8})
    for (const bool prefetch : {false, true})
      EXPECT_EQ(cpu_read_loop(ctx, bytes, streams, prefetch), 12 * 8 * 64) << streams;
  EXPECT_EQ(cpu_read_loop(ctx, bytes, 3, false), 0);
}

}  // namespace
}  // namespace minke
