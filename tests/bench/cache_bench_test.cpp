#include "bench/cache_bench.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

TEST(CacheBench, FormatsCostWhatTheyRound) {
  const TestContext ctx(cpu_backend());
  Config dense = tiny_v3();
  dense.n_routed_experts = 0;  // a rounding chooses no other experts
  Model model(ctx, dense, Precision::f32().for_inference(), 64);
  model.weights().initialise(ctx, 0.2);
  const std::vector<int32_t> text = random_tokens(1, 100, dense.vocab_size);
  const std::vector<CacheCost> costs = cache_costs(ctx, model, text, 30);
  ASSERT_EQ(costs.size(), 2u);
  EXPECT_EQ(costs[0].format, CacheFormat::bf16);
  EXPECT_EQ(costs[1].format, CacheFormat::fp8);
  for (const CacheCost& c : costs) {
    EXPECT_EQ(c.tokens, 3 * 15);
    EXPECT_GT(c.kl, 0);
    EXPECT_LE(c.kl, 0.05);
    EXPECT_GE(c.same_top, 0.8);
    EXPECT_LE(std::abs(c.nats - c.nats_of_f32), 0.1);
    EXPECT_EQ(c.nats_of_f32, costs[0].nats_of_f32);
  }
  EXPECT_LT(costs[0].kl, costs[1].kl);
  EXPECT_THROW(cache_costs(ctx, model, text, 101), UserError);
}

TEST(CacheBench, OtherAttentionHasNoFp8) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_llama(), Precision::f32().for_inference(), 64);
  model.weights().initialise(ctx, 0.2);
  EXPECT_EQ(cache_costs(ctx, model, random_tokens(1, 20, tiny_llama().vocab_size), 20).size(), 1u);
}

}  // namespace
}  // namespace minke
