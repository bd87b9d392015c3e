// Operations of the presets against counts made by hand, and a run of a tiny model whose figures add up.
#include "bench/train_bench.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "bench/suite.h"
#include "core/error.h"
#include "spec/counts.h"
#include "support/random.h"

namespace minke {
namespace {

using test::TestContext;

// By hand, from src/recipe/presets.cpp. Attention of a layer: q d·H·96, kv_a d·(kr+32), kv_b kr·H·128, o H·64·d. One dense
// layer 3·d·I; MoE layers (K+1)·3·d·F + E·d; head V·d. An attention pair of a head: 2·(96+64) = 320, half the sequence.
TEST(TrainBench, OperationsOfV3_82M) {
  const PresetShape p = preset_shape("v3-82m");
  EXPECT_EQ(p.batch_size, 8);
  EXPECT_EQ(p.sequence_length, 512);
  const int64_t attention = 512 * 8 * 96 + 512 * 160 + 128 * 8 * 128 + 8 * 64 * 512;  // 868,352
  const int64_t active = 8 * attention + 3 * 512 * 1536 + 7 * (5 * 3 * 512 * 192 + 32 * 512) + 4096 * 512;
  EXPECT_EQ(active, 21839872);
  const TrainingFlops f = training_flops(p.config, p.sequence_length);
  EXPECT_EQ(f.active_matmul_parameters, active);
  EXPECT_EQ(f.products, 6.0 * 21839872);
  EXPECT_EQ(f.attention, 3.0 * 8 * 8 * 320 * 256);  // 15.7 MFLOP
  EXPECT_NEAR(f.products + f.attention, training_flops_per_token(p.config, 512), 1);
}

TEST(TrainBench, OperationsOfV3_11M) {
  const PresetShape p = preset_shape("v3-11m");
  EXPECT_EQ(p.batch_size, 16);
  EXPECT_EQ(p.sequence_length, 256);
  const int64_t attention = 256 * 4 * 96 + 256 * 96 + 64 * 4 * 128 + 4 * 64 * 256;  // 221,184
  const int64_t active = 6 * attention + 3 * 256 * 768 + 5 * (3 * 3 * 256 * 128 + 16 * 256) + 1024 * 256;
  EXPECT_EQ(active, 3674112);
  const TrainingFlops f = training_flops(p.config, p.sequence_length);
  EXPECT_EQ(f.active_matmul_parameters, active);
  EXPECT_EQ(f.attention, 3.0 * 6 * 4 * 320 * 128);
}

// A module: eh_proj 2d·d, a MoE block, and the head once more.
TEST(TrainBench, AnMtpModuleCounts) {
  const TrainingFlops without = training_flops(preset_shape("v3-11m").config, 256),
                      with = training_flops(preset_shape("v3-11m-mtp").config, 256);
  EXPECT_EQ(with.active_matmul_parameters - without.active_matmul_parameters,
            2 * 256 * 256 + 221184 + 3 * 3 * 256 * 128 + 16 * 256 + 1024 * 256);
  EXPECT_EQ(with.attention * 6, without.attention * 7);
}

TrainBenchOptions tiny() {
  const std::vector<std::string> set{"data.train=builtin:",      "train.steps=1",
                                     "train.sequence_length=16", "train.batch_size=4",
                                     "train.micro_batch_size=2", "tokenizer.vocab_size=300",
                                     "model.vocab_size=300",     "model.hidden_size=32",
                                     "model.num_hidden_layers=2"};
  return {.recipe = parse_recipe("", "test", set, "v3-11m-mtp"),
          .steps = 2,
          .warmup_steps = 1,
          .ceiling_seconds = 0,
          .folder = ::testing::TempDir()};
}

TEST(TrainBench, FiguresOfARunAddUp) {
  const TestContext ctx(cpu_backend(), 2);
  const TrainBenchResult r = train_bench(ctx, tiny());
  ASSERT_EQ(r.step_seconds.size(), 2u);
  EXPECT_EQ(r.tokens_per_step, 64);
  double parts = 0, flops = 0;
  for (const StepPart& p : r.parts) parts += p.seconds, flops += p.flops;
  EXPECT_NEAR(parts * 2, r.step_seconds[0] + r.step_seconds[1], 1e-9);
  EXPECT_GT(flops, 0);
  EXPECT_TRUE(std::isfinite(r.loss) && r.loss > 4 && r.loss < 7) << r.loss;  // ln 300 = 5.7
  EXPECT_LE(r.slowest(), r.tokens_per_second());
  EXPECT_LE(r.tokens_per_second(), r.fastest());
  EXPECT_TRUE(std::isfinite(r.product_share()) && r.product_share() > 0);
  EXPECT_TRUE(std::isfinite(r.core_share()) && r.core_share() > 0);
  EXPECT_TRUE(r.bytes_per_parameter() > 16 && r.bytes_per_parameter() < 22) << r.bytes_per_parameter();
  EXPECT_GT(r.peak_rss_bytes, r.memory.parameters + r.memory.gradients + r.memory.moments);
  EXPECT_GT(r.memory.activations, 0);
}

TEST(TrainBench, AModelTooLargeIsRefused) {
  const TestContext ctx(cpu_backend());
  TrainBenchOptions options = tiny();
  options.available_bytes = 1e6;
  EXPECT_THROW(train_bench(ctx, options), UserError);
}

}  // namespace
}  // namespace minke
