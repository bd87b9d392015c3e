// What an engine plans and what comes of it: its scratch, what just fits, pages that are promised, the largest steps, beginnings that
// are assumed to be known.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <optional>

#include "infer/engine.h"
#include "infer/memory.h"
#include "support/crowd.h"
#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

// What the dry run says is enough: a smaller arena is too small, and this one is not.
TEST(Engine, ScratchIsWhatTheDryRunSays) {
  for (const int64_t tokens : {24, 200})  // of a step: fewer and more than a context
    for (const AttentionForm form : kForms) {
      const TestContext ctx(cpu_backend());
      const EngineSettings settings{
          .max_context = 64, .cache_tokens = 256, .max_sequences = 5, .max_tokens = tokens, .page = 4, .form = form};
      expect_planned_scratch(ctx, tiny_v3(), settings,
                             [](const Context& c, Model& model) { model.weights().initialise(c, 0.3); });
    }
}

// Up to the bounds of what is refused.
TEST(Engine, WhatJustFitsIsTaken) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 32, .cache_tokens = 24, .max_sequences = 4, .page = 4});
  EXPECT_THROW(engine.add({.prompt = {1}, .sampling = {.temperature = -1}}), UserError);
  EXPECT_NO_THROW(engine.add({.prompt = {0, 22}}));
  EXPECT_NO_THROW(engine.add({.prompt = std::vector<int32_t>(20, 1), .max_new = 4}));
  EXPECT_EQ(engine.num_waiting(), 2);
  Engine whole(ctx, model, {.max_context = 30, .page = 4});  // room for one, in whole pages
  EXPECT_EQ(whole.settings().cache_tokens, 30);
  EXPECT_EQ(whole.pool().num_pages(), 8);
  EXPECT_EQ(whole.pool().page(), 4);
  const Request r{.prompt = std::vector<int32_t>(29, 1), .max_new = 5, .sampling = {.temperature = 0}};
  EXPECT_EQ(generate(ctx, whole, r, [](const NewToken&) { return true; }).size(), 1u);
  for (const size_t longer : {30u, 31u})
    EXPECT_THROW(whole.add({.prompt = std::vector<int32_t>(longer, 1)}), UserError);
  EXPECT_EQ(Engine(ctx, model, {.max_context = 30, .cache_tokens = 33, .page = 4}).pool().num_pages(), 9);
}

// What a sequence was promised goes back with it: the next one, which needs all pages, comes in at once.
TEST(Engine, PromisedPagesComeBack) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 32, .cache_tokens = 32, .max_sequences = 4, .page = 4});
  for (int round = 0; round < 3; ++round) {
    const int64_t first = engine.add({.prompt = {1, 2, 3, 4, 5}, .max_new = 20, .sampling = {.temperature = 0}});
    engine.step(ctx), engine.step(ctx);
    EXPECT_EQ(engine.pool().num_free(), 6);        // it holds two, and is promised five more
    engine.add({.prompt = {6, 7}, .max_new = 4});  // two pages
    engine.step(ctx);
    EXPECT_EQ(engine.num_waiting(), 1) << round;
    engine.cancel(first);
    const int64_t all = engine.add({.prompt = {8, 9}, .max_new = 30});
    engine.step(ctx);
    EXPECT_EQ(engine.num_waiting(), 1) << round;
    while (engine.num_waiting() > 0) engine.step(ctx);
    EXPECT_EQ(engine.num_running(), 1);
    engine.cancel(all);
    EXPECT_TRUE(engine.idle());
    EXPECT_EQ(engine.pool().num_free(), 8);
  }
}

// A short prompt does not wait for a long one; and of many short ones the long one does not wait for all.
TEST(Engine, ShortPromptsDoNotWaitForLongOnes) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  for (const AttentionForm form : kForms) {
    Engine engine(
        ctx, model,
        {.max_context = 64, .cache_tokens = 640, .max_sequences = 9, .max_tokens = 10, .page = 4, .form = form});
    const int64_t long_one = engine.add({.prompt = random_tokens(1, 60, 23), .max_new = 1});
    engine.step(ctx);
    const int64_t short_one = engine.add({.prompt = random_tokens(2, 5, 23), .max_new = 1});
    int64_t came = 0;
    for (int i = 0; i < 2 && came == 0; ++i)
      for (const NewToken& t : engine.step(ctx)) came = t.sequence;
    EXPECT_EQ(came, short_one);
    // From now on there is always one that would fill a step.
    int steps = 0;
    for (bool is_over = false; !is_over && steps < 100; ++steps) {
      if (engine.num_running() + engine.num_waiting() < 4)
        engine.add({.prompt = random_tokens(100 + uint64_t(steps), 10, 23), .max_new = 1});
      for (const NewToken& t : engine.step(ctx)) is_over = is_over || t.sequence == long_one;
    }
    EXPECT_LE(steps, 2 * 6 + 2);
  }
}

// One that waits for what another computes keeps nobody waiting.
TEST(Engine, OthersGoBeforeOneThatWaitsForABeginning) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 64, .cache_tokens = 640, .max_sequences = 4, .max_tokens = 10, .page = 4});
  const std::vector<int32_t> prompt = random_tokens(1, 60, 23);
  for (uint64_t i = 0; i < 2; ++i) engine.add({.prompt = prompt, .max_new = 1, .sample_index = i});
  const int64_t other = engine.add({.prompt = random_tokens(2, 5, 23), .max_new = 1});
  engine.step(ctx);
  EXPECT_EQ(engine.num_running(), 2);
  EXPECT_EQ(engine.num_waiting(), 1);
  std::vector<int64_t> order;
  while (!engine.idle())
    for (const NewToken& t : engine.step(ctx)) order.push_back(t.sequence);
  ASSERT_EQ(order.size(), 3u);
  EXPECT_EQ(order[0], other);
}

// Of a caller that throws nothing stays behind.
TEST(Engine, WhatACallerThrowsEndsTheRequest) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 32, .page = 4});
  const Request r{.prompt = {1, 2, 3}, .max_new = 9, .sampling = {.temperature = 0}};
  int given = 0;
  const auto throwing = [&](const NewToken&) -> bool {
    if (++given == 3) throw std::runtime_error("enough");
    return true;
  };
  EXPECT_THROW(generate(ctx, engine, r, throwing), std::runtime_error);
  EXPECT_EQ(given, 3);
  EXPECT_TRUE(engine.idle());
  EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
  EXPECT_EQ(generate(ctx, engine, r, [](const NewToken&) { return true; }).size(), 9u);
}

// generate() is told of its own request only, whatever else runs; the other one goes on afterwards.
TEST(Engine, GeneratesBesideAnother) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  const EngineSettings settings{.max_context = 64, .cache_tokens = 128, .max_sequences = 2, .page = 4};
  const Request r{.prompt = {1, 2, 3}, .max_new = 9, .sampling = {.temperature = 0}},
      other{.prompt = {4, 5}, .max_new = 30, .sampling = {.temperature = 0}};
  Engine engine(ctx, model, settings);
  const int64_t id = engine.add(other);
  std::vector<int32_t> told;
  const auto made = generate(ctx, engine, r, [&](const NewToken& t) {
    EXPECT_NE(t.sequence, id);
    told.push_back(t.token);
    return true;
  });
  EXPECT_EQ(told, made);
  EXPECT_EQ(made, alone(ctx, model, settings, r).tokens);
  EXPECT_EQ(engine.num_running(), 1);
  int64_t rest = 0;
  while (!engine.idle()) rest += int64_t(engine.step(ctx).size());
  EXPECT_EQ(rest, 30 - 9);
}

// A step gathers no more keys than were planned for: a prompt whose beginning is known waits for the next step.
TEST(Engine, KeysOfAStepAreNoMoreThanPlanned) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 32, .cache_tokens = 128, .max_sequences = 3, .max_tokens = 16, .page = 4});
  const std::vector<int32_t> known = random_tokens(1, 8, 23);
  generate(ctx, engine, {.prompt = known}, [](const NewToken&) { return true; });
  std::vector<int32_t> longer = known;
  for (const int32_t t : random_tokens(3, 4, 23)) longer.push_back(t);
  const int64_t before = engine.tokens_computed();
  engine.add({.prompt = random_tokens(2, 28, 23), .max_new = 2, .sampling = {.temperature = 0}});
  engine.add({.prompt = longer, .max_new = 2, .sampling = {.temperature = 0}});
  const auto computed = [&] {
    engine.step(ctx);
    return engine.tokens_computed() - before;
  };
  EXPECT_EQ(computed(), 16);
  EXPECT_EQ(computed(), 16 + 4);           // the second one's last: 8 + 4 keys, and 16 + 12 more would be 40 of 32
  EXPECT_EQ(computed(), 16 + 4 + 12 + 1);  // its answer beside the first one's last
  EXPECT_EQ(computed(), 16 + 4 + 12 + 1 + 1);
  EXPECT_TRUE(engine.idle());
}

// Tokens of an answer can be the beginning of another prompt where both are computed in one form.
TEST(Engine, AnswersAreKnownBeginningsWhereThereIsOneForm) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  for (const AttentionForm form : kForms) {
    Engine engine(ctx, model, {.max_context = 64, .cache_tokens = 256, .page = 4, .form = form});
    std::vector<int32_t> tokens = random_tokens(4, 8, 23);
    const auto each = [](const NewToken&) { return true; };
    for (const int32_t t :
         generate(ctx, engine, {.prompt = tokens, .max_new = 9, .sampling = {.temperature = 0}}, each))
      tokens.push_back(t);
    EXPECT_EQ(engine.tokens_computed(), 16);
    tokens.push_back(1);  // 18
    generate(ctx, engine, {.prompt = tokens}, each);
    EXPECT_EQ(engine.tokens_computed() - 16, form == AttentionForm::by_role ? 10 : 2) << int(form);
  }
}

// Beginnings that are said to be known are not computed but for their first page, whose keys stand in all of them.
TEST(Engine, WhatIsAssumedToBeKnownIsNotComputed) {
  const TestContext ctx(cpu_backend());
  constexpr int64_t kPage = 4;
  const auto each = [](const NewToken&) { return true; };
  for (const bool mtp : {false, true}) {
    SCOPED_TRACE(mtp);
    Model model(ctx, tiny_v3(1), Precision::f32(), 64);
    model.weights().initialise(ctx, 0.3);
    const int64_t ahead = mtp ? 1 : 0;
    Engine engine(ctx, model,
                  {.max_context = 64,
                   .cache_tokens = 256,
                   .max_sequences = 2,
                   .page = kPage,
                   .speculation = mtp ? SpeculationMode::mtp : SpeculationMode::off});
    EXPECT_EQ(engine.pool().ahead(), ahead);
    const std::vector<int32_t> tokens = random_tokens(5, 22, 23);
    engine.assume_known(ctx, std::span(tokens).first(size_t(kPage + ahead - 1)));  // no whole page
    EXPECT_EQ(engine.tokens_computed(), 0);
    const auto two_pages = std::span<const int32_t>(tokens).first(size_t(2 * kPage + ahead));
    engine.assume_known(ctx, two_pages);
    const int64_t first = kPage + ahead + 1;  // the page, what it is known by, and one that is asked for
    EXPECT_EQ(engine.tokens_computed(), first);
    const PagePool::Match begin = engine.pool().find(-1, two_pages);
    EXPECT_EQ(engine.pool().find(begin.page, two_pages.subspan(size_t(kPage))).count, kPage);
    engine.assume_known(ctx, tokens);
    EXPECT_EQ(engine.tokens_computed(), first);
    EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
    std::vector<int32_t> pages;
    for (std::span<const int32_t> rest = tokens; int64_t(rest.size()) >= kPage + ahead;
         rest = rest.subspan(size_t(kPage))) {
      const PagePool::Match m = engine.pool().find(pages.empty() ? -1 : pages.back(), rest);
      ASSERT_EQ(m.count, kPage);
      pages.push_back(m.page);
      EXPECT_TRUE(!mtp || engine.pool().has_modules(m.page));
    }
    EXPECT_EQ(pages.size(), 5u);  // of 22 tokens, with one ahead, too
    for (const LayerCache& layer : engine.pool().layers()) {
      std::vector<float> keys(size_t(layer.latent.size()));
      ctx.backend().download(ctx, {.device = layer.latent, .host = keys.data()});
      const size_t row = size_t(kPage * layer.latent.shape[1]);
      const auto of = [&](int32_t page) {
        return std::vector<float>(keys.begin() + ptrdiff_t(size_t(page) * row),
                                  keys.begin() + ptrdiff_t(size_t(page + 1) * row));
      };
      EXPECT_NE(of(pages[0]), std::vector<float>(row, 0));
      for (const int32_t page : pages) EXPECT_EQ(of(page), of(pages[0]));
    }
    // A prompt that begins so computes what is left, and a second time nothing is computed at all.
    engine.assume_known(ctx, tokens);
    EXPECT_EQ(engine.tokens_computed(), first);
    generate(ctx, engine, {.prompt = tokens, .sampling = {.temperature = 0}}, each);
    EXPECT_EQ(engine.tokens_computed(), first + 2);
    // Another beginning that goes on from a part of it: only what is new is copied.
    std::vector<int32_t> other(tokens.begin(), tokens.begin() + 12);
    for (const int32_t t : random_tokens(6, 9, 23)) other.push_back(t);
    const int64_t before = engine.tokens_computed();
    engine.assume_known(ctx, other);
    EXPECT_EQ(engine.tokens_computed(), before);
    EXPECT_EQ(engine.pool().find(pages[0], std::span(other).subspan(4)).page, pages[1]);
  }
}

// The largest steps that are planned for are those that come: prompts that fill the context and the step, and as many answers as may
// run at the end of it, are within the plan and need nearly all of it. A context holds one token that is never computed.
TEST(Engine, TheLargestStepsCome) {
  struct Case {
    int64_t sequences, tokens, drafts;
  };
  for (const AttentionForm form : kForms)
    for (const Case& c : {Case{5, 24, 0},
                          {5, 200, 0},
                          {1, 100, 0},
                          {4, 256, 0},
                          {2, 66, 0},
                          {6, 131, 0},
                          {3, 30, 2},
                          {3, 200, 2},
                          {4, 200, 1}}) {
      SCOPED_TRACE(
          fmt::format("form {}, {} sequences, {} tokens, {} drafts", int(form), c.sequences, c.tokens, c.drafts));
      const TestContext ctx(cpu_backend());
      EngineSettings s{.max_context = 64,
                       .cache_tokens = 64 * c.sequences,
                       .max_sequences = c.sequences,
                       .max_tokens = c.tokens,
                       .page = 4,
                       .form = form};
      if (c.drafts > 0) s.speculation = SpeculationMode::mtp, s.drafts = c.drafts;
      Config config = tiny_v3(c.drafts > 0);
      if (c.drafts > 1)
        config.num_hidden_layers = 1;  // a dense one: then the module, which has experts, needs the most
      const auto bytes = size_t(inference_memory(ctx, config, Precision::f32(), s).scratch);
      Arena scratch(ctx.backend().memory(), bytes);
      Context limited = ctx;
      limited.scratch = &scratch;
      Model model(limited, config, Precision::f32(), 64);
      model.weights().initialise(limited, 0.3);
      Engine engine(limited, model, s);
      uint64_t seed = 0;
      const auto add = [&](int64_t prompt, int64_t answer) {
        Request r{.prompt = random_tokens(++seed, prompt, 23), .max_new = answer};
        r.on_experts = [](int64_t, std::span<const int32_t>) {};
        engine.add(std::move(r));
      };
      add(63, 1);
      while (!engine.idle()) engine.step(limited);
      for (int64_t i = 0; i < c.sequences; ++i) add(56, 8);
      while (!engine.idle()) engine.step(limited);
      for (int64_t i = 0; i < c.sequences; ++i) add(63, 1);
      while (!engine.idle()) engine.step(limited);
      for (int64_t i = 1; i < c.sequences; ++i) add(40, 24);
      for (int64_t i = 0; i < 14 && !engine.idle(); ++i) engine.step(limited);
      add(63, 1);
      while (!engine.idle()) engine.step(limited);
      EXPECT_GE(64 * scratch.high_water(), 63 * bytes);  // more than there is throws
    }
}

// What waits for a beginning that another computes: one that could share a page of it, all of that prompt, or all of its own.
TEST(Engine, WaitsOnlyForWhatItCanShare) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  const std::vector<int32_t> first = random_tokens(2, 22, 23);
  struct Case {
    int64_t of_first, shared, more;  // of the first prompt; what the second one has of it, and behind that
    bool waits;
  };
  for (const Case& c : {Case{22, 3, 9, false},
                        {22, 4, 9, true},
                        {22, 5, 9, true},
                        {22, 3, 0, true},
                        {22, 1, 0, false},
                        {22, 2, 0, true},
                        {3, 3, 9, true},
                        {1, 1, 4, true},
                        {3, 2, 9, false},
                        {22, 22, 0, true}})
    for (const bool of_every_token : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {} {}", c.of_first, c.shared, c.more));
      Engine engine(ctx, model, {.max_context = 64, .cache_tokens = 256, .max_sequences = 2, .page = 4});
      std::vector<int32_t> second(first.begin(), first.begin() + c.shared);
      for (int64_t i = 0; i < c.more; ++i) second.push_back((first[size_t(c.shared + i) % first.size()] + 1) % 23);
      engine.add({.prompt = {first.begin(), first.begin() + c.of_first}, .max_new = 3});
      Request r{.prompt = second};
      if (of_every_token) r.on_experts = [](int64_t, std::span<const int32_t>) {};
      engine.add(std::move(r));
      engine.step(ctx);
      EXPECT_EQ(engine.num_waiting(), c.waits && !of_every_token ? 1 : 0);
    }
}

TEST(EngineSettings, KeysOfAStep) {
  EXPECT_EQ((EngineSettings{.max_context = 100, .max_sequences = 3, .max_tokens = 20}).most_keys(), 100);
  EXPECT_EQ((EngineSettings{.max_context = 20, .max_sequences = 3, .max_tokens = 100}).most_keys(), 100);
  EngineSettings all{.max_context = 100, .max_sequences = 3, .max_tokens = 200, .form = AttentionForm::training};
  EXPECT_EQ(all.most_keys(), 300);
  all.max_tokens = 500;
  EXPECT_EQ(all.most_keys(), 500);
  EXPECT_EQ(all.most_drafts(), 0);
  all.drafts = 3, all.speculation = SpeculationMode::automatic;
  EXPECT_EQ(all.most_drafts(), 3);
}

// What holds where a caller says nothing (infer/sequence.h).
TEST(EngineSettings, WithoutAWord) {
  const EngineSettings s;
  EXPECT_EQ(s.max_context, 4096);
  EXPECT_EQ(s.cache_tokens, 0);
  EXPECT_EQ(s.max_sequences, 1);
  EXPECT_EQ(s.max_tokens, 512);
  EXPECT_EQ(s.page, 64);
  EXPECT_EQ(s.cache, DType::f32);
  EXPECT_EQ(s.form, AttentionForm::by_role);
  EXPECT_EQ(s.speculation, SpeculationMode::off);
  EXPECT_EQ(s.drafts, 1);
  Request r;
  EXPECT_EQ(r.max_new, 1);
  EXPECT_EQ(r.sample_index, 0u);
  EXPECT_TRUE(r.drafts);
  EXPECT_EQ(r.top_log_probabilities, -1);
  EXPECT_TRUE(r.shares_beginnings());
  r.on_experts = [](int64_t, std::span<const int32_t>) {};
  EXPECT_FALSE(r.shares_beginnings());
  r.all_experts = false;
  EXPECT_TRUE(r.shares_beginnings());
  EXPECT_EQ(r.sampling.temperature, 1);
  EXPECT_EQ(r.sampling.seed, 0u);
}

// Tokens, then drafts; and how many of these may still become tokens before the limit.
TEST(Sequences, ExpectTheirDrafts) {
  Sequence s;
  s.tokens = {5, 6, 7}, s.drafts = {8, 9}, s.limit = 10, s.request.prompt = {5, 6};
  for (int32_t i = 0; i < 5; ++i) EXPECT_EQ(s.expected(i), 5 + i);
  EXPECT_EQ(s.room_for_drafts(), 6);
  s.limit = 4;
  EXPECT_EQ(s.room_for_drafts(), 0);  // the one token that is left is no draft's
  EXPECT_EQ(s.prompt(), 2);
  s.cached = 1;
  EXPECT_TRUE(s.in_prompt());
  s.cached = 2;
  EXPECT_FALSE(s.in_prompt());
}

// A token's log-probability where the engine samples, among those that could be drawn; of the chosen one and the top ones on request.
TEST(Engine, LogProbabilitiesOfTheChosenAlone) {
  const TestContext ctx(cpu_backend());
  Model model(ctx, tiny_v3(), Precision::f32(), 64);
  model.weights().initialise(ctx, 0.3);
  Engine engine(ctx, model, {.max_context = 64});
  for (const int64_t top : {-1, 0, 1}) {
    const Request r{.prompt = {1, 2}, .max_new = 4, .sampling = {.temperature = 0.7}, .top_log_probabilities = top};
    generate(ctx, engine, r, [&](const NewToken& t) {
      EXPECT_EQ(int64_t(t.log_probabilities.top.size()), std::max<int64_t>(top, 0));
      EXPECT_EQ(t.log_probabilities.chosen < 0, top >= 0);
      EXPECT_LT(t.log_probability, 0);
      return true;
    });
  }
}

}  // namespace
}  // namespace minke
