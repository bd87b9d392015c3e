// What is counted, against counts made by hand, and a run of a tiny model. No test depends on a speed.
#include "bench/infer_bench.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/suite.h"
#include "spec/counts.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

constexpr Precision kF32 = Precision::f32().for_inference();

InferCeilings made_up_ceilings() { return {.read = {{{"read", 1e9, 0}}}, .products = {{{"products", 1e10, 0}}}}; }

// d = 10, 23 tokens, 6 experts of 6. In F32, and nothing is packed before weights are loaded.
TEST(InferBench, BytesOfTinyV3) {
  const TestContext ctx(cpu_backend());
  const Model model(ctx, tiny_v3(), kF32, 64);
  const WeightBytes bytes = weight_bytes(model);
  const double d = 10, head = 23 * d, expert = 3 * d * 6;
  // q 10→7→2·(3+4), kv 10→5+4, 5→2·(3+5), o 2·5→10, norms 7 and 5; two norms of the block
  const double attention = d * 7 + 7 * 14 + d * 9 + 5 * 16 + 10 * d + 7 + 5 + 2 * d;
  const double dense = 3 * d * 11, moe = expert + 6 * d + 6;  // the shared expert, the router and its bias
  EXPECT_EQ(bytes.all_tokens, 4 * (3 * attention + dense + 2 * moe + d + head));
  EXPECT_EQ(bytes.token, 4 * d);
  EXPECT_EQ(bytes.one_expert, std::vector<double>(2, 4 * expert));
  EXPECT_EQ(bytes.sum, bytes.all_tokens + 4 * head + 2 * 6 * 4 * expert);
  EXPECT_EQ(weight_format(model), "f32");
}

// The embedding is the head: all of it is read.
TEST(InferBench, BytesOfATiedHead) {
  const TestContext ctx(cpu_backend());
  const Model model(ctx, tiny_llama(), kF32, 64);
  const WeightBytes bytes = weight_bytes(model);
  EXPECT_EQ(bytes.all_tokens, bytes.sum);
  EXPECT_EQ(bytes.token, 0);
  EXPECT_TRUE(bytes.one_expert.empty());
}

struct Measured {
  std::vector<InferRow> rows;
  int64_t tokens_computed = 0;
};

Measured measured(const Context& ctx, const Config& config, const InferBenchOptions& options, int64_t context = 64) {
  Model model(ctx, config, kF32, context);
  model.weights().initialise(ctx, 0.5);
  Engine engine(ctx, model, engine_settings(options));
  Measured result;
  infer_bench(ctx, model, engine, options, made_up_ceilings(), [&](const InferRow& r) { result.rows.push_back(r); });
  result.tokens_computed = engine.tokens_computed();
  return result;
}

// What is in the cache before is computed once, a page of it, and costs time of attention only.
TEST(InferBench, RowsAtADepth) {
  const TestContext ctx(cpu_backend(), 2);
  const Config config = tiny_v3();
  const InferBenchOptions options{.prompt = 7, .answer = 4, .depth = 192, .batches = {2}, .repetitions = 3};
  const auto [rows, tokens_computed] = measured(ctx, config, options, 256);
  ASSERT_EQ(rows.size(), 2u);
  // A page and a token for each of the two; then as without: a prompt alone, three runs; four runs of answers.
  EXPECT_EQ(tokens_computed, 2 * 65 + 7 + 3 * 2 * 7 + 4 * 2 * 5);
  const AttentionPairFlops pair = attention_pair_flops(config);
  const double keys = 192.0 * 3 * 2;  // layers, heads
  EXPECT_DOUBLE_EQ(rows[0].flops_per_token,
                   forward_flops_per_token(config, 7) - 2 * 23 * 10 * (1 - 1.0 / 7) + keys * double(pair.naive));
  EXPECT_DOUBLE_EQ(rows[1].flops_per_token, forward_flops_per_token(config, 4) + keys * double(pair.absorbed));
  EXPECT_GT(rows[1].bytes_per_token, 192.0 * double(kv_bytes_per_token(config, DType::f32)));
  for (const InferRow& r : rows) EXPECT_EQ(r.depth, 192);
}

// The model's cache is read once for all rows of a step, the module's for each draft.
TEST(InferBench, DraftsAtADepth) {
  const TestContext ctx(cpu_backend(), 2);
  const Config config = tiny_v3(1);
  const InferBenchOptions options{.prompt = 0,
                                  .answer = 6,
                                  .depth = 128,
                                  .repetitions = 2,
                                  .beginning = 3,
                                  .speculation = SpeculationMode::mtp,
                                  .drafts = 2};
  const std::vector<InferRow> rows = measured(ctx, config, options, 256).rows;
  ASSERT_EQ(rows.size(), 2u);
  const SpeculationCounts& d = rows[1].drafts;
  const int64_t kv = kv_bytes_per_token(config, DType::f32), with_module = kv_bytes_per_token(config, DType::f32, true);
  const double cached = 128.0 * double(kv + 2 * (with_module - kv)), without = 2 * 6 - double(d.tokens);
  ASSERT_GE(without, 0);
  EXPECT_DOUBLE_EQ(rows[1].bytes_per_token,
                   (d.bytes + double(d.steps) * cached + without * rows[0].bytes_per_token) / (2 * 6));
}

TEST(InferBench, RowsOfARun) {
  const TestContext ctx(cpu_backend(), 2);
  const Config config = tiny_v3();
  const auto [rows, computed] = measured(ctx, config, {.prompt = 7, .answer = 4, .batches = {1, 3}, .repetitions = 2});
  ASSERT_EQ(rows.size(), 4u);
  // Prompts: one alone, then two runs. Answers: three runs, of each sequence a prompt of one token and four more.
  EXPECT_EQ(computed, 7 + 2 * 7 * 1 + 3 * 1 * 5 + 7 + 2 * 7 * 3 + 3 * 3 * 5);
  const Model model(ctx, config, kF32, 64);
  const WeightBytes bytes = weight_bytes(model);
  const double expert = bytes.one_expert[0];
  for (size_t i = 0; i < 4; ++i) {
    const InferRow& r = rows[i];
    SCOPED_TRACE(r.test);
    EXPECT_EQ(r.test, i % 2 == 0 ? "pp7" : "tg4");
    EXPECT_EQ(r.batch, i < 2 ? 1 : 3);
    ASSERT_EQ(r.tokens_per_second.size(), 2u);
    for (const double rate : r.tokens_per_second) EXPECT_TRUE(std::isfinite(rate) && rate > 0) << rate;
    EXPECT_EQ(r.first_token_seconds > 0, i % 2 == 0);
    EXPECT_DOUBLE_EQ(r.bandwidth_share(), r.median_rate() * r.bytes_per_token / 1e9);
    EXPECT_DOUBLE_EQ(r.ceiling_share(), r.median_rate() * r.flops_per_token / 1e10);
  }
  EXPECT_EQ(rows[0].bytes_per_token, 0);
  EXPECT_DOUBLE_EQ(rows[1].bytes_per_token, bytes.all_tokens + bytes.token + 2 * 2 * expert);
  // Three tokens choose two to six experts of each layer.
  const double shared = bytes.all_tokens / 3 + bytes.token;
  EXPECT_GE(rows[3].bytes_per_token, shared + 2 * 2 * expert / 3);
  EXPECT_LE(rows[3].bytes_per_token, shared + 2 * 6 * expert / 3);
}

TEST(InferBench, AnswersWithDrafts) {
  const TestContext ctx(cpu_backend(), 2);
  for (const std::vector<int32_t>& text : {std::vector<int32_t>{}, {1, 2, 3, 4, 5}}) {
    const auto [rows, computed] = measured(ctx, tiny_v3(1),
                                           {.prompt = 0,
                                            .answer = 6,
                                            .batches = {1, 3},
                                            .repetitions = 2,
                                            .text = text,
                                            .beginning = 3,
                                            .speculation = SpeculationMode::mtp});
    ASSERT_EQ(rows.size(), 4u);
    EXPECT_GT(computed, 0);
    for (size_t i = 0; i < 4; ++i) {
      const InferRow& r = rows[i];
      SCOPED_TRACE(r.test);
      EXPECT_EQ(r.test, i % 2 == 0 ? "tg6" : "tg6 spec");
      EXPECT_GT(r.bytes_per_token, 0);
      EXPECT_EQ(r.gain > 0, i % 2 == 1);
      if (i % 2 == 0) continue;
      EXPECT_GT(r.drafts.drafted, 0);
      EXPECT_GT(r.drafts.bound(), 0);
      // The last token of an answer has no draft.
      const double drafted = r.drafts.bytes / double(r.drafts.tokens), plain = rows[i - 1].bytes_per_token;
      EXPECT_GE(r.bytes_per_token, std::min(drafted, plain));
      EXPECT_LE(r.bytes_per_token, std::max(drafted, plain));
    }
  }
}

// More sequences than an answer is long: they still begin together.
TEST(InferBench, ManySequences) {
  const TestContext ctx(cpu_backend());
  const auto [rows, computed] =
      measured(ctx, tiny_llama(), {.prompt = 0, .answer = 2, .batches = {9}, .repetitions = 1});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(computed, 2 * 9 * 3);
  const Model model(ctx, tiny_llama(), kF32, 64);
  EXPECT_DOUBLE_EQ(rows[0].bytes_per_token, weight_bytes(model).sum / 9);
}

// v3-11m: 3,674,112 active parameters (train_bench_test.cpp), the head 1024·256 of them; 6 layers, 4 heads, 320 for a pair.
TEST(InferBench, OperationsOfV3_11M) {
  const TestContext ctx(cpu_backend());
  const auto [rows, computed] =
      measured(ctx, preset_shape("v3-11m").config, {.prompt = 16, .answer = 4, .repetitions = 1});
  ASSERT_EQ(rows.size(), 2u);
  const double head = 1024 * 256, body = 3674112 - head;
  EXPECT_DOUBLE_EQ(rows[0].flops_per_token, 2 * (body + head / 16) + 6 * 4 * 320 * 8.0);
  EXPECT_DOUBLE_EQ(rows[1].flops_per_token, 2 * (body + head) + 6 * 4 * 320 * 2.0);
}

TEST(InferBench, CeilingsAreOfFormatsOfTheModel) {
  const TestContext ctx(cpu_backend());
  const Model model(ctx, tiny_v3(), kF32, 64);
  const InferCeilings c = infer_ceilings(ctx, model, 0);
  EXPECT_FALSE(c.products.tries.empty());
  for (const Ceiling::Try& t : c.products.tries) EXPECT_TRUE(t.how.starts_with("f32, ")) << t.how;
  EXPECT_GT(c.read.best().rate, 0);
}

}  // namespace
}  // namespace minke
