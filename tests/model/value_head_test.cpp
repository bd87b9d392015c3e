// A critic and a reward model: their values and the gradients of their errors through the whole model against central differences,
// and what they are made of.
#include "model/value_head.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "model/model.h"
#include "support/random.h"
#include "support/tiny.h"
#include "support/weight_gradients.h"

namespace minke {
namespace {

using namespace test;

constexpr int64_t kSequences = 2, kLength = 5, kTokens = kSequences * kLength;

Values download(const Context& ctx, const Operand& o) {
  Values host(size_t(o.size()));
  ctx.backend->download(ctx, {.device = o, .host = host.data()});
  return host;
}

// A critic in double, whose head is not 0, and a batch with two positions that nothing is asked of.
struct Rig {
  TestContext ctx;
  Model model;
  TokenBatch host{.num_sequences = kSequences, .sequence_length = kLength};
  BatchBuffers buffers;
  Tensor value;
  Arena arena;
  ModelSaved saved;

  explicit Rig(const Config& config)
      : model(ctx, config, Precision::f64(), 16, nullptr, Head::value),
        buffers(ctx, kTokens, 0),
        value(ctx.context().backend->memory(), DType::f64, {kTokens}),
        arena(ctx.context().backend->memory(), model.saved_bytes(std::vector<int64_t>{kTokens}, true)),
        saved(model.lay_out_saved(arena, std::vector<int64_t>{kTokens}, true)) {
    model.weights().initialise(ctx, 0.4);
    Weight* head = model.weights().get("value_head");
    ctx.backend().fill_normal(ctx, {.dst = head->master(), .key = RngKey{5}.at("head"), .stddev = 0.5});
    head->changed();
    model.weights().with_gradients(ctx);
    host.tokens = random_tokens(7, kTokens, config.vocab_size), host.targets = random_tokens(8, kTokens, 20);
    host.targets[1] = host.targets[7] = -1;
    const RngKey key = RngKey{3}.at("targets");
    for (uint64_t i = 0; i < uint64_t(kTokens); ++i)
      host.value_target.push_back(float(key.uniform(i))), host.weight.push_back(float(0.5 + key.uniform(100 + i)));
    fill();
  }
  void fill() {
    buffers.fill(ctx, host);
    buffers.batches().front().value = value;
  }
  double loss() {
    model.forward(ctx, buffers.batches(), saved);
    model.loss(ctx, buffers.batches(), saved);
    const Values each = download(ctx, saved.loss);
    double sum = 0;
    for (size_t i = 0; i < each.size(); ++i) sum += 0.3 * double(host.weight[i]) * each[i];
    return sum;
  }
};

void check_gradients(const Config& config) {
  Rig rig(config);
  rig.model.forward(rig.ctx, rig.buffers.batches(), rig.saved);
  rig.model.loss_and_backward(rig.ctx, rig.buffers.batches(), rig.saved, {.main = 0.3, .mtp = {}});
  double largest = 0;
  for (const Weight& w : rig.model.weights().all())
    if (w.grad())
      for (double g : download(rig.ctx, w.grad())) largest = std::max(largest, std::abs(g));
  EXPECT_GT(largest, 1e-3);
  expect_weight_gradients(rig.ctx, rig.model, [&] { return rig.loss(); });
}

TEST(ValueHead, GradientsOfACriticLikeV3) { check_gradients(tiny_v3()); }
TEST(ValueHead, GradientsOfACriticLikeLlama) { check_gradients(tiny_llama()); }  // tied: the embedding is no head

// Two pairs, one of which lies in one sequence; the other positions are asked nothing.
void ask_for_pairs(Rig& rig) {
  rig.host.value_target.clear(), rig.host.weight.assign(size_t(kTokens), 1);
  rig.host.targets.assign(size_t(kTokens), -1), rig.host.rival.assign(size_t(kTokens), -1);
  for (const auto& [chosen, rejected] : {std::pair{3, 8}, {9, 6}}) {
    rig.host.targets[size_t(chosen)] = 0;
    rig.host.rival[size_t(chosen)] = rejected, rig.host.rival[size_t(rejected)] = chosen;
  }
  rig.fill();
}

void check_gradients_of_pairs(const Config& config) {
  Rig rig(config);
  ask_for_pairs(rig);
  rig.model.forward(rig.ctx, rig.buffers.batches(), rig.saved);
  rig.model.loss_and_backward(rig.ctx, rig.buffers.batches(), rig.saved, {.main = 0.3, .mtp = {}});
  expect_weight_gradients(rig.ctx, rig.model, [&] { return rig.loss(); });
}

TEST(ValueHead, GradientsOfARewardModelLikeV3) { check_gradients_of_pairs(tiny_v3()); }
TEST(ValueHead, GradientsOfARewardModelLikeLlama) { check_gradients_of_pairs(tiny_llama()); }

// Bradley-Terry: the probability that the better answer wins is σ of the difference.
TEST(ValueHead, APairsLossIsThatItsBetterAnswerWins) {
  Rig rig(tiny_v3());
  ask_for_pairs(rig);
  rig.loss();
  const Values v = download(rig.ctx, rig.value), loss = download(rig.ctx, rig.saved.loss);
  EXPECT_NE(v[3], v[8]);
  for (size_t i = 0; i < size_t(kTokens); ++i) {
    const double margin = i == 3 ? v[3] - v[8] : i == 9 ? v[9] - v[6] : 0;
    EXPECT_NEAR(loss[i], margin == 0 ? 0 : -std::log(1 / (1 + std::exp(-margin))), 1e-12) << i;
  }
}

TEST(ValueHead, ValuesAndErrorsAreTheirDefinition) {
  Rig rig(tiny_v3());
  rig.loss();
  const Values h = download(rig.ctx, rig.saved.h),
               w = download(rig.ctx, rig.model.weights().get("value_head")->master()),
               value = download(rig.ctx, rig.value), loss = download(rig.ctx, rig.saved.loss);
  const size_t d = w.size();
  for (size_t i = 0; i < size_t(kTokens); ++i) {
    double v = 0;
    for (size_t k = 0; k < d; ++k) v += w[k] * h[i * d + k];
    EXPECT_NEAR(value[i], v, 1e-12);  // of a position without a target, too
    const double error = v - double(rig.host.value_target[i]);
    EXPECT_NEAR(loss[i], rig.host.targets[i] < 0 ? 0 : 0.5 * error * error, 1e-12);
  }
}

TEST(ValueHead, ValuesAloneNeedNoTargets) {
  Rig rig(tiny_v3());
  rig.loss();
  const Values with = download(rig.ctx, rig.value);
  rig.host.value_target.clear();
  rig.ctx.backend().fill(rig.ctx, {.dst = rig.value, .value = 0});
  rig.fill();
  EXPECT_EQ(rig.loss(), 0);
  EXPECT_EQ(download(rig.ctx, rig.value), with);
}

TEST(ValueHead, TakesThePlaceOfTheOther) {
  const TestContext ctx;
  Model critic(ctx, tiny_v3(), Precision::bf16(), 16, nullptr, Head::value),
      policy(ctx, tiny_v3(), Precision::bf16(), 16);
  EXPECT_TRUE(critic.is_critic());
  EXPECT_FALSE(policy.is_critic());
  EXPECT_EQ(critic.weights().find("lm_head"), nullptr);
  EXPECT_EQ(policy.weights().find("value_head"), nullptr);
  EXPECT_EQ(critic.weights().all().size(), policy.weights().all().size());
  const Weight* head = critic.weights().get("value_head");
  EXPECT_EQ(head->master().dtype, DType::f32);
  EXPECT_EQ(head->compute(), DType::f32);
  EXPECT_EQ(head->master().size(), tiny_v3().hidden_size);
  critic.weights().initialise(ctx, 0.4);
  std::vector<float> host(size_t(head->master().size()), 1);
  ctx.backend().download(ctx, {.device = head->master().flat(), .host = host.data()});
  for (float x : host) EXPECT_EQ(x, 0);
  EXPECT_THROW(Model(ctx, tiny_v3(1), Precision::bf16(), 16, nullptr, Head::value), BugError);
}

}  // namespace
}  // namespace minke
