// The critic: begins as the policy, learns what it is told, and goes on from a checkpoint with the same bits.
#include "rl/critic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "support/policy_run.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke::test {
namespace {

constexpr int64_t kSequences = 4, kLength = 8;

struct Rig {
  TestContext ctx{cpu_backend()};
  Model policy{ctx, tiny_v3(1), Precision::f32(), 16};
  TokenBatch batch{.num_sequences = kSequences, .sequence_length = kLength};

  Rig() {
    policy.weights().initialise(ctx, 0.2);
    batch.tokens = random_tokens(3, kSequences * kLength, 23);
    batch.targets = random_tokens(4, kSequences * kLength, 23);
    batch.targets[5] = -1;
    batch.weight.assign(batch.tokens.size(), float(1.0 / double(batch.tokens.size())));
    // What a sequence gets depends on its first token.
    for (int64_t s = 0; s < kSequences; ++s)
      batch.value_target.insert(batch.value_target.end(), size_t(kLength), s % 2 ? 1.0f : -0.5f);
  }
  static TrainSettings settings() {
    TrainSettings s;
    s.lr = {.peak = 3e-3, .warmup_steps = 0, .decay_begin = INFINITY, .decay_end = INFINITY, .last_begin = INFINITY};
    s.adamw.weight_decay = 0;
    s.bias_speed = 0, s.balance = {};
    s.mtp = {0, 0};
    return s;
  }
  Critic critic() { return Critic(ctx, policy, settings(), kSequences, kLength); }
  double error(Critic& c) {
    const std::vector<float> v = c.values(ctx, {&batch, 1});
    double sum = 0;
    for (size_t i = 0; i < v.size(); ++i)
      sum += std::pow(double(v[i]) - double(batch.value_target[i]), 2) / double(v.size());
    return sum;
  }
};

TEST(Critic, BeginsWithThePolicysWeightsAndValuesOfNothing) {
  Rig rig;
  Critic critic = rig.critic();
  size_t same = 0;
  for (const auto& [name, operand] : critic.state()) {
    if (!name.starts_with("c.w.") || name == "c.w.value_head") continue;
    EXPECT_EQ(host_floats(rig.ctx, operand), host_floats(rig.ctx, rig.policy.weights().get(name.substr(4))->master()))
        << name;
    ++same;
  }
  EXPECT_GT(same, 20u);
  for (float v : critic.values(rig.ctx, {&rig.batch, 1})) EXPECT_EQ(v, 0);
  EXPECT_EQ(critic.num_mtp_modules(), 0);
}

TEST(Critic, LearnsWhatAnswersGetAndLeavesThePolicyAlone) {
  Rig rig;
  Critic critic = rig.critic();
  std::vector<std::vector<float>> policy;
  for (const Weight& w : rig.policy.weights().all()) policy.push_back(host_floats(rig.ctx, w.master()));
  const double before = rig.error(critic);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(critic.step(rig.ctx, {&rig.batch, 1}, 32).skipped, "");
  EXPECT_LT(rig.error(critic), 0.05 * before);
  size_t i = 0;
  for (const Weight& w : rig.policy.weights().all()) EXPECT_EQ(host_floats(rig.ctx, w.master()), policy[i++]);
}

// The gradient is of Σ weight·½(v − target)²: with twice the weights it is twice as large, and positions without a target have none.
TEST(Critic, TokensWeighWhatTheyWeigh) {
  Rig rig;
  const auto norm = [&] {
    Critic critic = rig.critic();
    return critic.step(rig.ctx, {&rig.batch, 1}, 32).grad_norm;
  };
  const double plain = norm();
  rig.batch.value_target[5] = 100;  // nothing is asked there
  EXPECT_EQ(norm(), plain);
  for (float& w : rig.batch.weight) w *= 2;
  EXPECT_NEAR(norm(), 2 * plain, 1e-5 * plain);
  rig.batch.value_target[6] = 100;
  EXPECT_GT(norm(), 3 * plain);
}

TEST(Critic, GoesOnWithTheSameBits) {
  Rig rig;
  Critic whole = rig.critic(), first = rig.critic(), second = rig.critic();
  for (int i = 0; i < 5; ++i) whole.step(rig.ctx, {&rig.batch, 1}, 32);
  for (int i = 0; i < 2; ++i) first.step(rig.ctx, {&rig.batch, 1}, 32);
  const auto from = first.state(), to = second.state();
  ASSERT_EQ(from.size(), to.size());
  for (size_t i = 0; i < from.size(); ++i) {
    EXPECT_EQ(from[i].first, to[i].first);
    rig.ctx.backend().copy(rig.ctx, {.src = from[i].second, .dst = to[i].second});
  }
  second.restore(Json::parse(first.small_state().dump()));
  for (int i = 0; i < 3; ++i) second.step(rig.ctx, {&rig.batch, 1}, 32);
  EXPECT_EQ(second.values(rig.ctx, {&rig.batch, 1}), whole.values(rig.ctx, {&rig.batch, 1}));
  EXPECT_EQ(second.small_state(), whole.small_state());
}

TEST(Critic, AnotherStateIsRefused) {
  Rig rig;
  Critic critic = rig.critic();
  for (const char* text : {"null", "[]", "{}", R"({"steps":1})", R"({"steps":-1,"tokens":1})",
                           R"({"steps":"a","tokens":1})", R"({"steps":1,"tokens":1e300})"})
    EXPECT_THROW(critic.restore(Json::parse(text)), UserError) << text;
}

// Up to the bounds, and what is lacking.
TEST(Critic, SaysWhichNumberIsLacking) {
  Rig rig;
  Critic critic = rig.critic();
  const auto message = [&](const char* text) -> std::string {
    try {
      critic.restore(Json::parse(text));
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message(R"({"steps":7,"tokens":300.5})"), "");
  EXPECT_EQ(critic.small_state(), Json::parse(R"({"steps":7,"tokens":300.5})"));
  EXPECT_EQ(message(R"({"steps":0,"tokens":0.99e18})"), "");
  EXPECT_EQ(critic.small_state().at("tokens"), 0.99e18);
  EXPECT_EQ(message(R"({"steps":0,"tokens":1e18})"), "the critic lacks a number of tokens");
  EXPECT_EQ(message(R"({"steps":1e18,"tokens":1})"), "the critic lacks a number of steps");
  EXPECT_EQ(message(R"({"tokens":1})"), "the critic lacks a number of steps");
  EXPECT_EQ(message(R"({"steps":1})"), "the critic lacks a number of tokens");
  EXPECT_EQ(message(R"({"steps":true,"tokens":1})"), "the critic lacks a number of steps");
  EXPECT_EQ(message(R"({"steps":1,"tokens":-0.5})"), "the critic lacks a number of tokens");
}

}  // namespace
}  // namespace minke::test
