// A student that learns a teacher's distribution: the gradient of its loss through the whole model against central differences, and
// what the batches bring.
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

constexpr int64_t kSequences = 2, kLength = 5, kTokens = kSequences * kLength, kSoft = 3;

Values download(const Context& ctx, const Operand& o) {
  Values host(size_t(o.size()));
  ctx.backend->download(ctx, {.device = o, .host = host.data()});
  return host;
}

// In double; two positions without a target, one without a list, one with a shorter one.
struct Rig {
  TestContext ctx;
  Model model;
  TokenBatch host{.num_sequences = kSequences, .sequence_length = kLength};
  BatchBuffers buffers;
  Arena arena;
  ModelSaved saved;

  explicit Rig(const Config& config)
      : model(ctx, config, Precision::f64(), 16),
        buffers(ctx, kTokens, 0),
        arena(ctx.context().backend->memory(), model.saved_bytes(std::vector<int64_t>{kTokens}, true)),
        saved(model.lay_out_saved(arena, std::vector<int64_t>{kTokens}, true)) {
    model.weights().initialise(ctx, 0.4);
    model.weights().with_gradients(ctx);
    host.tokens = random_tokens(7, kTokens, config.vocab_size), host.targets = random_tokens(8, kTokens, 20);
    host.targets[1] = host.targets[7] = -1;
    host.num_soft = kSoft;
    for (int64_t i = 0; i < kTokens; ++i)
      for (int64_t k = 0; k < kSoft; ++k) {
        const bool none = i == 4 || (i == 6 && k == 2);
        host.soft_token.push_back(none ? -1 : int32_t((host.targets[size_t(i)] + 1 + k * 7) % 20));
        host.soft_probability.push_back(none ? std::nanf("") : float(0.5 / double(k + 1) / double(1 + i % 3)));
      }
    fill(0.6);
  }
  void fill(double share) {
    buffers.fill(ctx, host);
    buffers.batches().front().objective.soft_share = share;
  }
  Values losses() {
    model.forward(ctx, buffers.batches(), saved);
    model.loss(ctx, buffers.batches(), saved);
    return download(ctx, saved.loss);
  }
  double loss() {
    double sum = 0;
    for (double l : losses()) sum += 0.3 * l;
    return sum;
  }
};

TEST(SoftTargets, GradientsOfAStudentLikeLlama) {
  Rig rig(tiny_llama());
  rig.model.forward(rig.ctx, rig.buffers.batches(), rig.saved);
  rig.model.loss_and_backward(rig.ctx, rig.buffers.batches(), rig.saved, {.main = 0.3, .mtp = {}});
  double largest = 0;
  for (const Weight& w : rig.model.weights().all())
    if (w.grad())
      for (double g : download(rig.ctx, w.grad())) largest = std::max(largest, std::abs(g));
  EXPECT_GT(largest, 1e-3);
  expect_weight_gradients(rig.ctx, rig.model, [&] { return rig.loss(); });
}

// Each position's loss is between that of its target and that of the teacher's distribution; without a list, or without an objective
// that asks for one, it is the target's.
TEST(SoftTargets, TheLossIsAMeanOfBoth) {
  Rig rig(tiny_llama());
  const Values mixed = rig.losses();
  rig.fill(1);
  const Values soft = rig.losses();
  rig.fill(0);
  const Values hard = rig.losses();
  int64_t different = 0;
  for (size_t i = 0; i < hard.size(); ++i) {
    EXPECT_NEAR(mixed[i], 0.4 * hard[i] + 0.6 * soft[i], 1e-12) << i;
    different += std::abs(hard[i] - soft[i]) > 1e-6;
  }
  EXPECT_EQ(different, kTokens - 3);  // two have no target, one has no list
  EXPECT_EQ(hard[1], 0);
  EXPECT_EQ(mixed[7], 0);
  EXPECT_EQ(soft[1], 0);
  // As it is without a teacher at all; and a batch without one follows one with.
  rig.host.num_soft = 0, rig.host.soft_token.clear(), rig.host.soft_probability.clear();
  rig.fill(0.6);
  EXPECT_EQ(rig.losses(), hard);
}

TEST(SoftTargets, SizesAreChecked) {
  Rig rig(tiny_llama());
  rig.host.soft_token.pop_back();
  EXPECT_THROW(rig.fill(1), BugError);
}

}  // namespace
}  // namespace minke
