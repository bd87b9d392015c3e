// The engine's promises: its logits are those of training within a stated bound; a request has the same bits alone and in
// any company, with its prompt cut anywhere, with a beginning that it shares; every answer says how it ended.
#include "infer/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <optional>

#include "infer/memory.h"
#include "support/crowd.h"
#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

TEST(EngineSettings, SlotsForAllAreWholePages) {
  EXPECT_EQ((EngineSettings{.max_context = 100, .max_sequences = 3, .page = 16}).slots_for_all(), 3 * 112);
  EXPECT_EQ((EngineSettings{.max_context = 96, .max_sequences = 5, .page = 16}).slots_for_all(), 5 * 96);
}

std::vector<float> training_logits(const Context& ctx, const Model& model, const std::vector<int32_t>& tokens) {
  const int64_t t = int64_t(tokens.size());
  const std::vector<int64_t> n{t};
  Arena arena(ctx.backend->memory(), model.saved_bytes(n, false));
  const ModelSaved saved = model.lay_out_saved(arena, n, false);
  BatchBuffers buffers(ctx, t, 0);
  model.forward(ctx, buffers.fill(ctx, tokens, std::vector<int32_t>(tokens.size(), -1), 1, t), saved);
  std::vector<float> host(size_t(t * model.config().vocab_size));
  model.head().logits_to_host(ctx, saved.h, host.data());
  return host;
}

// The answer is given: its logits are those with which each of its tokens would have been chosen.
std::vector<float> forced_logits(const Context& ctx, const Model& model, const EngineSettings& settings,
                                 const std::vector<int32_t>& tokens, int64_t prompt) {
  std::vector<float> all;
  Engine engine(ctx, model, settings);
  Request r{.prompt = {tokens.begin(), tokens.begin() + prompt}, .max_new = int64_t(tokens.size()) - prompt + 1};
  r.choose = [&](std::span<const float> logits, int64_t position) {
    all.insert(all.end(), logits.begin(), logits.end());
    return position < int64_t(tokens.size()) ? tokens[size_t(position)] : 0;
  };
  generate(ctx, engine, r, [](const NewToken&) { return true; });
  return all;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double worst = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
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
  for (const AttentionForm form : kForms)
    for (const int64_t prompt : {1, 7, 20}) {
      const auto logits = forced_logits(
          ctx, model, {.max_context = 64, .max_tokens = 8, .page = 4, .cache = precision.activation, .form = form},
          tokens, prompt);
      EXPECT_LE(largest_difference(logits, std::span(expected).subspan(size_t(prompt - 1) * v)), bound)
          << "prompt " << prompt << " form " << int(form);
    }
}

TEST(Engine, LogitsAreTrainingsF32) {
  check_against_training(tiny_v3(), Precision::f32(), 1e-4);
  check_against_training(tiny_v2(), Precision::f32(), 1e-4);
  check_against_training(tiny_llama(), Precision::f32(), 1e-4);
  check_against_training(tiny_llama(false, true), Precision::f32(), 1e-4);
  check_against_training(tiny_llama(true, false), Precision::f32(), 1e-4);
}
TEST(Engine, LogitsAreTrainingsBf16Dense) {
  Config dense = tiny_v3();
  dense.n_routed_experts = 0;  // with experts a rounding may change which one is chosen: no bound on logits then
  check_against_training(dense, Precision::bf16(), 0.15);
  check_against_training(tiny_llama(), Precision::bf16(), 0.15);
}

// Frozen weights are those of training rounded once, as products round them anyway: the same bits.
TEST(Engine, FrozenWeightsGiveTrainingsBits) {
  const TestContext ctx(cpu_backend());
  Config tied = tiny_llama();
  tied.tie_word_embeddings = true;
  for (const Config& config : {tiny_v3(), tiny_v2(), tiny_llama(true), tied})
    for (const Precision& precision : {Precision::f32(), Precision::bf16()}) {
      Model model(ctx, config, precision, 64);
      model.weights().initialise(ctx, 0.25);
      Model frozen(ctx, config, precision.for_inference(), 64);
      for (Weight& w : frozen.weights().all()) {
        Weight& of_training = *model.weights().get(w.storage().name);
        ctx.backend().copy(ctx, {.src = of_training.master(), .dst = w.master()});
        ctx.backend().copy(ctx, {.src = w.master(), .dst = of_training.master()});  // the embedding is read unrounded
        of_training.changed();
        EXPECT_THROW(w.with_gradient(ctx), BugError);
      }
      const std::vector<int32_t> tokens = random_tokens(4, 30, config.vocab_size);
      const EngineSettings settings{.max_context = 64, .max_tokens = 7, .page = 16, .cache = precision.activation};
      const auto expected = forced_logits(ctx, model, settings, tokens, 12);
      EXPECT_EQ(forced_logits(ctx, frozen, settings, tokens, 12), expected)
          << name_of(config.model_type) << " " << name_of(precision.activation);
      // Packed once instead of by every product.
      for (Weight& w : frozen.weights().all())
        if (w.may_be_packed()) w.keep_packed(ctx);
      for (const char* name : {"layers.0.down", "layers.0.kv_b_proj", "embed_tokens"}) {
        const Weight* w = frozen.weights().find(name);
        const bool packed = name != std::string_view("embed_tokens") || config.tie_word_embeddings;
        if (w != nullptr) {
          EXPECT_EQ(w->master().data == nullptr, packed) << name;
        }
      }
      EXPECT_EQ(forced_logits(ctx, frozen, settings, tokens, 12), expected)
          << name_of(config.model_type) << " " << name_of(precision.activation);
    }
}

// A prompt in one step is what training computes: same form, same kernels, so the same bits.
TEST(Engine, LogitsOfAPromptHaveTrainingsBits) {
  const TestContext ctx(cpu_backend());
  for (const Config& config : {tiny_v3(), tiny_v2(), tiny_llama(false, true)})
    for (const Precision& precision : {Precision::f32(), Precision::bf16(), Precision::bf16().for_inference()}) {
      Model model(ctx, config, precision, 64);
      model.weights().initialise(ctx, 0.25);
      const std::vector<int32_t> tokens = random_tokens(4, 33, config.vocab_size);
      const auto expected = training_logits(ctx, model, tokens);
      const Made made =
          alone(ctx, model, {.max_context = 64, .page = 16, .cache = precision.activation}, {.prompt = tokens});
      EXPECT_EQ(made.logits.at(0), std::vector<float>(expected.end() - config.vocab_size, expected.end()))
          << name_of(config.model_type) << " " << name_of(precision.activation);
    }
}

// In the form of training an answer has its bits as well: in the crowd of a step, with experts, and however it is cut.
TEST(Engine, LogitsOfAnAnswerInTrainingsFormHaveTrainingsBits) {
  const TestContext ctx(cpu_backend());
  for (const Config& config : {tiny_v3(), tiny_v2(), tiny_llama(false, true)})
    for (const Precision& precision : {Precision::f32(), Precision::bf16(), Precision::bf16().for_inference()}) {
      Model model(ctx, config, precision, 64);
      model.weights().initialise(ctx, 0.25);
      const std::vector<int32_t> tokens = random_tokens(4, 40, config.vocab_size);
      const auto expected = training_logits(ctx, model, tokens);
      for (const int64_t prompt : {1, 7, 33}) {
        const EngineSettings settings{.max_context = 64,
                                      .max_tokens = 5,
                                      .page = 4,
                                      .cache = precision.activation,
                                      .form = AttentionForm::training};
        const std::vector<float> of_answer(expected.begin() + (prompt - 1) * config.vocab_size, expected.end());
        EXPECT_EQ(forced_logits(ctx, model, settings, tokens, prompt), of_answer)
            << name_of(config.model_type) << " " << name_of(precision.activation) << " prompt " << prompt;
      }
    }
}

void check_crowd(const Config& config, const Precision& precision, AttentionForm form, int threads,
                 std::optional<DType> cache_type = {}) {
  const TestContext ctx(cpu_backend(), threads);
  Model model(ctx, config, precision, 128);
  model.weights().initialise(ctx, 0.3);
  const Crowd crowd = random_crowd(5, 64, config.vocab_size, 20);
  const DType cache = cache_type.value_or(precision.activation);
  std::vector<Made> expected;
  for (const Request& r : crowd.requests)
    expected.push_back(alone(ctx, model, {.max_context = 128, .page = 128, .cache = cache, .form = form}, r));
  struct Load {
    int64_t sequences, tokens, page, cache_tokens;
  };
  for (const Load& l : {Load{64, 512, 16, 8192}, {7, 7, 4, 400}, {3, 11, 2, 160}, {1, 5, 8, 128}}) {
    Engine engine(ctx, model,
                  {.max_context = 128,
                   .cache_tokens = l.cache_tokens,
                   .max_sequences = l.sequences,
                   .max_tokens = l.tokens,
                   .page = l.page,
                   .cache = cache,
                   .form = form});
    const std::vector<Made> made = together(ctx, engine, crowd);
    for (size_t i = 0; i < made.size(); ++i)
      EXPECT_TRUE(made[i] == expected[i]) << "request " << i << " with " << l.sequences << " sequences, page " << l.page
                                          << ", " << name_of(cache) << ", form " << int(form);
    EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
    EXPECT_LT(engine.tokens_computed(), [&] {  // beginnings were shared
      int64_t n = 0;
      for (size_t i = 0; i < made.size(); ++i) n += int64_t(crowd.requests[i].prompt.size() + made[i].tokens.size());
      return n;
    }());
  }
}

TEST(Engine, ACrowdIsEachAloneMlaMoe) { check_crowd(tiny_v3(), Precision::bf16(), AttentionForm::by_role, 2); }
TEST(Engine, ACrowdIsEachAloneMlaMoeF32) { check_crowd(tiny_v2(), Precision::f32(), AttentionForm::by_role, 1); }
TEST(Engine, ACrowdIsEachAloneMlaDense) {
  Config dense = tiny_v3();
  dense.n_routed_experts = 0;
  check_crowd(dense, Precision::bf16(), AttentionForm::by_role, 3);
}
// One copy of the weights, in the format of the products.
TEST(Engine, ACrowdIsEachAloneFrozen) {
  check_crowd(tiny_v3(), Precision::bf16().for_inference(), AttentionForm::by_role, 2);
  check_crowd(tiny_llama(true), Precision::bf16().for_inference(), AttentionForm::by_role, 2);
}
TEST(Engine, ACrowdIsEachAloneGqa) {
  check_crowd(tiny_llama(false, true), Precision::bf16(), AttentionForm::by_role, 2);
}
TEST(Engine, ACrowdIsEachAloneGqaF32) { check_crowd(tiny_llama(true), Precision::f32(), AttentionForm::by_role, 2); }
TEST(Engine, ACrowdIsEachAloneStrict) {
  check_crowd(tiny_v3(), Precision::bf16(), AttentionForm::absorbed, 2);
  check_crowd(tiny_llama(), Precision::bf16(), AttentionForm::absorbed, 2);
}
TEST(Engine, ACrowdIsEachAloneInTrainingsForm) {
  check_crowd(tiny_v3(), Precision::bf16(), AttentionForm::training, 2);
  check_crowd(tiny_v2(), Precision::f32(), AttentionForm::training, 1);
  check_crowd(tiny_llama(true), Precision::bf16().for_inference(), AttentionForm::training, 2);
}

TEST(Engine, ACrowdIsEachAloneWithAnFp8Cache) {
  check_crowd(tiny_v3(), Precision::bf16(), AttentionForm::by_role, 2, DType::f8_e4m3);
  check_crowd(tiny_v3(), Precision::bf16().for_inference(), AttentionForm::absorbed, 3, DType::f8_e4m3);
  check_crowd(tiny_v2(), Precision::f32(), AttentionForm::by_role, 1, DType::f8_e4m3);
}

// The engine's own sampling, by one thread and by several: the tokens that one sampler draws from the same logits, and their
// log-probabilities.
TEST(Engine, ACrowdSamplesAsEachWouldAlone) {
  for (const int threads : {1, 4}) {
    const TestContext ctx(cpu_backend(), threads);
    Model model(ctx, tiny_v3(), Precision::f32(), 64);
    model.weights().initialise(ctx, 0.25);
    const EngineSettings settings{.max_context = 64, .cache_tokens = 64 * 24, .max_sequences = 24, .max_tokens = 24};
    Engine engine(ctx, model, settings);
    Crowd crowd = random_crowd(5, 24, model.config().vocab_size, 0);
    std::map<int64_t, size_t> by_id;
    std::vector<std::vector<NewToken>> made(crowd.requests.size());
    for (size_t i = 0; i < crowd.requests.size(); ++i) {
      crowd.requests[i].sampling.temperature = i % 4 == 0 ? 0 : 1.3;
      by_id[engine.add(crowd.requests[i])] = i;
    }
    while (!engine.idle())
      for (const NewToken& t : engine.step(ctx)) made[by_id.at(t.sequence)].push_back(t);
    for (size_t i = 0; i < made.size(); ++i) {
      const Request& r = crowd.requests[i];
      const Made expected = alone(ctx, model, settings, r);
      ASSERT_EQ(made[i].size(), expected.tokens.size()) << i;
      Sampler sampler;
      for (size_t t = 0; t < made[i].size(); ++t) {
        EXPECT_EQ(made[i][t].token, expected.tokens[t]) << i << " " << t;
        sampler.sample(expected.logits[t], r.sampling, r.sample_index, r.prompt.size() + t);
        EXPECT_EQ(made[i][t].log_probability, sampler.log_probability_of_last());
        EXPECT_EQ(made[i][t].log_probability<0, r.sampling.temperature> 0) << i << " " << t;
      }
    }
  }
}

// One form: the same bits wherever the prompt ends and the answer begins.
TEST(Engine, StrictHasOneFormForPromptAndAnswer) {
  const TestContext ctx(cpu_backend());
  for (const auto& [config, cache, form] : {std::tuple{tiny_v3(), DType::bf16, AttentionForm::absorbed},
                                            {tiny_v3(), DType::f8_e4m3, AttentionForm::absorbed},
                                            {tiny_llama(false, true), DType::bf16, AttentionForm::absorbed},
                                            {tiny_v3(), DType::f8_e4m3, AttentionForm::training}}) {
    Model model(ctx, config, Precision::bf16(), 64);
    model.weights().initialise(ctx, 0.25);
    const std::vector<int32_t> tokens = random_tokens(3, 40, config.vocab_size);
    const EngineSettings settings{.max_context = 64, .max_tokens = 9, .page = 8, .cache = cache, .form = form};
    const auto whole = forced_logits(ctx, model, settings, tokens, 1);
    for (const int64_t prompt : {2, 8, 17, 39, 40})
      EXPECT_EQ(forced_logits(ctx, model, settings, tokens, prompt),
                std::vector<float>(whole.begin() + (prompt - 1) * config.vocab_size, whole.end()))
          << name_of(config.model_type) << " prompt " << prompt;
  }
}

TEST(Engine, EveryAnswerSaysHowItEnded) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 16);
  model.weights().initialise(ctx, 0.3);
  const EngineSettings settings{.max_context = 16, .page = 4};
  const std::vector<int32_t> prompt{1, 2, 3};
  const Made whole = alone(ctx, model, settings, {.prompt = prompt, .max_new = 100, .sampling = {.temperature = 0}});
  EXPECT_EQ(whole.tokens.size(), 13u);
  EXPECT_EQ(whole.ending, Ending::context_full);
  EXPECT_EQ(alone(ctx, model, settings, {.prompt = prompt, .max_new = 13, .sampling = {.temperature = 0}}).ending,
            Ending::max_new);
  const Made stopped =
      alone(ctx, model, settings,
            {.prompt = prompt, .max_new = 100, .sampling = {.temperature = 0}, .stop_tokens = {99, whole.tokens[4]}});
  const auto first = std::find(whole.tokens.begin(), whole.tokens.end(), whole.tokens[4]);
  EXPECT_EQ(stopped.tokens, std::vector<int32_t>(whole.tokens.begin(), first + 1));
  EXPECT_EQ(stopped.ending, Ending::stop_token);
}

TEST(Engine, WhatCannotFitIsRefusedAndWhatDoesNotFitNowWaits) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  Engine engine(ctx, model, {.max_context = 32, .cache_tokens = 24, .max_sequences = 4, .page = 4});
  EXPECT_THROW(engine.add({.prompt = {}}), UserError);
  EXPECT_THROW(engine.add({.prompt = {1, 23}}), UserError);
  EXPECT_THROW(engine.add({.prompt = {-1}}), UserError);
  EXPECT_THROW(engine.add({.prompt = std::vector<int32_t>(32, 1)}), UserError);
  EXPECT_THROW(engine.add({.prompt = std::vector<int32_t>(20, 1), .max_new = 5}), UserError);
  EXPECT_TRUE(engine.idle());
  engine.add({.prompt = std::vector<int32_t>(10, 1), .max_new = 6});                        // 4 of the 6 pages
  const int64_t second = engine.add({.prompt = std::vector<int32_t>(9, 2), .max_new = 3});  // 3 of them
  engine.step(ctx);
  EXPECT_EQ(engine.num_running(), 1);
  EXPECT_EQ(engine.num_waiting(), 1);
  int64_t ended = 0;
  while (!engine.idle())
    for (const NewToken& t : engine.step(ctx)) ended += t.ending != Ending::none;
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(second, 2);
}

TEST(Engine, CancelledSequencesGiveTheirPagesBack) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 32, .cache_tokens = 64, .max_sequences = 2, .page = 4});
  const Request r{.prompt = random_tokens(1, 9, 23), .max_new = 20, .sampling = {.temperature = 0}};
  const int64_t a = engine.add(r), b = engine.add(r), c = engine.add(r);
  engine.step(ctx), engine.step(ctx);
  engine.cancel(a), engine.cancel(c), engine.cancel(a), engine.cancel(99);
  std::vector<int32_t> rest;
  while (!engine.idle())
    for (const NewToken& t : engine.step(ctx)) {
      EXPECT_EQ(t.sequence, b);
      rest.push_back(t.token);
    }
  EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
  const Made expected = alone(ctx, model, {.max_context = 32, .page = 8}, r);
  EXPECT_EQ(rest, std::vector<int32_t>(expected.tokens.end() - int64_t(rest.size()), expected.tokens.end()));
}

TEST(Engine, ASharedBeginningIsComputedOnce) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 64, .cache_tokens = 256, .max_sequences = 8, .page = 4});
  const std::vector<int32_t> prompt = random_tokens(2, 22, 23);
  for (uint64_t i = 0; i < 8; ++i) engine.add({.prompt = prompt, .max_new = 2, .sample_index = i});
  while (!engine.idle()) engine.step(ctx);
  EXPECT_EQ(engine.tokens_computed(), 22 + 7 * 1 + 8);  // the last token of each prompt, and one of each answer
  // Other weights: nothing of what is known holds.
  engine.weights_changed();
  engine.add({.prompt = prompt, .max_new = 1});
  engine.step(ctx);
  EXPECT_EQ(engine.tokens_computed(), 22 + 7 + 8 + 22);
}

// When the first has computed the prompt, all others come in at once.
TEST(Engine, AnswersToOnePromptBeginTogether) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 64, .cache_tokens = 64 * 12, .max_sequences = 12, .max_tokens = 256});
  std::vector<std::pair<int64_t, size_t>> told;  // from which position, how many choices
  for (uint64_t i = 0; i < 12; ++i) {
    Request r{.prompt = random_tokens(2, 20, 23), .max_new = 3, .sample_index = i};
    r.on_experts = [&](int64_t position, std::span<const int32_t> e) { told.emplace_back(position, e.size()); };
    r.all_experts = i == 0;
    engine.add(std::move(r));
  }
  engine.step(ctx);
  EXPECT_EQ(engine.num_running(), 1);
  engine.step(ctx);
  EXPECT_EQ(engine.num_running(), 12);
  EXPECT_EQ(engine.tokens_computed(), 20 + 1 + 11);
  ASSERT_EQ(told.size(), 13u);
  const size_t each = size_t(engine.experts_per_token());
  EXPECT_EQ(each, 4u);
  EXPECT_EQ(told[0], std::pair(int64_t(0), 20 * each));
  size_t last = 0;
  for (size_t i = 1; i < told.size(); ++i) {
    EXPECT_EQ(told[i].second, each);
    last += told[i].first == 19;  // of the prompt; the first answer's next token stands at 20
  }
  EXPECT_EQ(last, 11u);
}

// Only what is known already is not waited for: the first page is, the rest is computed once.
TEST(Engine, WaitsForWhatAnotherIsAboutToCompute) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 64, .cache_tokens = 256, .max_sequences = 8, .page = 4});
  const std::vector<int32_t> prompt = random_tokens(2, 22, 23);
  engine.add({.prompt = {prompt.begin(), prompt.begin() + 5}, .max_new = 1});
  while (!engine.idle()) engine.step(ctx);
  EXPECT_EQ(engine.tokens_computed(), 5);
  for (uint64_t i = 0; i < 4; ++i) engine.add({.prompt = prompt, .max_new = 1, .sample_index = i});
  while (!engine.idle()) engine.step(ctx);
  EXPECT_EQ(engine.tokens_computed(), 5 + 17 + 3 * 1);
}

// Two that compute the same beginning at once: what follows it is known behind either.
TEST(Engine, WhatFollowsABeginningComputedTwiceIsKnown) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 64, .cache_tokens = 512, .max_sequences = 8, .page = 4});
  std::vector<int32_t> a = random_tokens(2, 18, 23), b = a;
  for (size_t i = 10; i < b.size(); ++i) b[i] = (b[i] + 1) % 23;
  for (const auto& prompt : {a, b}) {
    Request r{.prompt = prompt, .max_new = 1};
    r.on_experts = [](int64_t, std::span<const int32_t>) {};  // of every token: computed, whatever is known
    engine.add(std::move(r));
  }
  for (const auto& prompt : {a, b, b}) engine.add({.prompt = prompt, .max_new = 1});
  while (!engine.idle()) engine.step(ctx);
  EXPECT_EQ(engine.tokens_computed(), 2 * 18 + 3 * 1);
}

// Prompts come together until the step is full, also when they are longer together than a context.
TEST(Engine, ShortPromptsShareAStep) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model,
                {.max_context = 32, .cache_tokens = 640, .max_sequences = 10, .max_tokens = 100, .page = 4});
  for (uint64_t i = 0; i < 10; ++i) engine.add({.prompt = random_tokens(i, 12, 23), .max_new = 2});
  engine.step(ctx);
  EXPECT_EQ(engine.tokens_computed(), 100);
  engine.step(ctx);
  EXPECT_EQ(engine.tokens_computed(), 100 + 20 + 8);
}

// Chosen experts of every token, prompt and answer: those of the router in training.
TEST(Engine, ReportsTheExpertsChosen) {
  const TestContext ctx(cpu_backend());
  const Config config = tiny_v3();
  Model model(ctx, config, Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  const std::vector<int32_t> prompt = random_tokens(2, 11, 23);
  std::map<int64_t, std::vector<int32_t>> chosen;  // by position: [layers, K]
  Engine engine(ctx, model, {.max_context = 64, .max_sequences = 2, .max_tokens = 4, .page = 4});
  engine.add({.prompt = random_tokens(3, 6, 23), .max_new = 9});
  Request r{.prompt = prompt, .max_new = 5, .sampling = {.temperature = 0}};
  r.on_experts = [&](int64_t position, std::span<const int32_t> experts) {
    ASSERT_EQ(experts.size() % 4, 0u);
    for (size_t i = 0; i < experts.size() / 4; ++i)
      EXPECT_TRUE(chosen
                      .emplace(position + int64_t(i), std::vector<int32_t>(experts.begin() + ptrdiff_t(i * 4),
                                                                           experts.begin() + ptrdiff_t(i * 4 + 4)))
                      .second);
  };
  std::vector<int32_t> tokens = prompt;
  for (const int32_t t : generate(ctx, engine, r, [](const NewToken&) { return true; })) tokens.push_back(t);
  tokens.pop_back();  // the last one was never an input
  const std::vector<int64_t> n{int64_t(tokens.size())};
  Arena arena(ctx.backend().memory(), model.saved_bytes(n, false));
  const ModelSaved saved = model.lay_out_saved(arena, n, false);
  BatchBuffers buffers(ctx, n[0], 0);
  model.forward(ctx, buffers.fill(ctx, tokens, std::vector<int32_t>(tokens.size(), -1), 1, n[0]), saved);
  ASSERT_EQ(chosen.size(), tokens.size());
  for (int64_t l = 0; l < 2; ++l) {
    const Operand& expert = saved.blocks[size_t(l + 1)].moe.router.expert;
    std::vector<int32_t> host(size_t(expert.size()));
    ctx.backend().download(ctx, {.device = expert, .host = host.data()});
    for (size_t t = 0; t < tokens.size(); ++t)
      for (size_t k = 0; k < 2; ++k)
        EXPECT_EQ(chosen.at(int64_t(t))[size_t(l) * 2 + k], host[t * 2 + k]) << "layer " << l << " token " << t;
  }
}

TEST(Engine, LogProbabilitiesOnRequest) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 64});
  Made made;
  Request r{.prompt = {1, 2}, .max_new = 3, .sampling = {.temperature = 0}, .top_log_probabilities = 2};
  generate(ctx, engine, recording(r, made), [&](const NewToken& t) {
    const LogProbabilities expected = log_probabilities(made.logits.back(), t.token, 2);
    EXPECT_EQ(t.log_probabilities.chosen, expected.chosen);
    EXPECT_EQ(t.log_probabilities.top, expected.top);
    EXPECT_EQ(t.log_probabilities.top[0].first, t.token);
    return true;
  });
  EXPECT_EQ(made.logits.size(), 3u);
}

// Only what may come comes, whatever else runs; what is asked is asked in order, with the answer so far; the model's own probabilities
// stay what they are.
TEST(Engine, AConstraintDecidesWhatMayCome) {
  const TestContext ctx{cpu_backend()};
  const Config config = tiny_v3();
  Model model(ctx, config, Precision::bf16(), 64);
  model.weights().initialise(ctx, 0.3);
  const EngineSettings settings{.max_context = 64, .cache_tokens = 640, .max_sequences = 8};
  const auto request = [&](uint64_t seed, double temperature) {
    return Request{.prompt = random_tokens(seed, 5, config.vocab_size),
                   .max_new = 12,
                   .sampling = {.temperature = temperature, .seed = seed},
                   .top_log_probabilities = 1};
  };
  const auto made = [&](const std::vector<Request>& requests) {
    Engine engine(ctx, model, settings);
    std::map<int64_t, size_t> number;
    std::vector<std::vector<NewToken>> all(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) number[engine.add(requests[i])] = i;
    while (!engine.idle())
      for (const NewToken& t : engine.step(ctx)) all[number.at(t.sequence)].push_back(t);
    return all;
  };
  std::vector<Request> free, constrained;
  std::vector<std::vector<int32_t>> asked(6);
  for (uint64_t i = 0; i < 6; ++i) {
    free.push_back(request(i, i % 2 ? 1.0 : 0.0));
    constrained.push_back(free.back());
    constrained.back().constrain = [&asked, i](std::span<const int32_t> answer, std::span<float> logits) {
      EXPECT_TRUE(
          std::equal(answer.begin(), answer.end() - (answer.empty() ? 0 : 1), asked[i].begin(), asked[i].end()));
      asked[i].assign(answer.begin(), answer.end());
      for (size_t t = answer.size() % 2; t < logits.size(); t += 2) logits[t] = -INFINITY;  // odd, even, odd …
    };
  }
  const auto without = made(free);
  const auto with = made(constrained);
  for (size_t i = 0; i < with.size(); ++i) {
    ASSERT_EQ(with[i].size(), 12u);
    for (size_t n = 0; n < with[i].size(); ++n) EXPECT_EQ(with[i][n].token % 2, int32_t(1 - n % 2)) << i << " " << n;
    // The first token's probabilities are of the same logits.
    EXPECT_EQ(with[i][0].log_probabilities.top, without[i][0].log_probabilities.top);
    asked[i].clear();
    EXPECT_EQ(made({constrained[i]})[0].back().token, with[i].back().token) << "alone";
  }
  // One that forbids nothing changes nothing.
  for (Request& r : constrained) r.constrain = [](std::span<const int32_t>, std::span<float>) {};
  const auto same = made(constrained);
  for (size_t i = 0; i < same.size(); ++i)
    for (size_t n = 0; n < 12; ++n) {
      EXPECT_EQ(same[i][n].token, without[i][n].token);
      EXPECT_EQ(same[i][n].log_probability, without[i][n].log_probability);
    }
}

TEST(Engine, RunsOnThePoisonBackend) {
  const auto run = [](const Context& ctx) {
    Model model(ctx, tiny_v3(), Precision::bf16().for_inference(), 64);
    model.weights().initialise(ctx, 0.3);
    Engine engine(
        ctx, model,
        {.max_context = 64, .cache_tokens = 128, .max_sequences = 3, .max_tokens = 6, .page = 4, .cache = DType::bf16});
    std::vector<Made> made = together(ctx, engine, random_crowd(3, 6, 23, 9));
    return made;
  };
  PoisonBackend poison(cpu_backend());
  EXPECT_TRUE(run(TestContext(poison)) == run(TestContext(cpu_backend())));
}

}  // namespace
}  // namespace minke
