// What speculation counts of steps, when --spec auto checks drafts, by made-up steps and times; and what drafts can gain at most.
#include <gtest/gtest.h>

#include <cmath>

#include "infer/memory.h"
#include "infer/speculation.h"
#include "model/checkpoint.h"
#include "support/crowd.h"
#include "support/filled_module.h"
#include "support/poison.h"

namespace minke {
namespace {

using namespace test;

constexpr Precision kF32 = Precision::f32();

TEST(SpeculationCounts, SayWhatTheyMean) {
  const SpeculationCounts before{
      .drafted = 10, .accepted = 4, .steps = 8, .tokens = 12, .bytes = 300, .plain_bytes = 200},
      now{.drafted = 50, .accepted = 34, .steps = 28, .tokens = 62, .bytes = 1300, .plain_bytes = 1000};
  const SpeculationCounts c = now.since(before);
  EXPECT_EQ(c.drafted, 40);
  EXPECT_EQ(c.accepted, 30);
  EXPECT_EQ(c.steps, 20);
  EXPECT_EQ(c.tokens, 50);
  EXPECT_EQ(c.bytes, 1000);
  EXPECT_EQ(c.plain_bytes, 800);
  EXPECT_EQ(c.acceptance(), 0.75);
  EXPECT_EQ(c.tokens_per_step(), 2.5);
  EXPECT_EQ(c.bound(), 2);  // 2.5 tokens for 1000/800 of the bytes
  EXPECT_EQ(
      c.text(),
      "drafts: 30 of 40 accepted (75 %), 2.50 tokens a step; by the bytes of the weights at most 2.00 x as fast as "
      "without");
  const SpeculationCounts none;
  EXPECT_EQ(none.acceptance(), 0);
  EXPECT_EQ(none.tokens_per_step(), 0);
  EXPECT_EQ(none.bound(), 0);
  EXPECT_EQ(none.text(), "drafts: 0 of 0 accepted");
  const SpeculationCounts one{.drafted = 1, .accepted = 1, .steps = 1, .tokens = 2, .bytes = 1, .plain_bytes = 1};
  EXPECT_EQ(one.acceptance(), 1);
  EXPECT_EQ(one.tokens_per_step(), 2);
  EXPECT_EQ(one.bound(), 2);
}

// Steps as they are told to the module, without the model: the time they took is made up, and no sequence is followed.
struct Told {
  TestContext ctx{cpu_backend()};
  Model model{ctx, tiny_v3(1), kF32, 64};
  PagePool pool{ctx, model.config(), DType::f32, 4, 4, 1};
  Sampler sampler;
  Speculation speculation;

  explicit Told(SpeculationMode mode)
      : speculation(ctx, model,
                    {.max_context = 64, .max_sequences = 4, .max_tokens = 64, .page = 4, .speculation = mode},
                    pool.layers().back()) {}

  // Rows of an answer, all of them with logits, of which so many were kept; of a prompt none has any.
  static Sequence sequence(int64_t first_row, int64_t rows, int64_t kept, bool in_prompt = false) {
    Sequence s;
    s.request.prompt = {1};
    s.cached = in_prompt ? 0 : 5;
    s.first_row = first_row, s.rows = rows, s.sampled = in_prompt ? 0 : rows, s.kept = kept;
    return s;
  }
  bool step(std::vector<Sequence> all, double seconds, std::vector<int32_t> experts = {}) {
    std::vector<Sequence*> sequences;
    size_t rows = 0;
    for (Sequence& s : all) sequences.push_back(&s), rows += size_t(s.rows);
    if (experts.empty()) experts.assign(2 * 2 * rows, 0);
    return speculation.finish_step(ctx, sequences, experts, seconds, sampler);
  }
};

// What of the weights a step reads, with drafts and without: experts that several rows chose count once.
TEST(Speculation, CountsTheBytesOfAStep) {
  Told told(SpeculationMode::mtp);
  const WeightBytes w = weight_bytes(told.model);
  // Rows 0 and 1 are the first answer's, 2 to 4 the second one's; its first draft is right.
  const std::vector<int32_t> experts{
      0, 1, 1, 2, 0, 3, 3, 0, 5, 5,   // the first layer: of 0 and 2 {0, 1, 3}, and {2, 5} more
      4, 5, 4, 5, 4, 5, 0, 1, 2, 1};  // the second: {4, 5}, and {0, 1, 2}
  EXPECT_TRUE(told.step({Told::sequence(0, 2, 1), Told::sequence(2, 3, 2)}, 1, experts));
  const SpeculationCounts& c = told.speculation.counts();
  EXPECT_EQ(c.drafted, 3);
  EXPECT_EQ(c.accepted, 1);
  EXPECT_EQ(c.steps, 2);
  EXPECT_EQ(c.tokens, 3);
  EXPECT_DOUBLE_EQ(c.plain_bytes, w.all_tokens + 3 * w.one_expert[0] + 2 * w.one_expert[1] + 2 * w.token);
  EXPECT_DOUBLE_EQ(c.bytes, w.all_tokens + 5 * w.one_expert[0] + 5 * w.one_expert[1] + 5 * w.token);
  // Steps without drafts, or with prompts, are not counted; what comes of their drafts is.
  told.step({Told::sequence(0, 1, 1)}, 1);
  told.step({Told::sequence(0, 7, 7, true), Told::sequence(7, 2, 2)}, 1);
  EXPECT_EQ(c.drafted, 4);
  EXPECT_EQ(c.accepted, 2);
  EXPECT_EQ(c.steps, 2);
  EXPECT_EQ(c.tokens, 3);
}

// --spec auto goes by the time of the steps and the tokens that come of them (infer/pace.h). Seconds: next to them the time that is
// measured here, of a module that does nothing, is none.
TEST(Speculation, AutomaticGoesByTheTimeOfSteps) {
  Told told(SpeculationMode::automatic);
  const auto plain = [&] { return told.step({Told::sequence(0, 1, 1), Told::sequence(1, 1, 1)}, 100); };
  const auto drafted = [&](int64_t kept, double seconds) {
    return told.step({Told::sequence(0, 2, kept), Told::sequence(2, 1, 1)}, seconds);
  };
  const auto checks = [&] { return told.speculation.checks(2); };
  EXPECT_TRUE(told.speculation.follows_new());
  EXPECT_FALSE(checks());
  EXPECT_TRUE(plain());
  EXPECT_TRUE(plain());
  EXPECT_TRUE(checks());
  EXPECT_FALSE(told.speculation.checks(4));                   // of another number of answers
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(drafted(2, 149));  // three tokens of two in one and a half times
  EXPECT_TRUE(checks());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(drafted(1, 199));
  EXPECT_TRUE(checks());
  EXPECT_TRUE(drafted(1, 199));  // more than two plain steps are lost
  EXPECT_FALSE(checks());
  // Steps with prompts say nothing of it.
  for (int i = 0; i < 9; ++i)
    EXPECT_TRUE(told.step({Told::sequence(0, 5, 5, true), Told::sequence(5, 1, 1), Told::sequence(6, 1, 1)}, 1));
  EXPECT_FALSE(checks());
  EXPECT_TRUE(plain());
  EXPECT_TRUE(plain());
  EXPECT_TRUE(checks());
  EXPECT_TRUE(drafted(1, 199));
  EXPECT_TRUE(drafted(1, 199));
  EXPECT_FALSE(drafted(1, 199));  // again: drafts are off
  EXPECT_FALSE(checks());
  EXPECT_FALSE(told.speculation.follows_new());
  EXPECT_TRUE(plain());
  Told always(SpeculationMode::mtp);  // whatever it costs
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(always.step({Told::sequence(0, 2, 1)}, 1000));
  EXPECT_TRUE(always.speculation.checks(1));
  EXPECT_TRUE(always.speculation.follows_new());
}

// By hand: a step of two rows reads the model once, the module once, and the head twice.
TEST(Speculation, BoundOfADenseModel) {
  const TestContext ctx(cpu_backend());
  Config dense = tiny_v3(1);
  dense.n_routed_experts = 0;
  Model model(ctx, dense, kF32, 64);
  fill(ctx, model, Module::right);
  const WeightBytes w = weight_bytes(model);
  EXPECT_DOUBLE_EQ(w.head, 4 * 23 * 10);
  EXPECT_DOUBLE_EQ(w.all_tokens + w.mtp + w.token * 23, w.sum);
  Engine engine(ctx, model, {.max_context = 64, .page = 4, .speculation = SpeculationMode::mtp});
  generate(ctx, engine, {.prompt = {1}, .max_new = 41, .sampling = {.temperature = 0}},
           [](const NewToken&) { return true; });
  const SpeculationCounts& c = engine.speculation()->counts();
  EXPECT_EQ(c.steps, 20);
  const double plain = w.all_tokens + w.token, step = w.all_tokens + 2 * w.token + w.mtp + w.head + 2 * w.token;
  EXPECT_NEAR(c.bound(), 2 * plain / step, 0.02 * c.bound());  // the last step has no draft after it
}

// Experts that both rows choose are read once.
TEST(Speculation, BoundOfExperts) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(1), kF32, 64);
  fill(ctx, model, Module::right);
  const WeightBytes w = weight_bytes(model);
  EXPECT_EQ(w.one_expert.size(), 2u);
  EXPECT_DOUBLE_EQ(w.one_expert[0], 4 * 3 * 10 * 6);
  EXPECT_DOUBLE_EQ(w.mtp_expert, w.one_expert[0]);
  Engine engine(ctx, model, {.max_context = 64, .page = 4, .speculation = SpeculationMode::mtp});
  std::vector<std::vector<int32_t>> by_position;
  Request r{.prompt = {1}, .max_new = 41, .sampling = {.temperature = 0}};
  r.on_experts = [&](int64_t, std::span<const int32_t> e) {
    for (size_t i = 0; i + 4 <= e.size(); i += 4)
      by_position.emplace_back(e.begin() + ptrdiff_t(i), e.begin() + ptrdiff_t(i + 4));
  };
  generate(ctx, engine, r, [](const NewToken&) { return true; });
  // All drafts are right: steps of two positions from 1 on.
  double plain = 0;
  int64_t fresh = 0;
  for (size_t p = 1; p + 1 < by_position.size(); p += 2) {
    plain += w.all_tokens + w.token + 4 * w.one_expert[0];
    for (size_t layer = 0; layer < 2; ++layer)
      for (size_t k = 0; k < 2; ++k) {
        const auto first = by_position[p].begin() + ptrdiff_t(2 * layer);
        fresh += std::find(first, first + 2, by_position[p + 1][2 * layer + k]) == first + 2;
      }
  }
  const SpeculationCounts& c = engine.speculation()->counts();
  EXPECT_DOUBLE_EQ(c.plain_bytes, plain);
  const double rest = c.bytes - c.plain_bytes - double(fresh) * w.one_expert[0] - 20 * w.token;
  // What is left is the module's: 20 passes, two to four experts each; the last without the head.
  const double least = 20 * (w.mtp + 2 * w.mtp_expert) + 19 * w.head;
  EXPECT_GE(rest, least);
  EXPECT_LE(rest, least + 20 * (2 * w.mtp_expert + 2 * w.token) + w.head);
  EXPECT_GT(fresh, 0);
}

}  // namespace
}  // namespace minke
