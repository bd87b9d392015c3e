#include "run/settings.h"

#include <gtest/gtest.h>

#include "spec/counts.h"
#include "spec/rope.h"
#include "support/tiny.h"

namespace minke {
namespace {

const char* const kRecipe = R"(
[data]
train = ["builtin:"]
[train]
steps = 100
sequence_length = 32
batch_size = 8
lr = 1e-2
decay_begin = 0.5
[[long_context]]
steps = 10
sequence_length = 64
batch_size = 4
lr = 1e-4
yarn_factor = 4
[[long_context]]
steps = 5
sequence_length = 128
batch_size = 2
lr = 1e-5
yarn_factor = 4
)";

TEST(Phases, FollowEachOther) {
  const Recipe r = parse_recipe(kRecipe, "r.toml");
  const auto p = plan_phases(r);
  ASSERT_EQ(p.size(), 3u);
  EXPECT_EQ(p[0].tokens, 100 * 32 * 8);
  EXPECT_EQ(p[1].first_step, 100);
  EXPECT_EQ(p[2].first_step, 110);
  EXPECT_EQ(p[2].last_step(), 115);
  EXPECT_EQ(p[2].first_token, 100 * 32 * 8 + 10 * 64 * 4);
  EXPECT_EQ(p[1].batch_size(p[1].first_token + 100), 4);
  // The stored recipe gives the same phases.
  const auto again = plan_phases(parse_recipe(recipe_to_toml(r), "again"));
  ASSERT_EQ(again.size(), 3u);
  EXPECT_EQ(again[2].first_token, p[2].first_token);
  EXPECT_EQ(again[1].lr, 1e-4);
}

TEST(Phases, StepScheduleDropsAtSharesOfTheRun) {
  Recipe r = parse_recipe(kRecipe, "r.toml",
                          {"train.schedule=\"step\"", "train.drops=[0.6, 0.9]", "train.warmup=0.1",
                           "train.drop_factor=0.25", "balance.bias_speed=0.5"});
  const auto phases = plan_phases(r);
  const TrainSettings s = train_settings(r, phases[0]);
  const double n = phases[0].tokens;
  EXPECT_EQ(learning_rate(s.lr, 4, 0), 5e-3);  // the fifth of ten steps of warm-up
  EXPECT_EQ(learning_rate(s.lr, 50, 0.59 * n), 1e-2);
  EXPECT_EQ(learning_rate(s.lr, 60, 0.6 * n), 2.5e-3);
  EXPECT_EQ(learning_rate(s.lr, 95, 0.95 * n), 6.25e-4);
  EXPECT_EQ(mtp_weight(s.mtp, s.lr, 0.59 * n), 0.3);
  EXPECT_EQ(mtp_weight(s.mtp, s.lr, 0.61 * n), 0.1);
  EXPECT_EQ(bias_speed(s.bias_speed, s.lr, 0.89 * n), 0.5);
  EXPECT_EQ(bias_speed(s.bias_speed, s.lr, 0.9 * n), 0);
  EXPECT_EQ(learning_rate(train_settings(r, phases[1]).lr, 100, n), 1e-4);  // constant in a long-context phase
  r.train.schedule = ScheduleKind::cosine;
  EXPECT_EQ(learning_rate(train_settings(r, phases[0]).lr, 50, 0.49 * n), 1e-2);
  EXPECT_LT(learning_rate(train_settings(r, phases[0]).lr, 60, 0.6 * n), 1e-2);
}

TEST(Phases, TokensOfTheLargestRunAreCounted) {
  Recipe r = parse_recipe(kRecipe, "r.toml");
  r.long_context = {{.steps = 1'000'000'000, .sequence_length = 10'000'000, .batch_size = 1'000'000, .lr = 1}};
  EXPECT_EQ(plan_phases(r)[1].tokens, 1e22);
  EXPECT_EQ(steps_with_ramp(r, int64_t(1e17)), int64_t(1e17));
}

// The phases of kRecipe have 10 · 64 · 4 + 5 · 128 · 2 tokens, a step 32 · 8.
TEST(Phases, MinutesCoverTheLongContext) {
  const Config config = test::tiny_v3();
  const auto steps = [&](const char* minutes, std::vector<std::string> set) {
    set.insert(set.end(), {"train.steps=0", std::string("train.minutes=") + minutes});
    return steps_in_minutes(parse_recipe(kRecipe, "r.toml", set), config, 0.5);
  };
  const double short_flops = training_flops_per_token(config, 32);
  const double phases = (2560 * training_flops_per_token(config, 64) + 1280 * training_flops_per_token(config, 128)) /
                        (256 * short_flops) * 0.5;
  EXPECT_GT(phases, 7.5);  // 3840 tokens at 256 in half a second, and longer sequences take longer
  EXPECT_EQ(steps("1", {"long_context=[]"}), int64_t(60 * 0.92 / 0.5));
  EXPECT_EQ(steps("1", {}), int64_t((60 * 0.92 - phases) / 0.5));
  EXPECT_GT(steps("1", {"train.batch_start=2", "train.batch_ramp=0.5"}), steps("1", {}));
  EXPECT_EQ(steps("1000000", {}), int64_t((6e7 * 0.92 - phases) / 0.5));
  try {
    steps("0.1", {});
    FAIL() << "six seconds are not enough";
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("train.minutes 0.1: the [[long_context]] phases alone will take about"),
              std::string::npos);
  }
}

TEST(Phases, DropoutAndTheAverageAreThoseOfTheRecipe) {
  const Recipe r = parse_recipe(kRecipe, "r.toml", {"train.dropout=0.15", "train.ema_decay=0.98"});
  for (const Phase& p : plan_phases(r)) {
    EXPECT_EQ(train_settings(r, p).dropout, 0.15);
    EXPECT_EQ(train_settings(r, p).ema_decay, 0.98);
  }
}

TEST(Phases, LongContextIsConstantAndAfterTheDecay) {
  const Recipe r = parse_recipe(kRecipe, "r.toml");
  const auto p = plan_phases(r);
  const TrainSettings first = train_settings(r, p[0]), second = train_settings(r, p[1]);
  EXPECT_DOUBLE_EQ(learning_rate(first.lr, 50, 0.4 * p[0].tokens), 1e-2);
  EXPECT_DOUBLE_EQ(learning_rate(first.lr, 100, p[0].tokens), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate(second.lr, 100, p[1].first_token), 1e-4);
  EXPECT_DOUBLE_EQ(learning_rate(second.lr, 109, p[2].first_token - 1), 1e-4);
  EXPECT_EQ(bias_speed(0.001, second.lr, p[1].first_token), 0);
  EXPECT_EQ(mtp_weight({}, second.lr, p[1].first_token), 0.1);
}

TEST(Phases, YarnStretchesTheLengthOfTraining) {
  const Recipe r = parse_recipe(kRecipe, "r.toml");
  const auto p = plan_phases(r);
  Config base = test::tiny_v3();
  base.max_position_embeddings = 32;
  EXPECT_EQ(phase_config(base, r, p[0]), base);
  const Config c = phase_config(base, r, p[2]);
  EXPECT_EQ(c.max_position_embeddings, 128);
  EXPECT_EQ(c.rope_scaling.type, RopeType::yarn);
  EXPECT_EQ(c.rope_scaling.original_max_position_embeddings, 32);
  EXPECT_EQ(phase_config(base, r, p[1]).rope_scaling, c.rope_scaling);  // V3: the same in both phases
}

TEST(Phases, BatchRampConsumesTheTokensOfTheRun) {
  for (const char* share : {"0.3", "1.0"}) {
    const Recipe r = parse_recipe(
        kRecipe, "r.toml", {"train.batch_start=2", std::string("train.batch_ramp=") + share, "train.steps=1000"});
    const Phase p = plan_phases(r)[0];
    double tokens = 0;
    int64_t last = 0;
    for (int64_t step = 0; step < p.steps; ++step) {
      const int64_t size = p.batch_size(tokens);
      EXPECT_GE(size, last);
      EXPECT_LE(size, 8);
      last = size;
      tokens += double(size * p.sequence_length);
    }
    EXPECT_EQ(p.batch_size(0), 2);
    EXPECT_NEAR(tokens, p.tokens, 0.1 * p.tokens);  // whole sequences: rounded down by up to one of 2 to 8
    EXPECT_LT(p.tokens, 1000.0 * 8 * 32);
  }
}

TEST(Phases, RampOfWholeMicroBatches) {
  const Recipe r =
      parse_recipe(kRecipe, "r.toml", {"train.batch_start=2", "train.micro_batch_size=2", "train.batch_ramp=0.5"});
  const Phase p = plan_phases(r)[0];
  for (double t = 0; t < p.tokens; t += 100) EXPECT_EQ(p.batch_size(t) % 2, 0);
  EXPECT_GT(steps_with_ramp(r, 100), 100);
}

}  // namespace
}  // namespace minke
