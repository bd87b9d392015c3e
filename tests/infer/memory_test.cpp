// What is said before anything is taken. The sizes of a running program: tests/app/memory_test.sh.
#include "infer/memory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/divided_up.h"
#include "core/human_numbers.h"
#include "model/block_weights.h"
#include "spec/counts.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

TEST(InferenceMemory, CountsWhatIsTaken) {
  const TestContext ctx(cpu_backend());
  const EngineSettings settings{
      .max_context = 64, .cache_tokens = 256, .max_sequences = 3, .page = 4, .cache = DType::bf16};
  const Config config = tiny_v3();
  const InferenceMemory m = inference_memory(ctx, config, Precision::bf16().for_inference(), settings);
  EXPECT_EQ(m.cache, 256.0 * 3 * (5 + 4) * 2);  // slots, layers, latent and rotary key, bf16
  // Every matrix in bf16, once; norms, router and its bias in f32; the rotary table beside them.
  Model model(ctx, config, Precision::bf16().for_inference(), 64);
  double bytes = 0, largest = 0;
  for (const Weight& w : model.weights().all()) largest = std::max(largest, double(w.bytes()));
  for (Weight& w : model.weights().all())
    if (w.may_be_packed()) w.keep_packed(ctx);
  for (const Weight& w : model.weights().all()) bytes += double(w.bytes());
  EXPECT_GE(m.weights, bytes);
  EXPECT_LE(m.weights, bytes + 64 * 4 * 4 * 2 + 64.0 * double(model.weights().all().size() + 2));
  EXPECT_GE(m.loading, largest);
  EXPECT_GT(m.scratch, 0);
  EXPECT_NE(m.text().find("cache of 256 tokens"), std::string::npos);
}

TEST(InferenceMemory, TheCacheIsWhatATokenTakes) {
  const TestContext ctx(cpu_backend());
  for (const Config& config : {tiny_v3(), tiny_v2(), tiny_llama()})
    for (const DType cache : {DType::f32, DType::bf16, DType::f8_e4m3}) {
      if (kv_bytes_per_token(config, cache) == 0) continue;
      const EngineSettings settings{.max_context = 64, .cache_tokens = 256, .cache = cache};
      EXPECT_EQ(inference_memory(ctx, config, Precision::f32().for_inference(), settings).cache,
                256.0 * double(kv_bytes_per_token(config, cache)));
    }
}

TEST(InferenceMemory, WhatDoesNotFitIsRefusedWithTheContextThatWould) {
  const TestContext ctx(cpu_backend());
  const Precision precision = Precision::f32().for_inference();
  const EngineSettings settings{.max_context = 4096, .page = 64};
  const auto needs = [&](int64_t context) {
    EngineSettings s = settings;
    s.max_context = context;
    return inference_memory(ctx, tiny_v3(), precision, s);
  };
  const auto refusal = [&](double available) -> std::string {
    try {
      check_fits(ctx, tiny_v3(), precision, settings, needs(4096), available);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(needs(4096).sum()), "");
  const double available = needs(1024).sum() / 0.99 + 1;  // one in a hundred stays free
  ASSERT_LT(0.99 * available, needs(1024 + 64).sum());
  EXPECT_TRUE(refusal(available).ends_with(": --ctx-size 1024 would fit")) << refusal(available);
  EXPECT_TRUE(refusal(available - 2).ends_with(": --ctx-size 960 would fit")) << refusal(available - 2);
  EXPECT_NE(refusal(1000).find("no context fits"), std::string::npos);
}

// Weights in a file count, but for routed experts, of which a token needs few.
TEST(InferenceMemory, WeightsInAFile) {
  const TestContext test_context(cpu_backend());
  const Context& ctx = test_context;
  const Precision precision = Precision::f32().for_inference();
  const EngineSettings settings{.max_context = 64};
  InferenceMemory m = inference_memory(ctx, tiny_v3(), precision, settings);
  const double own = m.sum();
  m.in_file = 5000, m.experts_in_file = 4000;
  EXPECT_EQ(m.sum(), own + 5000);
  EXPECT_EQ(m.must_fit(), own + 1000);
  EXPECT_TRUE(m.text().starts_with("4.9 KiB weights in the file + ")) << m.text();
  const auto outcome = [&](double available) -> std::string {
    try {
      return check_fits(ctx, tiny_v3(), precision, settings, m, available, [] { return "--weights int4"; });
    } catch (const UserError& e) {
      return e.what();
    }
  };
  EXPECT_EQ(outcome(own + 5000), "");
  EXPECT_TRUE(outcome(own + 4999).starts_with("note: 1 B of the routed experts do not fit into the "))
      << outcome(own + 4999);
  EXPECT_TRUE(outcome(own + 1000).starts_with("note: 3.9 KiB of the routed experts")) << outcome(own + 1000);
  EXPECT_TRUE(outcome(1000).ends_with(": no context fits; --weights int4 would")) << outcome(1000);
}

double footprint(int64_t elements, int64_t bytes) { return double(host_footprint(size_t(elements * bytes))); }

// The indices of a step: of each row three and, with drafts, where the previous one stands; of each key one; of each answer the
// end of its rows, its length, its pages and the rows whose logits are wanted.
double index_bytes(const EngineSettings& s, int64_t keys, int64_t drafts) {
  return 3 * footprint(s.max_tokens, 4) + footprint(keys, 4) + footprint(s.max_sequences + 1, 4) +
         footprint(s.max_sequences, 4) + footprint(s.max_sequences * divided_up(s.max_context + drafts, s.page), 4) +
         footprint(s.max_sequences * (1 + drafts), 4) + footprint(drafts > 0 ? s.max_tokens : 1, 4);
}

// 23 tokens of the vocabulary, 10 hidden values, two experts of each of two layers.
TEST(InferenceMemory, BuffersAreThoseOfAStep) {
  struct Case {
    int64_t sequences, tokens, drafts;
    AttentionForm form;
    int threads;
    int64_t keys, samplers;
  };
  for (const Case& c : {Case{3, 300, 0, AttentionForm::by_role, 4, 300, 4},
                        {3, 40, 0, AttentionForm::by_role, 2, 64, 2},
                        {1, 40, 0, AttentionForm::by_role, 4, 64, 1},
                        {5, 300, 0, AttentionForm::training, 1, 320, 1},
                        {4, 300, 0, AttentionForm::training, 1, 300, 1},
                        {3, 300, 2, AttentionForm::by_role, 4, 300, 4},
                        {40, 300, 1, AttentionForm::absorbed, 3, 300, 3}}) {
    SCOPED_TRACE(fmt::format("{} sequences, {} tokens, {} drafts", c.sequences, c.tokens, c.drafts));
    const TestContext ctx(cpu_backend(), c.threads);
    EngineSettings s{.max_context = 64,
                     .cache_tokens = 256,
                     .max_sequences = c.sequences,
                     .max_tokens = c.tokens,
                     .page = 4,
                     .form = c.form};
    if (c.drafts > 0) s.speculation = SpeculationMode::mtp, s.drafts = c.drafts;
    const int64_t wanted = c.sequences * (1 + c.drafts);
    double bytes = index_bytes(s, c.keys, c.drafts) + footprint(wanted * 23, 4) + 4.0 * double(wanted) * 23;
    // A sampler: a logit in double, a token with its probability, how often it occurs, and whether it has been counted; a logit that a
    // constraint may change.
    bytes += double(c.samplers) * 23 * (8 + 16 + 4 + 4 + 4);
    if (c.drafts >
        0)  // of the module: hidden states, the model's and two of its own, logits, experts; those of the model's layers
      bytes += index_bytes(s, c.keys, c.drafts) + footprint(c.tokens * 10, 4) + 2 * footprint(c.sequences * 10, 4) +
               footprint(c.sequences * 23, 4) + 4.0 * double(c.sequences) * 23 + footprint(c.tokens * 2, 4) +
               footprint(2 * c.tokens * 2, 4);
    const InferenceMemory m = inference_memory(ctx, tiny_v3(c.drafts > 0), Precision::f32().for_inference(), s);
    EXPECT_EQ(m.buffers, bytes);
    EXPECT_EQ(m.cache_tokens, 256);
  }
}

TEST(InferenceMemory, SaysWhatItIsMadeOf) {
  InferenceMemory m{.weights = 257 * 0x1p20, .cache = 90 * 0x1p20, .buffers = 20 * 0x1p20, .scratch = 0x1p20};
  m.cache_tokens = 4096;
  EXPECT_EQ(m.sum(), 368 * 0x1p20);
  EXPECT_EQ(m.text(), "257.0 MiB weights + 90.0 MiB cache of 4096 tokens + 21.0 MiB buffers and scratch = 368.0 MiB");
  m.loading = 400 * 0x1p20;  // before there is anything else
  EXPECT_EQ(m.sum(), 400 * 0x1p20);
  EXPECT_EQ(m.must_fit(), 400 * 0x1p20);
  m.in_file = 3 * 0x1p20, m.experts_in_file = 2 * 0x1p20;
  EXPECT_EQ(m.sum(), 403 * 0x1p20);
  EXPECT_EQ(m.must_fit(), 401 * 0x1p20);
  EXPECT_TRUE(m.text().starts_with("3.0 MiB weights in the file + 257.0 MiB weights + ")) << m.text();
  EXPECT_TRUE(m.text().ends_with(" = 403.0 MiB")) << m.text();
}

// Of weights that lie in a file nothing is taken; how many bytes there are of them, the plan says.
TEST(InferenceMemory, KnowsWhatIsInTheFile) {
  const TestContext ctx(cpu_backend());
  Precision precision = Precision::f32().for_inference();
  const EngineSettings settings{.max_context = 64};
  const InferenceMemory plain = inference_memory(ctx, tiny_v3(), precision, settings);
  EXPECT_EQ(plain.in_file, 0);
  EXPECT_EQ(plain.experts_in_file, 0);
  BlockWeights blocks;
  blocks.in_file = 5000, blocks.experts_in_file = 4000;
  precision.blocks = &blocks;
  const InferenceMemory m = inference_memory(ctx, tiny_v3(), precision, settings);
  EXPECT_EQ(m.in_file, 5000);
  EXPECT_EQ(m.experts_in_file, 4000);
  EXPECT_EQ(m.sum(), plain.sum() + 5000);
}

// While weights are loaded, one is in memory twice, and packed ones may be larger.
TEST(InferenceMemory, LoadingTakesAWeightTwice) {
  const TestContext ctx(cpu_backend());
  const EngineSettings settings{.max_context = 16, .max_tokens = 8, .page = 4};
  for (const Precision& precision : {Precision::bf16().for_inference(), Precision::f32().for_inference()}) {
    Model model(ctx, tiny_v3(), precision, 16);
    double loaded = 0, most = 0;
    for (Weight* w : model.weights().largest_first()) {
      const double before = double(w->bytes());
      if (w->may_be_packed()) w->keep_packed(ctx), most = std::max(most, loaded + before + double(w->bytes()));
      loaded += double(w->bytes());
    }
    EXPECT_EQ(inference_memory(ctx, tiny_v3(), precision, settings).loading, std::max(most, loaded));
  }
}

// A cache that was sized goes with the context, for all sequences; without a size it is one context's.
TEST(InferenceMemory, AnotherContextHasAnotherCache) {
  const TestContext ctx(cpu_backend());
  const Precision precision = Precision::f32().for_inference();
  for (const int64_t cache_tokens : {0, 7000}) {
    const EngineSettings settings{.max_context = 4096, .cache_tokens = cache_tokens, .max_sequences = 3, .page = 64};
    EngineSettings shorter = settings;
    shorter.max_context = 1024, shorter.cache_tokens = cache_tokens > 0 ? 3 * 1024 : 1024;
    const double needed = inference_memory(ctx, tiny_v3(), precision, shorter).sum();
    EXPECT_TRUE(fits(ctx, tiny_v3(), precision, settings, 1024, needed)) << cache_tokens;
    EXPECT_FALSE(fits(ctx, tiny_v3(), precision, settings, 1024, needed - 1)) << cache_tokens;
  }
}

TEST(InferenceMemory, WhereNoContextFitsItSaysWhatWouldHelp) {
  const TestContext ctx(cpu_backend());
  const EngineSettings settings{.max_context = 1024, .page = 64};
  const auto refusal = [&](const Precision& precision, double available, const std::string& other) -> std::string {
    const InferenceMemory needed = inference_memory(ctx, tiny_v3(), precision, settings);
    try {
      check_fits(ctx, tiny_v3(), precision, settings, needed, available, [&] { return other; });
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const Precision f32 = Precision::f32().for_inference(), bf16 = Precision::bf16().for_inference();
  const InferenceMemory needed = inference_memory(ctx, tiny_v3(), f32, settings);
  const double half = needed.weights / 2;
  ASSERT_FALSE(fits(ctx, tiny_v3(), f32, settings, 64, half + 1));
  EXPECT_EQ(refusal(f32, half + 1, ""),
            fmt::format("{} are needed ({}), but only {} are free: no context fits; --dtype bf16 halves the weights",
                        human_bytes(needed.sum()), needed.text(), human_bytes(half + 1)));
  const std::string end = ": no context fits; a machine with more memory, or a smaller model, is needed";
  EXPECT_TRUE(refusal(f32, half, "").ends_with(end)) << refusal(f32, half, "");
  EXPECT_TRUE(refusal(bf16, 1000, "").ends_with(end)) << refusal(bf16, 1000, "");
  EXPECT_TRUE(refusal(bf16, 1000, "--weights int8").ends_with(": no context fits; --weights int8 would"));
  // Where a context would fit, both are named. All but the context's part is there: the smallest context fits, of a whole page.
  EngineSettings one = settings;
  one.max_context = 64;
  const double smallest = inference_memory(ctx, tiny_v3(), f32, one).sum() / 0.99 + 1;
  EXPECT_TRUE(refusal(f32, smallest, "").ends_with(": --ctx-size 64 would fit")) << refusal(f32, smallest, "");
  EXPECT_TRUE(refusal(f32, smallest, "--weights int8").ends_with(": --ctx-size 64 would fit, or --weights int8"));
  EXPECT_EQ(refusal(f32, smallest - 2, "").find("--ctx-size"), std::string::npos);
}

}  // namespace
}  // namespace minke
