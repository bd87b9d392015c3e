// The timed backend computes what the one inside it does, to the bit, books every op, and tells products apart.
#include "bench/timed_backend.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "support/random.h"
#include "support/tiny.h"
#include "train/trainer.h"

namespace minke {
namespace {

using namespace test;

struct TinyRun {
  Model model;
  Trainer trainer;
  explicit TinyRun(const Context& ctx)
      : model(ctx, tiny_v3(1), Precision::bf16(), 16),
        trainer((model.weights().initialise(ctx, 0.1), ctx), model, {},
                std::make_unique<PlainExecutor>(ctx, model, 2, 8)) {}
  StepReport step(const Context& ctx) {
    TokenBatch batch{.num_sequences = 2, .sequence_length = 8};
    batch.tokens = batch.targets = random_tokens(3, 16, 23);
    return trainer.step(ctx, {&batch, 1});
  }
};

TEST(TimedBackend, StepsAreTheSameToTheBit) {
  TimedBackend timed(cpu_backend(), {.vocabulary = 23, .experts = 6});
  const TestContext plain(cpu_backend()), ctx(timed);
  TinyRun a(plain), b(ctx);
  for (int i = 0; i < 3; ++i) {
    const StepReport x = a.step(plain), y = b.step(ctx);
    EXPECT_EQ(x.loss, y.loss);
    EXPECT_EQ(x.grad_norm, y.grad_norm);
  }
}

TEST(TimedBackend, BooksEveryKindOfWorkOfAStep) {
  TimedBackend timed(cpu_backend(), {.vocabulary = 23, .experts = 6});
  const TestContext ctx(timed);
  TinyRun run(ctx);
  timed.clear();
  run.step(ctx);
  const auto at = [&](Work w) { return timed.bookings()[size_t(w)]; };
  for (int i = 0; i < kNumWorks; ++i) {
    EXPECT_GT(timed.bookings()[size_t(i)].calls, 0) << name_of(Work(i));
    EXPECT_GE(timed.bookings()[size_t(i)].seconds, 0);
  }
  // tiny_v3(1): 16 tokens, 14 for the MTP module; two MoE layers and the module's, top 2, d 10, F 6.
  const double rows = 2 * (16 + 16 + 14), expert = rows * 3 * 10 * 6 * 2;
  EXPECT_EQ(at(Work::experts_forward).calls, 6);
  EXPECT_EQ(at(Work::experts_forward).flops, expert);
  EXPECT_EQ(at(Work::experts_dx).flops, expert);
  EXPECT_EQ(at(Work::experts_dw).flops, expert);
  const double head = (16 + 14) * 23 * 10 * 2;
  EXPECT_EQ(at(Work::head_forward).flops, head);
  EXPECT_EQ(at(Work::head_dx).flops, head);
  EXPECT_EQ(at(Work::head_dw).flops, head);
  EXPECT_EQ(at(Work::projections_dx).flops, at(Work::projections_forward).flops);
  EXPECT_EQ(at(Work::projections_dw).flops, at(Work::projections_forward).flops);
  // Sequences of 8, of 7 in the module; 2 heads, 7 and 5 wide.
  const double pairs = 2 * 2 * (3 * 36 + 28);
  EXPECT_EQ(at(Work::attention_forward).flops, pairs * 2 * (7 + 5));
  EXPECT_EQ(at(Work::attention_backward).flops, pairs * 2 * (3 * 7 + 2 * 5));
  timed.clear();
  EXPECT_EQ(at(Work::norms).calls, 0);
}

TEST(TimedBackend, ADirectionIsThatOfTheWeightPackedOrNot) {
  TimedBackend timed(reference_backend(), {});
  const TestContext ctx(timed);
  const Tensor w(timed.memory(), DType::f32, {3, 4}), x(timed.memory(), DType::f32, {5, 4}),
      y(timed.memory(), DType::f32, {5, 3}), memory(timed.memory(), DType::u8, {1024});
  const auto packed = [&](const Operand& b) {
    Operand p = Operand::of(memory.operand().data, DType::f32, {b.shape[0], b.shape[1]});
    p.packing = Packing::panels;
    timed.pack_weight(ctx, {.b = b, .packed = p, .compute = DType::f32});
    return p;
  };
  const Operand forward = w.operand().transposed(), back = w;
  const auto booked_as = [&](Work work, const GemmArgs& args) {
    timed.clear();
    timed.gemm(ctx, args);
    return timed.bookings()[size_t(work)].calls == 1;
  };
  for (const bool pack : {false, true}) {
    SCOPED_TRACE(pack ? "packed" : "plain");
    EXPECT_TRUE(booked_as(Work::projections_forward, {.a = x, .b = pack ? packed(forward) : forward, .c = y}));
    EXPECT_TRUE(booked_as(Work::projections_dx, {.a = y, .b = pack ? packed(back) : back, .c = x, .accumulate = true}));
    EXPECT_TRUE(booked_as(Work::projections_dw, {.a = y.operand().transposed(), .b = x, .c = w, .accumulate = true}));
  }
}

TEST(TimedBackend, NamesAreDistinct) {
  std::set<std::string> names;
  for (int i = 0; i < kNumWorks; ++i) names.insert(name_of(Work(i)));
  EXPECT_EQ(names.size(), size_t(kNumWorks));
}

}  // namespace
}  // namespace minke
