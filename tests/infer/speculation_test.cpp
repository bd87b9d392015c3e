// Speculation changes how fast a text comes, never the text: with a module that is always right, never, or sometimes. And the
// module's cache holds what training would compute, shared beginnings included.
#include "infer/speculation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "infer/memory.h"
#include "model/checkpoint.h"
#include "support/crowd.h"
#include "support/filled_module.h"
#include "support/poison.h"

namespace minke {
namespace {

using namespace test;

constexpr Precision kF32 = Precision::f32();

EngineSettings with(EngineSettings s, SpeculationMode mode, int64_t drafts) {
  s.speculation = mode, s.drafts = drafts;
  return s;
}

struct Text {
  std::vector<int32_t> tokens, experts;
  std::vector<double> log_probabilities;
  Ending ending = Ending::none;
  bool operator==(const Text&) const = default;
};

// All requests at once; every one is told its experts, position by position.
std::vector<Text> texts(const Context& ctx, Engine& engine, std::vector<Request> requests) {
  std::vector<Text> all(requests.size());
  std::map<int64_t, size_t> by_id;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].on_experts = [&, i](int64_t position, std::span<const int32_t> experts) {
      const size_t layers = 2, choices = 2;  // of tiny_v3
      EXPECT_EQ(size_t(position) * layers * choices, all[i].experts.size());
      all[i].experts.insert(all[i].experts.end(), experts.begin(), experts.end());
    };
    requests[i].top_log_probabilities = 1;
    by_id[engine.add(requests[i])] = i;
  }
  while (!engine.idle())
    for (const NewToken& t : engine.step(ctx)) {
      Text& text = all[by_id.at(t.sequence)];
      EXPECT_EQ(text.ending, Ending::none);
      text.tokens.push_back(t.token);
      text.log_probabilities.push_back(t.log_probabilities.chosen);
      text.ending = t.ending;
    }
  EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
  return all;
}

std::vector<Request> many_kinds() {
  std::vector<Request> requests;
  for (int64_t i = 0; i < 12; ++i) {
    Request r{.prompt = random_tokens(uint64_t(i), 1 + 3 * i, 23), .max_new = 1 + 5 * (i % 7)};
    r.sampling.temperature = i % 3 == 0 ? 0 : 0.9;
    r.sample_index = uint64_t(i);
    if (i % 4 == 1) r.sampling.repetition_penalty = 1.3, r.sampling.frequency_penalty = 0.4;
    if (i % 4 == 2) r.sampling.top_k = 5, r.sampling.presence_penalty = 0.7, r.sampling.logit_bias = {{3, 1.5}};
    if (i % 4 == 3) r.stop_tokens = {2, 5, 7, 11};
    requests.push_back(r);
  }
  requests.push_back({.prompt = {1, 2}, .max_new = 1000, .sampling = {.temperature = 0}});  // to the end of the context
  return requests;
}

TEST(Speculation, TheTextIsThatOfPlainGeneration) {
  const TestContext ctx(cpu_backend(), 2);
  Config dense = tiny_v3(1), gqa = tiny_llama();
  dense.n_routed_experts = 0;
  gqa.num_nextn_predict_layers = 1;
  for (const Config& config : {tiny_v3(1), dense, gqa})
    for (const Module module : {Module::right, Module::wrong, Module::sometimes})
      for (const AttentionForm form : kForms) {
        const bool frozen = (form != AttentionForm::by_role) == (module == Module::sometimes);
        const Precision precision = frozen ? Precision::bf16().for_inference() : kF32;
        Model model(ctx, config, precision, 64);
        fill(ctx, model, module);
        const EngineSettings plain{.max_context = 64,
                                   .cache_tokens = 600,
                                   .max_sequences = 5,
                                   .max_tokens = 20,
                                   .page = 4,
                                   .cache = frozen ? DType::bf16 : DType::f32,
                                   .form = form};
        Engine engine(ctx, model, plain);
        const auto expected = texts(ctx, engine, many_kinds());
        for (const auto& [mode, drafts] : {std::pair(SpeculationMode::mtp, 1),
                                           {SpeculationMode::mtp, 2},
                                           {SpeculationMode::mtp, 3},
                                           {SpeculationMode::automatic, 1}}) {
          Engine speculative(ctx, model, with(plain, mode, drafts));
          const auto made = texts(ctx, speculative, many_kinds());
          for (size_t i = 0; i < made.size(); ++i)
            EXPECT_TRUE(made[i] == expected[i])
                << "request " << i << ", " << drafts << " drafts, module " << int(module) << ", form " << int(form);
          const SpeculationCounts& counts = speculative.speculation()->counts();
          if (mode == SpeculationMode::automatic) continue;
          EXPECT_GT(counts.drafted, 50);
          if (module == Module::sometimes) {
            EXPECT_GT(counts.acceptance(), 0.05);
            EXPECT_LT(counts.acceptance(), 0.9);
          }
        }
      }
}

// Logits too, where requests come and go, prompts are cut, and beginnings are shared.
void check_crowd(DType cache) {
  const TestContext ctx(cpu_backend(), 2);
  Model model(ctx, tiny_v3(1), Precision::bf16(), 128);
  fill(ctx, model, Module::sometimes);
  const Crowd crowd = random_crowd(5, 48, 23, 20);
  for (const AttentionForm form : kForms) {
    const EngineSettings plain{.max_context = 128, .page = 128, .cache = cache, .form = form};
    std::vector<Made> expected;
    for (const Request& r : crowd.requests) expected.push_back(alone(ctx, model, plain, r));
    struct Load {
      int64_t sequences, tokens, page, cache_tokens, drafts;
    };
    for (const Load& l : {Load{48, 512, 16, 8192, 1}, {7, 14, 4, 400, 1}, {3, 11, 2, 160, 2}, {1, 5, 8, 128, 3}}) {
      Engine engine(ctx, model,
                    {.max_context = 128,
                     .cache_tokens = l.cache_tokens,
                     .max_sequences = l.sequences,
                     .max_tokens = l.tokens,
                     .page = l.page,
                     .cache = cache,
                     .form = form,
                     .speculation = SpeculationMode::mtp,
                     .drafts = l.drafts});
      const std::vector<Made> made = together(ctx, engine, crowd);
      for (size_t i = 0; i < made.size(); ++i)
        EXPECT_TRUE(made[i] == expected[i]) << "request " << i << ", page " << l.page << ", form " << int(form);
      EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
      EXPECT_GT(engine.speculation()->counts().accepted, 0);
    }
  }
}
TEST(Speculation, ACrowdIsEachAloneWithout) { check_crowd(DType::bf16); }
TEST(Speculation, ACrowdIsEachAloneWithoutWithAnFp8Cache) { check_crowd(DType::f8_e4m3); }

// A module that is always right gives 1 + drafts tokens a step, one that never is gives one; no step goes beyond the limit.
TEST(Speculation, CountsAndSteps) {
  const TestContext ctx(cpu_backend());
  for (const int64_t drafts : {1, 3})
    for (const Module module : {Module::right, Module::wrong}) {
      Model model(ctx, tiny_v3(1), kF32, 64);
      fill(ctx, model, module);
      Engine engine(ctx, model, {.max_context = 64, .page = 4, .speculation = SpeculationMode::mtp, .drafts = drafts});
      engine.add({.prompt = {1, 2, 3}, .max_new = 25, .sampling = {.temperature = 0}});
      std::vector<size_t> tokens;
      while (!engine.idle()) tokens.push_back(engine.step(ctx).size());
      const SpeculationCounts& c = engine.speculation()->counts();
      EXPECT_EQ(tokens[0], 1u);  // the prompt's
      if (module == Module::right) {
        EXPECT_EQ(c.acceptance(), 1);
        EXPECT_EQ(c.tokens_per_step(), double(1 + drafts));
        for (size_t i = 1; i < tokens.size(); ++i) EXPECT_EQ(tokens[i], 1 + size_t(drafts));
      } else {
        EXPECT_EQ(c.accepted, 0);
        EXPECT_EQ(c.tokens_per_step(), 1);
        EXPECT_EQ(tokens.size(), 25u);
        // The last token has no draft, and those before it no more than leave room for one token.
        EXPECT_EQ(c.drafted, drafts == 1 ? 23 : 3 * 21 + 2 + 1);
      }
    }
}

// [T,V] of the model, and of the module: row i is of the token at i + 1, or i + 2.
struct Logits {
  std::vector<float> model, module;
};
Logits training_logits(const Context& ctx, const Model& model, const std::vector<int32_t>& tokens) {
  const int64_t t = int64_t(tokens.size()), v = model.config().vocab_size;
  const std::vector<int64_t> n{t, t - 1};
  Arena arena(ctx.backend->memory(), model.saved_bytes(n, false));
  const ModelSaved saved = model.lay_out_saved(arena, n, false);
  BatchBuffers buffers(ctx, t, 1);
  model.forward(ctx, buffers.fill(ctx, tokens, std::vector<int32_t>(tokens.size(), -1), 1, t), saved);
  Logits logits{std::vector<float>(size_t(t * v)), std::vector<float>(size_t((t - 1) * v))};
  model.head().logits_to_host(ctx, saved.h, logits.model.data());
  model.head().logits_to_host(ctx, saved.mtp[0].h, logits.module.data());
  return logits;
}

int32_t top(const std::vector<float>& logits, int64_t row, int64_t vocab) {
  const auto begin = logits.begin() + row * vocab;
  return int32_t(std::max_element(begin, begin + vocab) - begin);
}

// A text in which the module, as training computes it, is right about two of three tokens that the beginning leaves open.
std::vector<int32_t> often_expected(const Context& ctx, const Model& model, const std::vector<int32_t>& beginning,
                                    int64_t length) {
  std::vector<int32_t> tokens = beginning;
  for (const int32_t t : random_tokens(4, length - int64_t(beginning.size()), model.config().vocab_size)) {
    tokens.push_back(t);
    const int64_t count = int64_t(tokens.size());
    if (count % 3 != 0 && count > int64_t(beginning.size()) + 1) {
      tokens.back() = 0;
      tokens.back() = top(training_logits(ctx, model, tokens).module, count - 3, model.config().vocab_size);
    }
  }
  return tokens;
}

SpeculationCounts expected_counts(const Context& ctx, const Model& model, const std::vector<int32_t>& tokens,
                                  int64_t prompt) {
  const std::vector<float> module = training_logits(ctx, model, tokens).module;
  SpeculationCounts counts;
  for (int64_t known = prompt + 1; known + 1 < int64_t(tokens.size()); ++known) {
    ++counts.drafted;
    if (top(module, known - 2, model.config().vocab_size) != tokens[size_t(known)]) continue;
    ++counts.accepted;
    ++known;
  }
  return counts;
}

// Drafts are those of the module as it was trained: whatever the cut of the prompt, and where it begins as others did. The
// beginnings part at the end of a page, in front of it and behind it: there the module's slot depends on a token that differs.
TEST(Speculation, DraftsAreThoseOfTraining) {
  const TestContext ctx(cpu_backend());
  Config dense = tiny_v3(1);
  dense.n_routed_experts = 0;
  for (const Config& config : {tiny_v3(1), dense}) {
    Model model(ctx, config, kF32, 64);
    model.weights().initialise(ctx, 0.3);
    const std::vector<int32_t> beginning = random_tokens(8, 16, 23);
    std::vector<std::vector<int32_t>> all;
    for (const size_t shared : {16, 13, 12, 11, 9, 8, 7, 4, 1}) {
      std::vector<int32_t> own(beginning.begin(), beginning.begin() + ptrdiff_t(shared));
      while (own.size() < 16) own.push_back((beginning[own.size()] + 1 + int32_t(own.size() % 3)) % 23);
      all.push_back(often_expected(ctx, model, own, 40));
    }
    for (const AttentionForm form : kForms) {
      Engine engine(ctx, model,
                    {.max_context = 64,
                     .cache_tokens = 1024,
                     .max_tokens = 7,
                     .page = 4,
                     .form = form,
                     .speculation = SpeculationMode::mtp});
      for (const std::vector<int32_t>& tokens : all)
        for (const int64_t prompt : {16, 17, 20, 16}) {
          const SpeculationCounts before = engine.speculation()->counts();
          Request r{.prompt = {tokens.begin(), tokens.begin() + prompt}, .max_new = int64_t(tokens.size()) - prompt};
          r.choose = [&](std::span<const float>, int64_t position) { return tokens[size_t(position)]; };
          generate(ctx, engine, r, [](const NewToken&) { return true; });
          const SpeculationCounts made = engine.speculation()->counts().since(before),
                                  expected = expected_counts(ctx, model, tokens, prompt);
          EXPECT_EQ(made.drafted, expected.drafted) << "prompt " << prompt << ", form " << int(form);
          EXPECT_EQ(made.accepted, expected.accepted) << "prompt " << prompt << ", form " << int(form);
          EXPECT_GT(made.accepted, 3);
          EXPECT_LT(made.acceptance(), 1);
        }
      EXPECT_LT(engine.tokens_computed(), int64_t(2) * 9 * 4 * 40);  // beginnings were shared
    }
  }
}

// The sum of (seen − expected)² / expected, and a bound that 22 degrees of freedom exceed once in a million (Wilson, Hilferty).
double chi_square(const std::vector<int64_t>& seen, const std::vector<double>& probability, int64_t count) {
  double sum = 0;
  for (size_t i = 0; i < seen.size(); ++i) {
    const double expected = probability[i] * double(count);
    sum += (double(seen[i]) - expected) * (double(seen[i]) - expected) / expected;
  }
  return sum;
}
constexpr double kOnceInAMillion = 69.5;

std::vector<double> softmax(const std::vector<float>& logits, int64_t row, int64_t vocab, double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i)
    sum += p.emplace_back(std::exp(double(logits[size_t(row * vocab + i)]) / temperature));
  for (double& x : p) x /= sum;
  return p;
}

// Over many samples, the tokens of an answer have the distribution that the model's own probabilities give: at positions that
// were drafted, the accepted and the rejected together. Three mistakes are seen by the same bound.
TEST(Speculation, SamplesHaveThePlainDistribution) {
  const TestContext ctx(cpu_backend(), 2);
  const int64_t v = 23, count = 10000;
  Model model(ctx, tiny_v3(1), kF32, 64);
  fill(ctx, model, Module::right);
  // The next token depends on the last one alone; the module's probabilities are near the model's, not the same.
  const int64_t d = model.config().hidden_size;
  const RngKey key = RngKey{.seed = 1}.at("eh");
  set(ctx, *model.weights().get("lm_head"), [&](int64_t i) { return float(key.at("head").normal(uint64_t(i))); });
  set(ctx, *model.weights().get("layers.3.eh_proj"), [&](int64_t i) {
    const int64_t row = i / (2 * d), column = i % (2 * d);
    return column < d ? float((row == column) + 0.15 * key.normal(uint64_t(i))) : 0.0f;
  });
  std::vector<int32_t> each(23);
  for (int32_t t = 0; t < 23; ++t) each[size_t(t)] = t;
  each.push_back(0);  // the module's row of token t is at t − 1
  const Logits logits = training_logits(ctx, model, each);
  const auto module_row = [&](int64_t t) { return t == 0 ? v - 1 : t - 1; };
  // From a distribution over tokens, that of the next token.
  const auto next = [&](const std::vector<double>& p, bool module, double temperature) {
    std::vector<double> q(size_t(v), 0.0);
    for (int64_t t = 0; t < v; ++t) {
      const auto row =
          module ? softmax(logits.module, module_row(t), v, temperature) : softmax(logits.model, t, v, temperature);
      for (int64_t i = 0; i < v; ++i) q[size_t(i)] += p[size_t(t)] * row[size_t(i)];
    }
    return q;
  };
  const double temperature = 0.8;
  std::vector<double> start(size_t(v), 0.0);
  start[5] = 1;
  std::vector<std::vector<double>> expected{next(start, false, temperature)};
  for (int i = 1; i < 5; ++i) expected.push_back(next(expected.back(), false, temperature));

  for (const int64_t drafts : {1, 2}) {
    Engine engine(ctx, model,
                  {.max_context = 8,
                   .cache_tokens = 64 * 8,
                   .max_sequences = 64,
                   .page = 8,
                   .speculation = SpeculationMode::mtp,
                   .drafts = drafts});
    std::vector<std::vector<int64_t>> seen(5, std::vector<int64_t>(size_t(v), 0));
    std::map<int64_t, size_t> made;
    for (int64_t i = 0; i < count; ++i)
      engine.add({.prompt = {5},
                  .max_new = 5,
                  .sampling = {.temperature = temperature, .seed = 7},
                  .sample_index = uint64_t(i)});
    while (!engine.idle())
      for (const NewToken& t : engine.step(ctx)) ++seen[made[t.sequence]++][size_t(t.token)];
    EXPECT_GT(engine.speculation()->counts().acceptance(), 0.2);
    EXPECT_LT(engine.speculation()->counts().acceptance(), 0.95);
    for (size_t i = 0; i < 5; ++i) EXPECT_LT(chi_square(seen[i], expected[i], count), kOnceInAMillion) << "token " << i;
    // The bound sees a draft that is taken without being checked, one that is taken from the module where it was rejected, and
    // another temperature.
    EXPECT_GT(chi_square(seen[2], next(expected[1], true, temperature), count), kOnceInAMillion);
    EXPECT_GT(chi_square(seen[2], next(expected[1], false, 1.2 * temperature), count), kOnceInAMillion);
  }
}

TEST(Speculation, LoadsOneModuleOfAPublishedFolder) {
  const TestContext ctx(cpu_backend());
  for (const char* name : {"v3-mtp", "v3-mtp2"}) {
    const CheckpointFiles files = open_checkpoint(MINKE_SOURCE_DIR "/tests/golden/" + std::string(name), 1);
    EXPECT_EQ(files.config.num_nextn_predict_layers, 1);
    Model model(ctx, files.config, Precision::f32().for_inference(), 64);
    load_weights(ctx, model, files.weights);
    const EngineSettings plain{.max_context = 64, .page = 8};
    Engine without(ctx, model, plain), engine(ctx, model, with(plain, SpeculationMode::mtp, 1));
    const Request r{.prompt = {1, 2, 3, 4, 5}, .max_new = 40, .sampling = {.temperature = 0}};
    const auto each = [](const NewToken&) { return true; };
    EXPECT_EQ(generate(ctx, engine, r, each), generate(ctx, without, r, each)) << name;
    EXPECT_GT(engine.speculation()->counts().drafted, 10);
  }
}

TEST(Speculation, EndsWithinAStepWhereTheCallerWants) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(1), kF32, 64);
  fill(ctx, model, Module::right);
  Engine engine(ctx, model, {.max_context = 64, .page = 4, .speculation = SpeculationMode::mtp, .drafts = 3});
  const Request r{.prompt = {1, 2, 3}, .max_new = 20, .sampling = {.temperature = 0}};
  for (const int64_t wanted : {1, 2, 3, 4, 5, 6}) {
    int64_t given = 0;
    const auto made = generate(ctx, engine, r, [&](const NewToken&) { return ++given < wanted; });
    EXPECT_EQ(given, wanted);
    EXPECT_EQ(int64_t(made.size()), wanted);
    EXPECT_TRUE(engine.idle());
    EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
  }
}

// Where every token chooses the same two experts, of the model's layers and of the module's, all bytes are known. A module that is
// never right takes one row of each step, one that always is takes two; the last step has no draft after it.
TEST(Speculation, BytesOfTheModule) {
  const TestContext ctx(cpu_backend());
  for (const Module module : {Module::wrong, Module::right}) {
    Model model(ctx, tiny_v3(1), kF32, 64);
    fill(ctx, model, module);
    int64_t routers = 0;
    for (Weight& w : model.weights().all())
      if (w.storage().name.find("bias") != std::string::npos)
        set(ctx, w, [](int64_t expert) { return expert < 2 ? 10.0f : 0.0f; }), ++routers;
    ASSERT_EQ(routers, 3);
    const WeightBytes w = weight_bytes(model);
    Engine engine(ctx, model, {.max_context = 64, .page = 4, .speculation = SpeculationMode::mtp});
    const int64_t kept = module == Module::right ? 2 : 1;
    generate(ctx, engine, {.prompt = {1}, .max_new = module == Module::right ? 41 : 22, .sampling = {.temperature = 0}},
             [](const NewToken&) { return true; });
    const SpeculationCounts& c = engine.speculation()->counts();
    EXPECT_EQ(c.steps, 20);
    EXPECT_EQ(c.tokens, 20 * kept);
    const double plain = 20 * (w.all_tokens + w.token + 4 * w.one_expert[0]),
                 passes = 20 * (w.mtp + 2 * w.mtp_expert + double(kept) * w.token) + 19 * w.head;
    EXPECT_DOUBLE_EQ(c.plain_bytes, plain);
    EXPECT_DOUBLE_EQ(c.bytes, plain + 20 * w.token + passes);
  }
}

TEST(Speculation, TakesALayerAndTheModuleOfMemory) {
  const TestContext ctx(cpu_backend());
  const Precision precision = Precision::bf16().for_inference();
  const EngineSettings plain{
      .max_context = 64, .cache_tokens = 256, .max_sequences = 3, .page = 4, .cache = DType::bf16};
  const InferenceMemory off = inference_memory(ctx, tiny_v3(0), precision, plain),
                        on = inference_memory(ctx, tiny_v3(1), precision, with(plain, SpeculationMode::mtp, 1));
  EXPECT_EQ(on.cache, off.cache * 4 / 3);
  EXPECT_GT(on.weights, off.weights + 2 * (10 * 20 + 7 * 3 * 10 * 6));  // eh_proj and seven experts
  EXPECT_GT(on.buffers, off.buffers);
}

TEST(Speculation, ScratchIsWhatTheDryRunSays) {
  for (const AttentionForm form : kForms)
    for (const int64_t drafts : {1, 3}) {
      const TestContext ctx(cpu_backend());
      const EngineSettings settings{.max_context = 64,
                                    .cache_tokens = 256,
                                    .max_sequences = 5,
                                    .max_tokens = 24,
                                    .page = 4,
                                    .form = form,
                                    .speculation = SpeculationMode::mtp,
                                    .drafts = drafts};
      expect_planned_scratch(ctx, tiny_v3(1), settings,
                             [](const Context& c, Model& model) { fill(c, model, Module::sometimes); });
    }
}

TEST(Speculation, RunsOnThePoisonBackend) {
  const auto run = [](const Context& ctx) {
    Model model(ctx, tiny_v3(1), Precision::bf16().for_inference(), 64);
    model.weights().initialise(ctx, 0.3);
    Engine engine(ctx, model,
                  {.max_context = 64,
                   .cache_tokens = 128,
                   .max_sequences = 3,
                   .max_tokens = 9,
                   .page = 4,
                   .cache = DType::bf16,
                   .speculation = SpeculationMode::mtp,
                   .drafts = 2});
    return together(ctx, engine, random_crowd(3, 6, 23, 9));
  };
  PoisonBackend poison(cpu_backend());
  EXPECT_TRUE(run(TestContext(poison)) == run(TestContext(cpu_backend())));
}

// A beginning that was computed for a request without drafts has nothing in the module's cache: who goes on from it, from whole pages
// or from a part of one, has none either; all others have.
TEST(Speculation, WhatTheModuleHasNotSeenIsNotDraftedFrom) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(1), kF32, 64);
  fill(ctx, model, Module::right);
  const std::vector<int32_t> begin = random_tokens(1, 15, 23);
  struct Case {
    bool first_has_drafts;
    int64_t shared;
    bool drafts;
  };
  for (const Case& c : {Case{false, 15, false},
                        {false, 13, false},
                        {false, 3, false},
                        {false, 0, true},
                        {true, 15, true},
                        {true, 13, true},
                        {true, 3, true}}) {
    Engine engine(ctx, model, {.max_context = 64, .cache_tokens = 128, .page = 4, .speculation = SpeculationMode::mtp});
    const auto drafted = [&](const std::vector<int32_t>& prompt, bool drafts) {
      const int64_t before = engine.speculation()->counts().drafted;
      generate(ctx, engine, {.prompt = prompt, .max_new = 9, .sampling = {.temperature = 0}, .drafts = drafts},
               [](const NewToken&) { return true; });
      return engine.speculation()->counts().drafted - before;
    };
    EXPECT_EQ(drafted(begin, c.first_has_drafts) > 0, c.first_has_drafts);
    std::vector<int32_t> next(begin.begin(), begin.begin() + c.shared);
    for (int32_t i = 0; i < 5; ++i) next.push_back((begin[size_t(c.shared) % 15] + 1 + i) % 23);
    EXPECT_EQ(drafted(next, true) > 0, c.drafts) << c.first_has_drafts << " " << c.shared;
  }
}

// A draft is drawn as the token at its place will be: with what penalties and bias make of the logits by then.
TEST(Speculation, DraftsAreDrawnWithTheSettingsOfTheRequest) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(1), kF32, 64);
  fill(ctx, model, Module::right);
  const std::vector<SamplingSettings> settings{
      {.temperature = 0, .repetition_penalty = 1.5},
      {.temperature = 0, .presence_penalty = 0.7, .frequency_penalty = 0.4},
      {.temperature = 0.9, .seed = 8},
      {.temperature = 0.9, .frequency_penalty = 0.6, .logit_bias = {{3, 1.5}}, .seed = 9},
      {.temperature = 1.5, .top_k = 6, .repetition_penalty = 1.3, .seed = 5}};
  for (size_t i = 0; i < settings.size(); ++i) {
    Engine engine(ctx, model, {.max_context = 64, .page = 4, .speculation = SpeculationMode::mtp});
    for (const uint64_t index : {0u, 7u})
      generate(ctx, engine,
               {.prompt = {1, 2, 3, 4, 5, 6, 7, 8}, .max_new = 50, .sampling = settings[i], .sample_index = index},
               [](const NewToken&) { return true; });
    EXPECT_GT(engine.speculation()->counts().drafted, 40);
    EXPECT_EQ(engine.speculation()->counts().acceptance(), 1) << i;
  }
  // Further drafts each with the number of its own place.
  Engine engine(ctx, model, {.max_context = 64, .page = 4, .speculation = SpeculationMode::mtp, .drafts = 3});
  generate(ctx, engine, {.prompt = {1, 2, 3}, .max_new = 60, .sampling = {.temperature = 0.9, .seed = 8}},
           [](const NewToken&) { return true; });
  EXPECT_GT(engine.speculation()->counts().drafted, 40);
  EXPECT_EQ(engine.speculation()->counts().acceptance(), 1);
}

}  // namespace
}  // namespace minke
