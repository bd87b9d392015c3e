// What an objective makes of a step: weights of targets, policies, replayed experts, the losses of each token.
#include "train/executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/compare.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke::test {
namespace {

constexpr int64_t kSequences = 3, kLength = 12, kTokens = kSequences * kLength;

struct Rig {
  TestContext ctx{cpu_backend()};
  Model model;
  PlainExecutor executor;

  explicit Rig(const Precision& precision = Precision::f32())
      : model(ctx, tiny_v3(1), precision, 64),
        executor((model.weights().initialise(ctx, 0.3), prepared(model, ctx)), model, kSequences, kLength, true) {}
  static const Context& prepared(Model& model, const TestContext& ctx) {
    for (Weight& w : model.weights().all()) w.with_gradient(ctx);
    return ctx.context();
  }
  TokenBatch batch() const {
    TokenBatch b{.num_sequences = kSequences, .sequence_length = kLength};
    const int64_t vocab = model.config().vocab_size;
    b.tokens = random_tokens(1, kTokens, vocab), b.targets = random_tokens(2, kTokens, vocab);
    for (int64_t s = 0; s < kSequences; ++s)
      for (int64_t i = 0; i < 4; ++i) b.targets[size_t(s * kLength + i)] = -1;  // prompts
    return b;
  }
  // [MoE layers][kTokens, K]
  std::vector<int32_t> chosen_experts(const TokenBatch& batch) {
    const std::vector<int64_t> n{kTokens};
    Arena arena(ctx.backend().memory(), model.saved_bytes(n, false));
    const ModelSaved saved = model.lay_out_saved(arena, n, false);
    BatchBuffers buffers(ctx, kTokens, 0);
    model.forward(ctx, buffers.fill(ctx, batch), saved);
    std::vector<int32_t> all;
    for (size_t l = 0; l < model.blocks().size(); ++l)
      if (model.blocks()[l].moe()) {
        std::vector<int32_t> layer(size_t(saved.blocks[l].moe.router.expert.size()));
        ctx.backend().download(ctx, {.device = saved.blocks[l].moe.router.expert, .host = layer.data()});
        all.insert(all.end(), layer.begin(), layer.end());
      }
    return all;
  }
  // Gradients of a step, one after the other.
  Values gradients(const std::vector<TokenBatch>& batches, const StepSettings& settings,
                   TokenLosses* tokens = nullptr) {
    for (Weight& w : model.weights().all()) ctx.backend().fill(ctx, {.dst = w.grad(), .value = 0});
    executor.gradients(ctx, batches, settings, tokens);
    Values all;
    for (const Weight& w : model.weights().all()) {
      std::vector<float> host(size_t(w.grad().size()));
      ctx.backend().download(ctx, {.device = w.grad(), .host = host.data()});
      all.insert(all.end(), host.begin(), host.end());
    }
    return all;
  }
};

double largest(const Values& v) {
  double most = 0;
  for (double x : v) most = std::max(most, std::abs(x));
  return most;
}

// f32 sums in another order; a wrong weight changes the gradient by its own size.
void expect_same(const Values& a, const Values& b) { EXPECT_TRUE(all_near(a, b, {1e-5 * largest(b), 0})); }

TEST(Objectives, TheMeanIsASumWithEqualWeights) {
  Rig rig;
  TokenBatch plain = rig.batch(), weighted = plain;
  int64_t targets = 0;
  for (int32_t t : plain.targets) targets += t >= 0;
  weighted.weight.assign(size_t(kTokens), float(1 / double(targets)));
  expect_same(rig.gradients({weighted}, {}), rig.gradients({plain}, {}));
}

// A target of weight 0 is a prompt; weights reach MTP's targets too, which are those of later positions.
TEST(Objectives, WeightsOfTargets) {
  Rig rig;
  for (const double mtp : {0.0, 0.3}) {
    TokenBatch masked = rig.batch(), weighted = masked;
    weighted.weight.assign(size_t(kTokens), 0);
    int64_t kept[2] = {0, 0};
    for (int64_t i = 0; i < kTokens; ++i) {
      if (i % 5 == 2 && masked.targets[size_t(i)] >= 0) {
        weighted.weight[size_t(i)] = 1;
        ++kept[0], kept[1] += i % kLength >= 1;
      } else {
        masked.targets[size_t(i)] = -1;
      }
    }
    ASSERT_EQ(kept[0], kept[1]);  // so one factor brings both means to sums
    const Values a = rig.gradients({weighted}, {.mtp_weight = mtp});
    Values b = rig.gradients({masked}, {.mtp_weight = mtp});
    for (double& x : b) x *= double(kept[0]);
    expect_same(a, b);
  }
}

TEST(Objectives, LossesOfEachToken) {
  Rig rig;
  const TokenBatch batch = rig.batch();
  TokenLosses tokens, alone;
  rig.gradients({batch, batch}, {}, &tokens);
  const LossSums& sums = rig.executor.losses(rig.ctx, batch, false, {}, &alone);
  ASSERT_EQ(tokens.loss.size(), size_t(2 * kTokens));
  ASSERT_EQ(alone.loss.size(), size_t(kTokens));
  double nats = 0;
  for (int64_t i = 0; i < kTokens; ++i) {
    nats += alone.loss[size_t(i)];
    EXPECT_EQ(tokens.loss[size_t(i)], alone.loss[size_t(i)]);
    EXPECT_EQ(tokens.loss[size_t(kTokens + i)], alone.loss[size_t(i)]);
    EXPECT_EQ(tokens.entropy[size_t(i)], alone.entropy[size_t(i)]);
    EXPECT_EQ(alone.loss[size_t(i)] == 0, batch.targets[size_t(i)] < 0);
    EXPECT_EQ(alone.entropy[size_t(i)] == 0, batch.targets[size_t(i)] < 0);
    EXPECT_LE(alone.entropy[size_t(i)], std::log(double(rig.model.config().vocab_size)) + 1e-5);
  }
  EXPECT_NEAR(sums.nats[0], nats, 1e-4);
}

// Of the policy itself, with advantage 1 everywhere, GRPO's gradient is that of the likelihood.
TEST(Objectives, PolicyGradientOfThePolicyItself) {
  Rig rig;
  TokenBatch plain = rig.batch();
  plain.weight.assign(size_t(kTokens), 1.0f / 24);
  TokenLosses now;
  const Values likelihood = rig.gradients({plain}, {}, &now);
  TokenBatch policy = plain;
  policy.old_loss = now.loss, policy.reference_loss = now.loss, policy.advantage.assign(size_t(kTokens), 1);
  const StepSettings settings{.objective = {.policy = PolicyTerms{.beta = 0.04}}};
  expect_same(rig.gradients({policy}, settings), likelihood);
  // Twice the advantage, twice the gradient; clipped, none.
  policy.advantage.assign(size_t(kTokens), 2);
  Values twice = likelihood;
  for (double& x : twice) x *= 2;
  expect_same(rig.gradients({policy}, settings), twice);
  for (float& l : policy.old_loss) l += 1;  // e times as probable now
  EXPECT_EQ(largest(rig.gradients({policy}, {.objective = {.policy = PolicyTerms{}}})), 0);
}

// The experts that were chosen, replayed, change nothing; others do.
TEST(Objectives, ReplayedExperts) {
  for (const Precision& precision : {Precision::f32(), Precision::bf16()}) {
    Rig rig(precision);
    const TokenBatch chosen = rig.batch();
    TokenLosses first, again, other;
    const Values gradient = rig.gradients({chosen}, {}, &first);
    TokenBatch replayed = chosen;
    replayed.experts = rig.chosen_experts(chosen);
    EXPECT_EQ(rig.gradients({replayed}, {}, &again), gradient);
    EXPECT_EQ(again.loss, first.loss);
    std::vector<int32_t>& e = replayed.experts;
    std::rotate(e.begin(), e.begin() + rig.model.config().num_experts_per_tok,
                e.end());  // each token has its neighbour's
    rig.gradients({replayed}, {}, &other);
    EXPECT_NE(other.loss, first.loss);
    const Values back = rig.gradients({chosen}, {}, &again);
    EXPECT_EQ(again.loss, first.loss);  // nothing of the replay is left
    EXPECT_EQ(back, gradient);
  }
}

}  // namespace
}  // namespace minke::test
