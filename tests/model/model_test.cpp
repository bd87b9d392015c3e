// The whole model on the reference backend in f64: its gradients against central differences, for every kind of layer;
// the phases one by one against plain forward and backward, bitwise; the poison backend.
#include "model/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "support/gradcheck.h"
#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"
#include "support/weight_gradients.h"

namespace minke {
namespace {

using namespace test;

template <class T> std::vector<T> host_copy(const Context& ctx, const Operand& o) {
  std::vector<T> host(size_t(o.size()));
  ctx.backend->download(ctx, {.device = o, .host = host.data()});
  return host;
}

// A model with random weights, a batch of two sequences and state for it.
struct Rig {
  const Context& ctx;
  Model model;
  int64_t b = 2, t = 6;
  std::vector<int32_t> tokens, targets;
  std::vector<double> upstream;  // random weights of the losses
  BatchBuffers buffers;
  std::vector<int64_t> num_tokens;
  Arena arena;
  ModelSaved saved;

  Rig(const Context& context, const Config& config, const Precision& precision,
      std::vector<int32_t> document_start = {}, Recompute recompute = {})
      : ctx(context),
        model(context, config, precision, 64),
        tokens(random_tokens(7, b * t, config.vocab_size)),
        targets(random_tokens(8, b * t, config.vocab_size)),
        buffers(context, b * t, config.num_nextn_predict_layers),
        num_tokens(Model::tokens_per_batch(config, b, t, true)),
        arena(context.backend->memory(), (model.set_recompute(recompute), bytes(model, num_tokens))),
        saved(model.lay_out_saved(arena, num_tokens, true)) {
    targets[2] = -1;
    model.weights().initialise(ctx, 0.4);
    // Norm gains away from 1 and router biases away from 0, or their gradients and effects would hide.
    for (Weight& w : model.weights().all())
      if (w.storage().init != Init::normal) {
        ctx.backend->fill_normal(ctx, {.dst = w.master(), .key = RngKey{5}.at(w.storage().name), .stddev = 0.3});
        if (w.storage().init == Init::ones) {
          const Tensor one(ctx.backend->memory(), w.master().dtype, {w.master().size()});
          ctx.backend->fill(ctx, {.dst = one, .value = 1});
          ctx.backend->add(ctx, {.x = one, .y = w.master()});
          ctx.backend->synchronize(ctx);
        }
        w.changed();
      }
    model.weights().with_gradients(ctx);
    buffers.fill(ctx, tokens, targets, b, t, document_start);
  }
  void drop_out(double rate) {
    for (Batch& batch : buffers.batches())
      batch.dropout = {.rate = rate, .key = RngKey{9}.at("dropout"), .first_row = 2 * batch.num_tokens};
  }
  static size_t bytes(const Model& model, std::span<const int64_t> n) {
    Arena measure;
    model.lay_out_saved(measure, n, true);
    return measure.high_water();
  }
  // main/n + Σ λ_k mtp_k/n_k with fixed scales.
  LossScales scales() const {
    LossScales s{.main = 1.0 / 11, .mtp = {}};
    for (int64_t k = 1; k <= model.config().num_nextn_predict_layers; ++k) s.mtp.push_back(0.07 * double(k));
    return s;
  }
  double loss() {
    model.forward(ctx, buffers.batches(), saved);
    model.loss(ctx, buffers.batches(), saved);
    const LossScales s = scales();
    double sum = 0;
    for (double v : host_copy<double>(ctx, saved.loss)) sum += s.main * v;
    for (size_t k = 0; k < saved.mtp.size(); ++k)
      for (double v : host_copy<double>(ctx, saved.mtp[k].loss)) sum += s.mtp[k] * v;
    return sum;
  }
  void gradients() {
    for (Weight& w : model.weights().all())
      if (w.grad()) ctx.backend->fill(ctx, {.dst = w.grad(), .value = 0});
    model.forward(ctx, buffers.batches(), saved);
    model.loss_and_backward(ctx, buffers.batches(), saved, scales());
  }
};

void check_all_gradients(const Config& config, std::vector<int32_t> document_start = {}, double dropout = 0) {
  const TestContext ctx;
  Rig rig(ctx, config, Precision::f64(), std::move(document_start));
  rig.drop_out(dropout);
  rig.gradients();
  expect_weight_gradients(ctx, rig.model, [&] { return rig.loss(); });
}

TEST(Model, GradientsV3) { check_all_gradients(tiny_v3()); }
TEST(Model, GradientsV3WithTwoMtpModules) { check_all_gradients(tiny_v3(2)); }
TEST(Model, GradientsV2) { check_all_gradients(tiny_v2()); }
TEST(Model, GradientsLlama) { check_all_gradients(tiny_llama()); }
TEST(Model, GradientsQwen2Biases) { check_all_gradients(tiny_llama(true)); }
TEST(Model, GradientsQwen3Norms) { check_all_gradients(tiny_llama(false, true)); }
TEST(Model, GradientsGqaOverMoe) {
  Config c = tiny_v3();
  c.attention = AttentionKind::gqa;
  c.num_key_value_heads = 1;
  c.head_dim = 4;
  check_all_gradients(c);
}
TEST(Model, GradientsWithDocumentMask) { check_all_gradients(tiny_v3(), {0, 0, 2, 2, 2, 5, 0, 0, 0, 0, 4, 4}); }

TEST(Model, GradientsWithDropoutV3) { check_all_gradients(tiny_v3(2), {}, 0.3); }
TEST(Model, GradientsWithDropoutLlama) { check_all_gradients(tiny_llama(), {}, 0.3); }
TEST(Model, GradientsWithDropoutAndNoSharedExperts) {
  Config c = tiny_v3();
  c.n_shared_experts = 0;
  check_all_gradients(c, {}, 0.3);
}

// Every place draws for itself: no two of the layers, nor attention and FFN of one, nor the depths, have one mask.
TEST(Model, DropoutOfEveryPlaceIsItsOwn) {
  const TestContext ctx;
  Rig rig(ctx, tiny_v3(1), Precision::f64());
  rig.drop_out(0.3);
  const Batch& batch = rig.buffers.batches()[0];
  std::set<Values> seen;
  for (const char* place : {"embedding", "attention", "ffn"})
    for (int64_t layer : {0, 1, 2, 3}) {
      const Tensor x(ctx.context().backend->memory(), DType::f64, {12, 10});
      ctx.backend().fill(ctx, {.dst = x, .value = 1});
      dropout(ctx, batch, place, layer, x);
      seen.insert(host_copy<double>(ctx, x));
    }
  EXPECT_EQ(seen.size(), 12u);
  // The forward does what these say: x of the first block is the embedding under its mask.
  rig.model.forward(ctx, rig.buffers.batches(), rig.saved);
  const Tensor x(ctx.context().backend->memory(), DType::f64, {12, 10});
  ctx.backend().gather(ctx,
                       {.src = rig.model.weights().get("embed_tokens")->master(), .index = batch.tokens, .dst = x});
  dropout(ctx, batch, "embedding", 0, x);
  EXPECT_EQ(host_copy<double>(ctx, rig.saved.blocks[0].x), host_copy<double>(ctx, x));
}

TEST(Model, DocumentMaskHidesEarlierDocuments) {
  const TestContext ctx;
  Rig rig(ctx, tiny_v3(), Precision::f64(), {0, 0, 0, 3, 3, 3, 0, 0, 0, 0, 0, 0});
  rig.model.forward(ctx, rig.buffers.batches(), rig.saved);
  const auto before = host_copy<double>(ctx, rig.saved.h);
  rig.tokens[1] = (rig.tokens[1] + 1) % 23;
  rig.buffers.fill(ctx, rig.tokens, rig.targets, 2, 6, std::vector<int32_t>{0, 0, 0, 3, 3, 3, 0, 0, 0, 0, 0, 0});
  rig.model.forward(ctx, rig.buffers.batches(), rig.saved);
  const auto after = host_copy<double>(ctx, rig.saved.h);
  for (int64_t token = 0; token < 12; ++token) {
    const bool may_change = token == 1 || token == 2;
    bool changed = false;
    for (int64_t d = 0; d < 10; ++d) changed |= before[token * 10 + d] != after[token * 10 + d];
    EXPECT_EQ(changed, may_change) << "token " << token;
  }
}

// docs/recipe/architecture.md §9, check 9: P^1 at i depends on tok[i+1], not on tok[i+2].
TEST(Model, MtpSeesExactlyOneTokenAhead) {
  const TestContext ctx;
  Rig rig(ctx, tiny_v3(1), Precision::f64());
  rig.model.forward(ctx, rig.buffers.batches(), rig.saved);
  const auto before = host_copy<double>(ctx, rig.saved.mtp[0].h);
  rig.tokens[3] = (rig.tokens[3] + 1) % 23;
  rig.buffers.fill(ctx, rig.tokens, rig.targets, 2, 6);
  rig.model.forward(ctx, rig.buffers.batches(), rig.saved);
  const auto after = host_copy<double>(ctx, rig.saved.mtp[0].h);
  for (int64_t i = 0; i < 5; ++i) {
    bool changed = false;
    for (int64_t d = 0; d < 10; ++d) changed |= before[i * 10 + d] != after[i * 10 + d];
    EXPECT_EQ(changed, i >= 2) << "position " << i;
  }
}

// Recomputing parts of the blocks in the backward takes less memory and gives the same bits.
TEST(Model, RecomputeGivesTheSameBits) {
  const TestContext ctx;
  for (const Config& config : {tiny_v3(1), tiny_llama(), tiny_v2()}) {
    Rig plain(ctx, config, Precision::f32());
    plain.drop_out(0.3);  // drawn again too
    plain.gradients();
    for (const Recompute what : {Recompute{true, false}, Recompute{false, true}, Recompute{true, true}}) {
      Rig rig(ctx, config, Precision::f32(), {}, what);
      rig.drop_out(0.3);
      rig.gradients();
      EXPECT_LT(rig.arena.capacity(), plain.arena.capacity());
      for (size_t i = 0; i < plain.model.weights().all().size(); ++i) {
        const Weight &a = plain.model.weights().all()[i], &b = rig.model.weights().all()[i];
        if (!a.grad()) continue;
        EXPECT_EQ(host_copy<float>(ctx, a.grad()), host_copy<float>(ctx, b.grad())) << a.storage().name;
      }
    }
  }
}

// The components run one by one, with the weight step of a block only after all input steps, as a pipeline would.
TEST(Model, ComponentsOneByOneEqualPlainBitwise) {
  const TestContext ctx;
  for (const Config& config : {tiny_v3(), tiny_llama()}) {
    Rig rig(ctx, config, Precision::f64());
    rig.drop_out(0.3);
    rig.gradients();
    std::vector<std::vector<double>> plain;
    for (const Weight& w : rig.model.weights().all())
      if (w.grad()) plain.push_back(host_copy<double>(ctx, w.grad()));
    const auto plain_loss = host_copy<double>(ctx, rig.saved.loss);

    const Context& c = ctx;
    const Batch& batch = rig.buffers.batches()[0];
    const auto& blocks = rig.model.blocks();
    const Precision& p = rig.model.precision();
    for (Weight& w : rig.model.weights().all())
      if (w.grad()) ctx.backend().fill(ctx, {.dst = w.grad(), .value = 0});
    Weight* embedding = rig.model.weights().get("embed_tokens");
    c.backend->gather(c, {.src = embedding->master(), .index = batch.tokens, .dst = rig.saved.blocks[0].x});
    dropout(c, batch, "embedding", 0, rig.saved.blocks[0].x);
    for (size_t l = 0; l < blocks.size(); ++l) {
      const ArenaScope scope(*c.scratch);
      const BlockWork w = blocks[l].lay_out_work(*c.scratch, p, batch.num_tokens);
      const BlockSaved& s = rig.saved.blocks[l];
      blocks[l].attention_forward(c, batch, s, w);
      blocks[l].dispatch_forward(c, s);
      blocks[l].experts_forward(c, s, w);
      blocks[l].combine_forward(c, s, w);
      blocks[l].finish_forward(c, batch, l + 1 < blocks.size() ? rig.saved.blocks[l + 1].x : rig.saved.x_final, s, w);
    }
    const RmsNorm final_norm{rig.model.weights().get("norm"), config.rms_norm_eps};
    final_norm.forward(c, rig.saved.x_final, rig.saved.h, rig.saved.rstd_final);
    rig.model.head().loss(c, rig.saved.h, batch, rig.saved.loss, rig.scales().main, rig.saved.dh);
    const ArenaScope scope(*c.scratch);
    const Operand dx = c.scratch->take(DType::f64, {batch.num_tokens, config.hidden_size});
    final_norm.backward_input(c, rig.saved.x_final, rig.saved.rstd_final, rig.saved.dh, dx);
    final_norm.backward_weight(c, rig.saved.x_final, rig.saved.rstd_final, rig.saved.dh);
    std::vector<BlockWork> works;
    for (size_t l = blocks.size(); l-- > 0;) {
      const BlockSaved& s = rig.saved.blocks[l];
      works.insert(works.begin(), blocks[l].lay_out_work(*c.scratch, p, batch.num_tokens));
      blocks[l].combine_backward(c, batch, dx, s, works[0]);
      blocks[l].experts_backward_input(c, s, works[0]);
      blocks[l].dispatch_backward(c, s, works[0]);
      blocks[l].attention_backward_input(c, batch, dx, s, works[0]);
    }
    for (size_t l = 0; l < blocks.size(); ++l) {  // W last, and in another order
      blocks[l].experts_backward_weight(c, rig.saved.blocks[l], works[l]);
      blocks[l].attention_backward_weight(c, rig.saved.blocks[l], works[l]);
    }
    dropout(c, batch, "embedding", 0, dx);
    c.backend->scatter_add(c, {.src = dx, .index = batch.tokens, .dst = embedding->grad()});

    EXPECT_EQ(host_copy<double>(ctx, rig.saved.loss), plain_loss);
    size_t i = 0;
    for (const Weight& w : rig.model.weights().all())
      if (w.grad()) {
        EXPECT_EQ(host_copy<double>(ctx, w.grad()), plain[i++]) << w.storage().name;
      }
  }
}

// Device memory cannot be read outside kernels: had the model dereferenced a tensor, this would crash.
TEST(Model, RunsOnThePoisonBackend) {
  for (const Config& config : {tiny_v3(1), tiny_v2(), tiny_llama(false, true)}) {
    const TestContext plain;
    Rig expected(plain, config, Precision::f64());
    expected.gradients();
    PoisonBackend poison(reference_backend());
    const TestContext ctx(poison);
    Rig rig(ctx, config, Precision::f64());
    rig.gradients();
    EXPECT_EQ(host_copy<double>(ctx, rig.saved.loss), host_copy<double>(plain, expected.saved.loss));
    auto w = expected.model.weights().all().begin();
    for (const Weight& poisoned : rig.model.weights().all()) {
      if (w->grad()) {
        EXPECT_EQ(host_copy<double>(ctx, poisoned.grad()), host_copy<double>(plain, w->grad()));
      }
      ++w;
    }
  }
}

// Replaying the chosen experts gives the same bits; replaying others changes the output.
TEST(Model, ReplayedRoutes) {
  const TestContext ctx;
  Rig rig(ctx, tiny_v3(), Precision::f64());
  rig.model.forward(ctx, rig.buffers.batches(), rig.saved);
  const auto chosen = host_copy<double>(ctx, rig.saved.h);
  std::vector<Tensor> routes;
  Batch batch = rig.buffers.batches()[0];
  for (int64_t l = 0; l < 3; ++l) {
    routes.emplace_back(ctx.context().backend->memory(), DType::i32, std::initializer_list<int64_t>{12, 2});
    if (l > 0) ctx.backend().copy(ctx, {.src = rig.saved.blocks[l].moe.router.expert, .dst = routes.back()});
    batch.replay_experts.push_back(routes.back());
  }
  const Tensor flips(ctx.context().backend->memory(), DType::i32, {12});
  const auto flipped = [&] {
    ctx.backend().fill(ctx, {.dst = flips, .value = 0});
    rig.model.forward(ctx, {batch}, rig.saved);
    std::vector<int32_t> host(12);
    ctx.backend().download(ctx, {.device = flips, .host = host.data()});
    return std::accumulate(host.begin(), host.end(), 0);
  };
  batch.flips = flips;
  EXPECT_EQ(flipped(), 0);
  EXPECT_EQ(host_copy<double>(ctx, rig.saved.h), chosen);
  std::vector<int32_t> other(24);
  for (size_t i = 0; i < other.size(); ++i) other[i] = int32_t(i % 2 == 0 ? 0 : 3);
  ctx.backend().upload(ctx, {.host = other.data(), .device = routes[1]});
  EXPECT_GT(flipped(), 0);
  EXPECT_NE(host_copy<double>(ctx, rig.saved.h), chosen);
}

// A measuring arena needs exactly what the real one takes.
TEST(Model, DeclaresItsBytes) {
  const TestContext ctx;
  Rig rig(ctx, tiny_v3(1), Precision::f32());
  EXPECT_EQ(rig.arena.bytes_used(), Rig::bytes(rig.model, rig.num_tokens));
  EXPECT_GT(rig.arena.bytes_used(), size_t(0));
}

// Everything but one op in one format.
class WithoutHalfNorms final : public WrappingBackend {
 public:
  explicit WithoutHalfNorms(Backend& inner) : WrappingBackend("picky", inner) {}
#define MINKE_FORWARD_OP(op, Args) \
  void op(const Context& ctx, const Args& args) override { inner_.op(inner_context(ctx), args); }
  MINKE_OPS(MINKE_FORWARD_OP)
#undef MINKE_FORWARD_OP
  bool supports(Op op, const OperandRule& rule, const Operand& o) const override {
    return inner_.supports(op, rule, o) && !(op == Op::rms_norm_backward && o.dtype == DType::bf16);
  }
};

// What a backend lacks is said when the model is built, with op, operand, dtype and shape; not in the middle of a step.
TEST(Model, IsRefusedByABackendThatLacksAnOp) {
  WithoutHalfNorms backend(reference_backend());
  const TestContext ctx(backend);
  const auto message = [&](const Precision& precision) {
    try {
      Model(ctx, tiny_v3(1), precision, 16);
    } catch (const UserError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(message(Precision::f32()), "");
  const std::string refused = message(Precision::bf16());
  EXPECT_NE(refused.find("picky"), std::string::npos) << refused;
  EXPECT_NE(refused.find("rms_norm_backward with "), std::string::npos) << refused;
  EXPECT_NE(refused.find("bf16 [4,"), std::string::npos) << refused;
  const TestContext cpu(cpu_backend());
  EXPECT_THROW(Model(cpu, tiny_v3(0), Precision::f64(), 16), UserError);
}

}  // namespace
}  // namespace minke
