// What is said before anything is taken. The sizes of a running program: tests/app/memory_test.sh.
#include "infer/memory.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace minke
