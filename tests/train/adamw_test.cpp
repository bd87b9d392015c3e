// AdamW with every setting away from its default, against the equations in double precision.
#include "train/adamw.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

struct AdamRig {
  TestContext ctx;
  Model model{ctx, tiny_v3(1), Precision::f32(), 16};
  explicit AdamRig() { model.weights().initialise(ctx, 0.1); }

  Values read(const Operand& o) const {
    std::vector<float> host(size_t(o.size()));
    ctx.backend().download(ctx, {.device = o, .host = host.data()});
    return Values(host.begin(), host.end());
  }
  // Gradients drawn anew; the norm of all of them together.
  double draw_gradients(uint64_t seed) {
    double squares = 0;
    for (Weight& w : model.weights().all()) {
      if (!w.grad()) continue;
      ctx.backend().fill_normal(ctx, {.dst = w.grad(), .key = RngKey{seed}.at(w.storage().name), .stddev = 0.02});
      for (double g : read(w.grad())) squares += g * g;
    }
    return std::sqrt(squares);
  }
};

// With an ε as large as the gradients, the update depends on how they were scaled: a clip that does nothing is seen.
TEST(AdamW, ThreeStepsByHand) {
  for (const double clip : {0.0, 0.3, 1e6}) {
    SCOPED_TRACE(clip);
    AdamRig rig;
    const AdamWSettings s{.beta1 = 0.7, .beta2 = 0.85, .eps = 0.02, .weight_decay = 0.3, .clip = clip};
    AdamW adamw(rig.ctx, rig.model.weights(), s);
    std::vector<Values> param, m, v;
    for (Weight& w : rig.model.weights().all())
      if (w.grad()) {
        param.push_back(rig.read(w.master()));
        m.emplace_back(param.back().size(), 0);
        v.emplace_back(param.back().size(), 0);
      }
    for (int64_t step = 1; step <= 3; ++step) {
      const double lr = 0.05 / double(step), norm = rig.draw_gradients(uint64_t(step));
      EXPECT_NEAR(adamw.gradient_norm(rig.ctx), norm, 1e-6 * norm);
      EXPECT_GT(norm, 0.6) << "the smaller clip must act";
      const double scale = clip > 0 && norm > clip ? clip / norm : 1;
      size_t i = 0;
      for (Weight& w : rig.model.weights().all()) {
        if (!w.grad()) continue;
        const Values g = rig.read(w.grad());
        const double decay = w.storage().weight_decay ? s.weight_decay : 0;
        for (size_t k = 0; k < g.size(); ++k) {
          m[i][k] = s.beta1 * m[i][k] + (1 - s.beta1) * scale * g[k];
          v[i][k] = s.beta2 * v[i][k] + (1 - s.beta2) * scale * g[k] * scale * g[k];
          const double m_hat = m[i][k] / (1 - std::pow(s.beta1, step)), v_hat = v[i][k] / (1 - std::pow(s.beta2, step));
          param[i][k] -= lr * (m_hat / (std::sqrt(v_hat) + s.eps) + decay * param[i][k]);
        }
        ++i;
      }
      adamw.step(rig.ctx, lr, step, norm);
    }
    size_t i = 0;
    for (Weight& w : rig.model.weights().all()) {
      if (!w.grad()) continue;
      const Values got = rig.read(w.master());
      double worst = 0;  // f32 parameters of order 1, three updates of order 0.05: a few roundings
      for (size_t k = 0; k < got.size(); ++k) worst = std::max(worst, std::abs(got[k] - param[i][k]));
      EXPECT_TRUE(worst <= 1e-6) << w.storage().name << " " << worst;
      ++i;
    }
  }
}

// Compute forms are made again after a step, so a product sees the new weights.
TEST(AdamW, AStepMarksTheWeightsChanged) {
  AdamRig rig;
  AdamW adamw(rig.ctx, rig.model.weights(), {});
  std::vector<uint64_t> before;
  for (const Weight& w : rig.model.weights().all()) before.push_back(w.version());
  adamw.step(rig.ctx, 0.1, 1, rig.draw_gradients(1));
  size_t i = 0;
  for (const Weight& w : rig.model.weights().all()) {
    EXPECT_EQ(w.version() != before[i], bool(w.grad())) << w.storage().name;
    ++i;
  }
}

TEST(AdamW, ClearsEveryGradient) {
  AdamRig rig;
  AdamW adamw(rig.ctx, rig.model.weights(), {});
  EXPECT_GT(rig.draw_gradients(1), 0);
  adamw.clear_gradients(rig.ctx);
  EXPECT_EQ(adamw.gradient_norm(rig.ctx), 0);
}

TEST(AdamW, StateHasBothMomentsOfEveryTrainedWeightInTheDtypeAskedFor) {
  for (DType dtype : {DType::f32, DType::bf16}) {
    AdamRig rig;
    AdamW adamw(rig.ctx, rig.model.weights(), {.moments = dtype});
    const auto state = adamw.state();
    size_t i = 0;
    for (const Weight& w : rig.model.weights().all()) {
      if (!w.storage().trainable) continue;
      ASSERT_LT(i + 1, state.size());
      EXPECT_EQ(state[i].first, "m." + w.storage().name);
      EXPECT_EQ(state[i + 1].first, "v." + w.storage().name);
      for (size_t k = i; k < i + 2; ++k) {
        EXPECT_EQ(state[k].second.dtype, dtype);
        EXPECT_EQ(state[k].second.size(), w.master().size());
      }
      i += 2;
    }
    EXPECT_EQ(i, state.size());
    EXPECT_GT(i, 20u);
  }
}

}  // namespace
}  // namespace minke
