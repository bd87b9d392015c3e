// Generation agrees with training: the logits that the cache gives token by token are those of one forward over the whole
// text, within a stated bound; and with chunks, truncation and greedy choice as they should be.
#include "infer/generate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

std::vector<float> training_logits(const Context& ctx, const Model& model, const std::vector<int32_t>& tokens) {
  const int64_t t = int64_t(tokens.size());
  const std::vector<int64_t> n{t};
  Arena measure;
  model.lay_out_saved(measure, n, false);
  Arena arena(ctx.backend->memory(), measure.high_water());
  const ModelSaved saved = model.lay_out_saved(arena, n, false);
  BatchBuffers buffers(ctx, t, 0);
  model.forward(ctx, buffers.fill(ctx, tokens, std::vector<int32_t>(tokens.size(), -1), 1, t), saved);
  const Tensor logits(ctx.backend->memory(), DType::f32, {t, model.config().vocab_size});
  model.head().logits(ctx, saved.h, logits);
  std::vector<float> host(size_t(logits.operand().size()));
  ctx.backend->download(ctx, {.device = logits, .host = host.data()});
  return host;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double(a[i]) - double(b[i]));
    if (!(d <= worst)) worst = d;
  }
  return worst;
}

// f32: absorbed and naive MLA are the same sums in another order: at these sizes under 30 roundings of 2^-24 on values
// of order 10, so 1e-4 has room for the three layers. bf16: W_UK q and the sum over latents are rounded where the naive
// form rounds keys and values: each is a relative 2^-8 on logits of order 1 to 4.
void check_against_training(const Config& config, const Precision& precision, double bound) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, config, precision, 64);
  model.weights().initialise(ctx, 0.25);
  const std::vector<int32_t> tokens = random_tokens(3, 40, config.vocab_size);
  const auto expected = training_logits(ctx, model, tokens);
  const size_t v = size_t(config.vocab_size);
  for (const int64_t prompt : {1, 7, 20}) {
    Generator generator(ctx, model, 64, 8);  // prefill in chunks of 8: the later ones go through absorbed MLA
    auto logits = generator.feed(ctx, std::span(tokens).first(size_t(prompt)));
    for (int64_t i = prompt;; ++i) {
      EXPECT_LE(largest_difference(logits, std::span(expected).subspan(size_t(i - 1) * v, v)), bound)
          << "after token " << i;
      if (i == int64_t(tokens.size())) break;
      logits = generator.feed(ctx, {&tokens[size_t(i)], 1});
    }
    EXPECT_EQ(generator.cache().length(), 40);
  }
}

TEST(Generate, LogitsAreTrainingsF32) {
  check_against_training(tiny_v3(), Precision::f32(), 1e-4);
  check_against_training(tiny_v2(), Precision::f32(), 1e-4);
  check_against_training(tiny_llama(), Precision::f32(), 1e-4);
  check_against_training(tiny_llama(false, true), Precision::f32(), 1e-4);
}
TEST(Generate, LogitsAreTrainingsBf16Dense) {
  Config dense = tiny_v3();
  dense.n_routed_experts = 0;  // with experts a rounding may change which one is chosen: no bound on logits then
  check_against_training(dense, Precision::bf16(), 0.15);
  check_against_training(tiny_llama(), Precision::bf16(), 0.15);
}

// V2 §2.1.4: kv_lora_rank + qk_rope_head_dim values per token and layer.
TEST(Generate, CacheHoldsOnlyLatents) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::bf16(), 64);
  EXPECT_EQ(LatentCache(ctx, model, 10).bytes(), size_t(3 * 10 * (5 + 4) * 2));
}

TEST(Generate, SameSeedSameTextAndStops) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  const std::vector<int32_t> prompt{1, 2, 3};
  const auto run = [&](uint64_t seed, int64_t stop_after) {
    Generator generator(ctx, model, 64);
    int64_t seen = 0;
    return generator.generate(ctx, prompt, 30, {.temperature = 1, .seed = seed},
                              [&](int32_t) { return ++seen < stop_after; });
  };
  EXPECT_EQ(run(5, 100), run(5, 100));
  EXPECT_NE(run(5, 100), run(6, 100));
  EXPECT_EQ(run(5, 4).size(), 4u);
}

TEST(Generate, RunsOnThePoisonBackend) {
  const auto text = [](const Context& ctx) {
    Model model(ctx, tiny_v3(), Precision::bf16(), 32);
    model.weights().initialise(ctx, 0.3);
    Generator generator(ctx, model, 32, 4);
    return generator.generate(ctx, std::vector<int32_t>{1, 2, 3, 4, 5, 6}, 10, {.temperature = 0},
                              [](int32_t) { return true; });
  };
  PoisonBackend poison(cpu_backend());
  EXPECT_EQ(text(TestContext(poison)), text(TestContext(cpu_backend())));
}

TEST(Generate, FullContextIsAUserError) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 16);
  Generator generator(ctx, model, 16);
  EXPECT_THROW(generator.feed(ctx, std::vector<int32_t>(17, 1)), UserError);
  EXPECT_EQ(generator.generate(ctx, std::vector<int32_t>(14, 1), 100, {}, [](int32_t) { return true; }).size(), 3u);
}

// What the dry run of a full context says is enough for a prompt of any length: attention over a long cache takes more
// scratch for some numbers of rows than for more of them.
TEST(Generate, ScratchIsEnoughForEveryPrompt) {
  const TestContext ctx(cpu_backend(), 3);
  Config config = tiny_v3();
  config.n_routed_experts = 0;
  config.num_hidden_layers = 1;
  config.max_position_embeddings = 4100;
  config.kv_lora_rank = 512;
  const size_t bytes = Generator::scratch_bytes(ctx, config, Precision::f32(), 4100);
  Arena scratch(ctx.backend().memory(), bytes);
  Context limited = ctx;
  limited.scratch = &scratch;
  Model model(limited, config, Precision::f32(), 4100);
  model.weights().initialise(limited, 0.3);
  Generator generator(limited, model, 4100);
  generator.feed(limited, std::vector<int32_t>(3500, 1));
  for (int64_t rows : {1, 40, 100, 200, 300, 350, 400, 512}) {
    generator.cache().truncate(3500);
    generator.feed(limited, std::vector<int32_t>(size_t(rows), 2));
  }
  EXPECT_LE(scratch.high_water(), bytes);
}

TEST(Generate, TruncatedCacheContinuesAsIfNothingHadBeen) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  const auto tokens = random_tokens(3, 12, 23);
  Generator generator(ctx, model, 64);
  generator.feed(ctx, std::span(tokens).first(8));
  const auto first = generator.feed(ctx, std::span(tokens).subspan(8, 1));
  const std::vector<float> expected(first.begin(), first.end());
  generator.feed(ctx, std::span(tokens).subspan(9, 3));
  generator.cache().truncate(8);
  const auto again = generator.feed(ctx, std::span(tokens).subspan(8, 1));
  EXPECT_EQ(std::vector<float>(again.begin(), again.end()), expected);
}

}  // namespace
}  // namespace minke
