// What a backend says it supports, against what it does: every operand of every op in every format and layout. And a dry
// run: it refuses what the backend behind it does not support, and computes nothing.
#include <gtest/gtest.h>

#include <deque>
#include <initializer_list>
#include <set>

#include "core/latent_row.h"
#include "kernels/dry_run.h"
#include "support/random.h"

namespace minke::test {
namespace {

constexpr int64_t kN = 4;  // of every size: so that all shapes fit

class Supports : public ::testing::Test {
 protected:
  // Zeros, with room for the widest format and a stride of 2 in the last axis.
  Operand operand(DType dtype, std::initializer_list<int64_t> shape) {
    Operand o = Operand::of(nullptr, dtype, shape);
    storage_.emplace_back(host_memory(), DType::u8, std::initializer_list<int64_t>{o.size() * 16 + 64});
    o.data = storage_.back().operand().data;
    return o;
  }
  Operand f(std::initializer_list<int64_t> shape) { return operand(DType::f32, shape); }
  Operand index(std::initializer_list<int64_t> shape) { return operand(DType::i32, shape); }
  Operand index_of(std::initializer_list<int32_t> values) {
    const Operand o = index({int64_t(values.size())});
    std::copy(values.begin(), values.end(), static_cast<int32_t*>(o.data));
    return o;
  }

  // Changes the operand of that number, and tells whether the backend supports it as it is then.
  template <class Args, class Change> bool change(Backend& backend, Args& args, int number, Change change_operand) {
    bool supported = true;
    int at = 0;
    for_each_operand(args, [&](const Operand& o, const OperandRule& rule) {
      if (at++ == number) {
        touched_ = const_cast<Operand*>(&o), before_ = o;
        change_operand(*touched_);
        supported = backend.supports(op_of(args), rule, o);
        name_ = fmt::format("{} of {} as {}{}", rule.name, name_of_op(args), name_of(o.dtype),
                            o.is_contiguous() ? "" : ", strided");
      }
    });
    return supported;
  }
  template <class Args, class Run>
  void expect_agreement(const TestContext& ctx, const Args& args, Run run, bool refusals_too) {
    int count = 0;
    for_each_operand(args, [&](const Operand&, const OperandRule&) { ++count; });
    const auto works = [&](const Args& changed) {
      try {
        run(ctx.backend(), ctx.context(), changed);
        return true;
      } catch (const BugError&) {
        return false;
      }
    };
    const auto expect = [&](Args& changed, bool supported) {
      if (supported || refusals_too) {
        EXPECT_EQ(works(changed), supported) << name_;
      }
      *touched_ = before_;  // in an array of tensors, which the copy shares
    };
    ASSERT_TRUE(works(args)) << name_of_op(args) << " as it is";
    asked_.insert(name_of_op(args));
    for (int i = 0; i < count; ++i) {
      for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::i32}) {
        Args changed = args;
        const bool supported = change(ctx.backend(), changed, i, [&](Operand& o) { o.dtype = dtype; });
        expect(changed, supported);
      }
      Args changed = args;
      const bool supported =
          change(ctx.backend(), changed, i, [](Operand& o) { o.stride[size_t(o.rank) - 1] *= o.size() > 1 ? 2 : 1; });
      expect(changed, supported);
    }
  }

  void expect_agreement_of_all(Backend& backend, bool refusals_too) {
    const TestContext ctx(backend);
    static const int64_t sequence[] = {0, kN};
    static const uint8_t unprotected[] = {0};
#define MINKE_AGREE(op, ...) \
  expect_agreement(          \
      ctx, __VA_ARGS__, [](Backend& b, const Context& c, const auto& args) { b.op(c, args); }, refusals_too)
    const auto matrix = [&] { return f({kN, kN}); };
    const auto heads = [&] { return f({kN, 2, kN}); };
    MINKE_AGREE(gemm, GemmArgs{.a = matrix(), .b = matrix(), .c = matrix(), .offsets = {}});
    MINKE_AGREE(rms_norm, RmsNormArgs{matrix(), f({kN}), matrix(), f({kN})});
    MINKE_AGREE(rms_norm_backward, RmsNormBackwardArgs{matrix(), f({kN}), f({kN}), matrix(), matrix()});
    MINKE_AGREE(rms_norm_gain, RmsNormGainArgs{matrix(), f({kN}), matrix(), f({kN})});
    MINKE_AGREE(rope, RopeArgs{heads(), index({kN}), matrix()});
    MINKE_AGREE(swiglu, SwigluArgs{f({kN, 2 * kN}), matrix(), f({kN}), index({1})});
    MINKE_AGREE(swiglu_backward,
                SwigluBackwardArgs{f({kN, 2 * kN}), f({kN}), matrix(), f({kN, 2 * kN}), f({kN}), index({1})});
    const AttentionArgs attention{.q = f({kN, 2, 2 * kN}),
                                  .k = heads(),
                                  .k_rope = matrix(),
                                  .v = heads(),
                                  .out = heads(),
                                  .lse = f({kN, 2}),
                                  .sequence_offsets = sequence,
                                  .num_sequences = 1,
                                  .first_visible = index({kN})};
    MINKE_AGREE(attention, attention);
    MINKE_AGREE(attention_backward,
                AttentionBackwardArgs{attention, heads(), f({kN, 2, 2 * kN}), heads(), matrix(), heads()});
    MINKE_AGREE(cached_attention, CachedAttentionArgs{.q = heads(),
                                                      .k = heads(),
                                                      .v = heads(),
                                                      .out = heads(),
                                                      .row_offsets = index_of({0, kN}),
                                                      .length = index_of({kN}),
                                                      .block_table = index({1, kN}),
                                                      .page = 2,
                                                      .max_length = kN});
    const auto latents = [&] { return operand(DType::u8, {kN, LatentRow{kN, kN}.bytes()}); };
    MINKE_AGREE(store_latents, StoreLatentsArgs{matrix(), matrix(), index({kN}), latents()});
    MINKE_AGREE(load_latents, LoadLatentsArgs{latents(), index({kN}), matrix(), matrix()});
    MINKE_AGREE(scatter, ScatterArgs{matrix(), index({kN}), matrix()});
    const RouteArgs route{.logits = matrix(),
                          .bias = f({kN}),
                          .affinity = matrix(),
                          .expert = index({kN, 2}),
                          .weight = f({kN, 2}),
                          .valid = index({kN})};
    MINKE_AGREE(route, route);
    RouteArgs routed = route;
    routed.logits = routed.bias = routed.valid = {};
    MINKE_AGREE(route_backward, RouteBackwardArgs{routed, f({kN, 2}), matrix(), matrix()});
    MINKE_AGREE(balance, BalanceArgs{.affinity = matrix(),
                                     .expert = index({kN, 2}),
                                     .d_affinity = matrix(),
                                     .loss = f({1}),
                                     .valid = index({kN}),
                                     .sequence_offsets = sequence,
                                     .num_sequences = 1,
                                     .terms = {.alpha_expert = 1}});
    MINKE_AGREE(drop_tokens, DropTokensArgs{.affinity = matrix(),
                                            .expert = index({kN, 2}),
                                            .kept = index({kN, 2}),
                                            .load = index({kN}),
                                            .dropped = index({1}),
                                            .sequence_offsets = sequence,
                                            .is_protected = unprotected,
                                            .num_sequences = 1});
    MINKE_AGREE(permute_plan,
                PermutePlanArgs{index({kN, 2}), index({kN + 1}), index({2 * kN}), index({2 * kN}), index({kN})});
    MINKE_AGREE(gather, GatherArgs{.src = matrix(), .index = index({kN}), .dst = matrix(), .num_rows = index({1})});
    MINKE_AGREE(combine, CombineArgs{matrix(), index({2 * kN}), matrix()});
    MINKE_AGREE(bias_update, BiasUpdateArgs{f({kN}), index({kN})});
    MINKE_AGREE(scatter_add, ScatterAddArgs{matrix(), index({kN}), matrix()});
    MINKE_AGREE(cross_entropy,
                CrossEntropyArgs{
                    .logits = matrix(), .target = index({kN}), .loss = f({kN}), .weight = f({kN}), .entropy = f({kN})});
    MINKE_AGREE(soft_cross_entropy, SoftCrossEntropyArgs{.logits = matrix(),
                                                         .target = index({kN}),
                                                         .soft_token = index({kN, 1}),
                                                         .probability = f({kN, 1}),
                                                         .loss = f({kN}),
                                                         .weight = f({kN})});
    MINKE_AGREE(policy_weight, PolicyWeightArgs{.loss = f({kN}),
                                                .token_weight = f({kN}),
                                                .advantage = f({kN}),
                                                .old_loss = f({kN}),
                                                .reference_loss = f({kN}),
                                                .terms = {},
                                                .weight = f({kN})});
    MINKE_AGREE(value_loss, ValueLossArgs{.value = f({kN}),
                                          .target = index({kN}),
                                          .value_target = f({kN}),
                                          .weight = f({kN}),
                                          .loss = f({kN}),
                                          .gradient = f({kN})});
    MINKE_AGREE(
        pair_loss,
        PairLossArgs{
            .value = f({kN}), .target = index({kN}), .rival = index({kN}), .loss = f({kN}), .gradient = f({kN})});
    MINKE_AGREE(add, AddArgs{matrix(), matrix()});
    MINKE_AGREE(copy, CopyArgs{matrix(), matrix()});
    MINKE_AGREE(fill, FillArgs{matrix()});
    MINKE_AGREE(fill_normal, FillNormalArgs{matrix(), {}});
    MINKE_AGREE(dropout, DropoutArgs{.x = matrix(), .rate = 0.5});
    MINKE_AGREE(bias_grad, BiasGradArgs{matrix(), f({kN})});
    MINKE_AGREE(add_bias, AddBiasArgs{matrix(), f({kN})});
    AdamTensor tensor{f({kN}), f({kN}), f({kN}), f({kN})};
    MINKE_AGREE(adamw, AdamWArgs{.tensors = &tensor, .num_tensors = 1});
    MINKE_AGREE(ema, EmaArgs{f({kN}), f({kN})});
    const Operand summed = f({kN});
    MINKE_AGREE(sum_squares, SumSquaresArgs{&summed, 1, operand(DType::f64, {1})});
#undef MINKE_AGREE
    // An op that is added to the list needs a line above. Those whose operands are host arrays, or packed, are not asked here.
    std::set<std::string> missing;
#define MINKE_NAME(op, Args) missing.insert(#op);
    MINKE_OPS(MINKE_NAME)
#undef MINKE_NAME
    for (const std::string& name : asked_) missing.erase(name);
    EXPECT_EQ(missing, (std::set<std::string>{"download", "pack_weight", "upload"}));
  }

 private:
  std::deque<Tensor> storage_;
  std::set<std::string> asked_;
  Operand* touched_ = nullptr;
  Operand before_;
  std::string name_;
};

TEST_F(Supports, TheCpuBackendDoesWhatItSaysAndNothingElse) {
  for (const std::string& isa : available_isas()) {
    SCOPED_TRACE(isa);
    expect_agreement_of_all(cpu_backend(isa), true);
  }
}

// It takes more layouts than ops.h allows.
TEST_F(Supports, TheReferenceDoesWhatItSays) { expect_agreement_of_all(reference_backend(), false); }

TEST_F(Supports, FormatsOfProducts) {
  EXPECT_TRUE(cpu_backend().computes_in(Op::gemm, DType::bf16));
  EXPECT_FALSE(cpu_backend().computes_in(Op::gemm, DType::f64));
  EXPECT_TRUE(reference_backend().computes_in(Op::gemm, DType::f64));
}

TEST_F(Supports, ADryRunRefusesByName) {
  const TestContext real(cpu_backend());
  DryRun dry(real);
  const auto message = [&](auto run) {
    try {
      run();
    } catch (const UserError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  const std::string wide = message([&] { dry.add(dry.ctx(), {f({3, 5}), operand(DType::f64, {3, 5})}); });
  EXPECT_NE(wide.find("add with y as f64 [3,5]"), std::string::npos) << wide;
  EXPECT_NE(wide.find(cpu_backend().name()), std::string::npos) << wide;
  const std::string product = message([&] {
    dry.gemm(dry.ctx(), {.a = f({2, 2}), .b = f({2, 2}), .c = f({2, 2}), .compute = DType::f64, .offsets = {}});
  });
  EXPECT_NE(product.find("gemm with products in f64"), std::string::npos) << product;
}

// Sizes that the cpu backend's code has no room for: said by the dry run, when a model is built, and not in a step.
TEST_F(Supports, ADryRunRefusesSizesBeyondTheBackends) {
  const TestContext real(cpu_backend());
  DryRun dry(real);
  const auto route = [&](int64_t experts) {
    dry.route(dry.ctx(), {.logits = f({2, experts}),
                          .bias = {},
                          .affinity = f({2, experts}),
                          .expert = index({2, 2}),
                          .weight = f({2, 2}),
                          .valid = {}});
  };
  const auto rope = [&](int64_t width) {
    dry.rope(dry.ctx(), {.x = f({2, 1, width}), .positions = index({2}), .table = f({2, width})});
  };
  EXPECT_NO_THROW(route(1024));
  EXPECT_NO_THROW(rope(1024));
  EXPECT_THROW(route(1025), UserError);
  EXPECT_THROW(rope(1026), UserError);
}

TEST_F(Supports, ADryRunTakesNothingAndCounts) {
  const TestContext real(cpu_backend());
  DryRun dry(real);
  {
    const Tensor x(dry.memory(), DType::f32, {1 << 20}), y(dry.memory(), DType::f32, {10});
    EXPECT_EQ(dry.counted().bytes(), (size_t(4) << 20) + 64);
    dry.fill(dry.ctx(), {x, 1.0});
    std::vector<float> host(10, 7);
    dry.download(dry.ctx(), {y, host.data()});
    EXPECT_EQ(host, std::vector<float>(10, 0));
    const GemmArgs product{.a = x.operand().split(0, 1 << 10),
                           .b = x.operand().split(0, 1 << 10),
                           .c = x.operand().split(0, 1 << 10),
                           .offsets = {}};
    dry.gemm(dry.ctx(), product);
    EXPECT_EQ(dry.scratch_bytes(), cpu_backend().scratch_of(product, 1));
    EXPECT_GT(dry.scratch_bytes(), 0u);
  }
  EXPECT_EQ(dry.counted().bytes(), 0u);
  EXPECT_EQ(dry.counted().most_bytes(), (size_t(4) << 20) + 64);
}

}  // namespace
}  // namespace minke::test
