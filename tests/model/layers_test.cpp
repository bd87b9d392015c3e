// Every layer by itself on the reference backend in f64: the gradients of its input and of all its weights against
// central differences of Σ upstream ⊙ output, with a random upstream gradient.
#include <gtest/gtest.h>

#include <functional>

#include "model/model.h"
#include "spec/rope.h"
#include "support/compare.h"
#include "support/gradcheck.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

constexpr int64_t kTokens = 7;  // two sequences, of 4 and 3

class Layers : public ::testing::Test {
 protected:
  const TestContext test_context;
  const Context& ctx = test_context;
  const Precision precision = Precision::f64();
  Arena arena{host_memory(), size_t(4) << 20};
  Tensor positions{host_memory(), DType::i32, {kTokens}};
  Batch batch;
  LocalExchange exchange;

  Layers() {
    const std::vector<int32_t> p{0, 1, 2, 3, 0, 1, 2};
    ctx.backend->upload(ctx, {.host = p.data(), .device = positions});
    batch.num_tokens = kTokens;
    batch.sequence_offsets = {0, 4, 7};
    batch.positions = positions;
  }

  void randomise(WeightStore& weights) {
    for (Weight& w : weights.all()) {
      w.with_gradient(ctx);
      put(w.master(), normals(RngKey{3}.at(w.storage().name), w.master().size(), 0.5));
      w.changed();
    }
  }
  void put(const Operand& o, const Values& v) { ctx.backend->upload(ctx, {.host = v.data(), .device = o}); }
  Values get(const Operand& o) {
    Values v(size_t(o.size()));
    ctx.backend->download(ctx, {.device = o, .host = v.data()});
    return v;
  }
  Operand take(std::initializer_list<int64_t> shape) { return arena.take(DType::f64, shape); }

  // forward: x → y. backward: with dy given, fills dx and adds to the weights' gradients.
  void check(WeightStore& weights, const Operand& x, const Operand& y, const Operand& dy, const Operand& dx,
             const std::function<void()>& forward, const std::function<void()>& backward) {
    put(x, normals(RngKey{11}.at("x"), x.size()));
    const Values upstream = normals(RngKey{12}.at("dy"), y.size());
    put(dy, upstream);
    forward();
    backward();
    const auto loss_after = [&](const Operand& changed, Weight* w) {
      return [&, changed, w](const Values& at) {
        put(changed, at);
        if (w) w->changed();
        forward();
        const Values out = get(y);
        double sum = 0;
        for (size_t i = 0; i < out.size(); ++i) sum += upstream[i] * out[i];
        return sum;
      };
    };
    const GradCheck options{.step = 5e-4, .tolerance = 1e-8, .max_elements = 60};
    const Values at_x = get(x), gradient_x = get(dx);
    EXPECT_TRUE(gradient_matches(loss_after(x, nullptr), at_x, gradient_x, options)) << "input";
    put(x, at_x);
    int64_t reached = 0;
    for (Weight& w : weights.all()) {
      const Values at = get(w.master()), gradient = get(w.grad());
      bool used = false;
      for (double g : gradient) used |= g != 0;
      if (!used) continue;  // belongs to another layer of the config
      ++reached;
      EXPECT_TRUE(gradient_matches(loss_after(w.master(), &w), at, gradient, options)) << w.storage().name;
      put(w.master(), at);
      w.changed();
    }
    EXPECT_GT(reached, 0);
  }

  template <class Attention> void check_attention(const Config& config) {
    WeightStore weights(ctx, config, precision);
    randomise(weights);
    const Rope rope(ctx, config, 16, DType::f64);
    const Attention attention(config, weights, layer_prefix(0), &rope, softmax_scale(config));
    const auto saved = Attention::lay_out_saved(arena, config, precision, kTokens);
    const auto work = Attention::lay_out_work(arena, config, precision, kTokens);
    const Operand x = take({kTokens, config.hidden_size}), y = take({kTokens, config.hidden_size}),
                  dx = take({kTokens, config.hidden_size});
    check(
        weights, x, y, work.dy, dx, [&] { attention.forward(ctx, batch, x, y, saved); },
        [&] {
          attention.backward_input(ctx, batch, dx, saved, work);
          attention.backward_weight(ctx, x, saved, work);
        });
  }

  void check_block(const Config& config, int64_t layer) {
    WeightStore weights(ctx, config, precision);
    randomise(weights);
    const Rope rope(ctx, config, 16, DType::f64);
    const Block block(ctx, config, weights, layer, layer_prefix(layer), &rope, &exchange);
    const BlockSaved saved = block.lay_out_saved(arena, precision, kTokens);
    const BlockWork work = block.lay_out_work(arena, precision, kTokens);
    const Operand y = take({kTokens, config.hidden_size}), dy = take({kTokens, config.hidden_size}),
                  dx = take({kTokens, config.hidden_size});
    check(
        weights, saved.x, y, dy, dx, [&] { block.forward(ctx, batch, y, saved, work); },
        [&] {
          ctx.backend->copy(ctx, {.src = dy, .dst = dx});
          block.backward_input(ctx, batch, dx, saved, work);
          block.backward_weight(ctx, saved, work);
        });
  }
};

TEST_F(Layers, MlaWithQueryCompression) { check_attention<Mla>(tiny_v3()); }
TEST_F(Layers, MlaWithoutQueryCompression) { check_attention<Mla>(tiny_v3(0, false)); }
TEST_F(Layers, MlaWithYarn) {
  Config c = tiny_v3();
  c.rope_scaling = {
      .type = RopeType::yarn, .factor = 8, .original_max_position_embeddings = 8, .mscale = 1, .mscale_all_dim = 1};
  check_attention<Mla>(c);
}
TEST_F(Layers, Gqa) { check_attention<Gqa>(tiny_llama()); }
TEST_F(Layers, GqaWithBiases) { check_attention<Gqa>(tiny_llama(true)); }
TEST_F(Layers, GqaWithNorms) { check_attention<Gqa>(tiny_llama(false, true)); }
TEST_F(Layers, DenseBlock) { check_block(tiny_v3(), 0); }
TEST_F(Layers, MoeBlockSigmoidGroups) { check_block(tiny_v3(), 1); }
TEST_F(Layers, MoeBlockSoftmaxGreedy) { check_block(tiny_v2(), 1); }
TEST_F(Layers, MoeBlockWithoutSharedExperts) {
  Config c = tiny_v3();
  c.n_shared_experts = 0;
  check_block(c, 1);
}

// Dropped assignments get neither value nor gradient; the others are as before (V2 §2.2.4).
TEST_F(Layers, MoeBlockWithDroppedTokens) {
  batch.drop = {.capacity = 0.5, .num_devices = 3};
  batch.is_protected.assign(size_t(batch.num_sequences()), 0);
  batch.count_load = true;
  check_block(tiny_v3(), 1);
}

// Padding passes the shared expert alone.
TEST_F(Layers, MoeBlockWithPadding) {
  const std::vector<int32_t> tokens_and_padding{1, 1, 1, 0, 1, 0, 0};
  const Tensor valid(host_memory(), DType::i32, {kTokens});
  ctx.backend->upload(ctx, {.host = tokens_and_padding.data(), .device = valid});
  batch.valid = valid;
  check_block(tiny_v3(), 1);
}

TEST_F(Layers, Ffn) {
  const Config config = tiny_llama();
  WeightStore weights(ctx, config, precision);
  randomise(weights);
  const minke::Ffn ffn(weights, layer_prefix(0));
  const FfnSaved saved = minke::Ffn::lay_out_saved(arena, config.intermediate_size, precision, kTokens);
  const FfnWork work = minke::Ffn::lay_out_work(arena, config.intermediate_size, precision, kTokens);
  const Operand x = take({kTokens, config.hidden_size}), y = take({kTokens, config.hidden_size}),
                dy = take({kTokens, config.hidden_size}), dx = take({kTokens, config.hidden_size});
  check(
      weights, x, y, dy, dx, [&] { ffn.forward(ctx, x, y, saved); },
      [&] {
        ffn.backward_input(ctx, dy, dx, saved, work);
        ffn.backward_weight(ctx, x, dy, saved, work);
      });
}

TEST_F(Layers, RmsNorm) {
  const Config config = tiny_llama();
  WeightStore weights(ctx, config, precision);
  randomise(weights);
  const minke::RmsNorm norm{weights.get("norm"), 1e-6};
  const Operand x = take({kTokens, 12}), y = take({kTokens, 12}), dy = take({kTokens, 12}), dx = take({kTokens, 12}),
                rstd = take({kTokens});
  check(
      weights, x, y, dy, dx, [&] { norm.forward(ctx, x, y, rstd); },
      [&] {
        norm.backward_input(ctx, x, rstd, dy, dx);
        norm.backward_weight(ctx, x, rstd, dy);
      });
}

// The loss has no upstream gradient but the scale: it is the loss that is differentiated.
TEST_F(Layers, LmHead) {
  const Config config = tiny_v3();
  Batch batch;
  WeightStore weights(ctx, config, precision);
  randomise(weights);
  const minke::LmHead head(weights.get("lm_head"), precision);
  const Operand h = take({kTokens, config.hidden_size}), dh = take({kTokens, config.hidden_size}),
                loss = take({kTokens});
  const Tensor targets(host_memory(), DType::i32, {kTokens});
  const std::vector<int32_t> ids{3, 0, -1, 22, 7, 7, 1};
  ctx.backend->upload(ctx, {.host = ids.data(), .device = targets});
  put(h, normals(RngKey{11}.at("h"), h.size()));
  batch.targets = targets;
  head.loss(ctx, h, batch, loss, 0.37, dh);
  EXPECT_EQ(get(loss)[2], 0);
  const auto at = [&](const Operand& changed) {
    return [&, changed](const Values& v) {
      put(changed, v);
      weights.get("lm_head")->changed();
      head.loss(ctx, h, batch, loss);
      double sum = 0;
      for (double l : get(loss)) sum += 0.37 * l;
      return sum;
    };
  };
  const Values h0 = get(h), dh0 = get(dh), w0 = get(weights.get("lm_head")->master()),
               dw0 = get(weights.get("lm_head")->grad());
  EXPECT_TRUE(gradient_matches(at(h), h0, dh0));
  put(h, h0);
  EXPECT_TRUE(gradient_matches(at(weights.get("lm_head")->master()), w0, dw0));
}

// A policy's objective, with all that it can have: the objective is differentiated as the papers write it.
TEST_F(Layers, LmHeadByPolicy) {
  const Config config = tiny_v3();
  WeightStore weights(ctx, config, precision);
  randomise(weights);
  const minke::LmHead head(weights.get("lm_head"), precision);
  const Operand h = take({kTokens, config.hidden_size}), dh = take({kTokens, config.hidden_size}),
                loss = take({kTokens});
  const Tensor targets(host_memory(), DType::i32, {kTokens});
  const std::vector<int32_t> ids{3, 0, -1, 22, 7, 7, 1};
  ctx.backend->upload(ctx, {.host = ids.data(), .device = targets});
  put(h, normals(RngKey{11}.at("h"), h.size()));
  Batch batch;
  batch.targets = targets;
  batch.objective = {.inverse_temperature = 1.25,
                     .policy = PolicyTerms{.clip_low = 0.2, .clip_high = 0.3, .beta = 0.4}};
  batch.weight = take({kTokens}), batch.advantage = take({kTokens}), batch.old_loss = take({kTokens}),
  batch.reference_loss = take({kTokens});
  head.loss(ctx, h, batch, loss);
  const Values now = get(loss), token_weight{1, 0.5, 3, 0.25, 2, 1, 0}, advantage{1, -1, 1, 1.5, -0.5, 0, 2};
  Values old = now, reference = now;
  const double moved[] = {0.1, -0.1, 0, 0.4, -0.3, 0.1, 0.05};  // log ratios: the fourth and the fifth are clipped
  for (size_t i = 0; i < old.size(); ++i) old[i] += moved[i], reference[i] -= 0.5 * moved[i];
  put(batch.weight, token_weight), put(batch.advantage, advantage), put(batch.old_loss, old);
  put(batch.reference_loss, reference);
  const PolicyTerms& terms = *batch.objective.policy;
  head.loss(ctx, h, batch, loss, 0.37, dh);
  EXPECT_TRUE(all_near(get(loss), now, {1e-13, 0}));
  const auto at = [&](const Operand& changed) {
    return [&, changed](const Values& v) {
      put(changed, v);
      weights.get("lm_head")->changed();
      head.loss(ctx, h, batch, loss);
      double sum = 0;
      const Values l = get(loss);
      for (size_t i = 0; i < l.size(); ++i)
        if (ids[i] >= 0) {
          const double ratio = std::exp(old[i] - l[i]);
          const double clipped = std::min(std::max(ratio, 0.8), 1.3);
          const double x = std::exp(l[i] - reference[i]);
          sum += 0.37 * token_weight[i] *
                 (-std::min(ratio * advantage[i], clipped * advantage[i]) + terms.beta * (x - std::log(x) - 1));
        }
      return sum;
    };
  };
  const Values h0 = get(h), dh0 = get(dh), w0 = get(weights.get("lm_head")->master()),
               dw0 = get(weights.get("lm_head")->grad());
  EXPECT_TRUE(gradient_matches(at(h), h0, dh0));
  put(h, h0);
  EXPECT_TRUE(gradient_matches(at(weights.get("lm_head")->master()), w0, dw0));
}

// Without experts' gradients mixed in: the balance loss reaches the router (its kernel is checked by itself in
// tests/kernels), and grad_scale scales it.
TEST_F(Layers, BalanceLossReachesTheRouter) {
  const Config config = tiny_v3();
  WeightStore weights(ctx, config, precision);
  randomise(weights);
  const Router router(config, weights, layer_prefix(1));
  const RouterSaved saved = Router::lay_out_saved(arena, config, precision, kTokens);
  const RouterWork work = Router::lay_out_work(arena, config, precision, kTokens);
  const Operand u = take({kTokens, config.hidden_size}), du = take({kTokens, config.hidden_size}),
                d_weight = take({kTokens, 2}), loss = take({1});
  put(u, normals(RngKey{11}.at("u"), u.size()));
  put(d_weight, Values(14, 0.0));
  batch.balance.terms = {.alpha_expert = 0.5};
  batch.balance_loss = loss;
  batch.balance_grad_scale = 2;
  const auto value = [&](const Values& at) {
    put(u, at);
    router.forward(ctx, batch, u, saved, {});
    put(loss, {0});
    put(du, Values(size_t(du.size()), 0.0));
    router.backward_input(ctx, batch, d_weight, du, saved, work);
    return 2 * get(loss)[0];
  };
  const Values at = get(u);
  EXPECT_GT(value(at), 0.5);
  const Values gradient = get(du);
  EXPECT_TRUE(gradient_matches(value, at, gradient, {.step = 5e-4, .tolerance = 1e-8}));
}

}  // namespace
}  // namespace minke
