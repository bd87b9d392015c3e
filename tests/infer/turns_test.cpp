// Conversations that go on: what of them is known, in memory and on disk, and that what is known has the right bits.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "infer/disk_cache.h"
#include "support/crowd.h"
#include "support/poison.h"

namespace minke {
namespace {

using namespace test;
namespace fs = std::filesystem;

struct Turn {
  std::vector<int32_t> answer;
  int64_t known = 0;
  Made made;
};
Turn ask(const Context& ctx, Engine& engine, std::vector<int32_t> prompt, int64_t max_new = 10) {
  Turn turn;
  turn.answer = generate(ctx, engine, recording({.prompt = std::move(prompt), .max_new = max_new}, turn.made),
                         [&](const NewToken& t) {
                           turn.known = t.known;
                           return true;
                         });
  return turn;
}
std::vector<int32_t> joined(std::vector<int32_t> a, const std::vector<int32_t>& b, const std::vector<int32_t>& c = {}) {
  a.insert(a.end(), b.begin(), b.end());
  a.insert(a.end(), c.begin(), c.end());
  return a;
}

struct Turns : ::testing::Test {
  TestContext ctx{cpu_backend()};
  Model model{ctx, tiny_v3(), Precision::f32(), 128};
  EngineSettings settings{.max_context = 128, .cache_tokens = 512, .max_sequences = 4, .page = 8};
  const std::vector<int32_t> first = random_tokens(1, 19, 23), next = random_tokens(2, 5, 23);
  fs::path folder = fs::path(::testing::TempDir()) /
                    ("turns_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
  Turns() {
    model.weights().initialise(ctx, 0.3);
    fs::remove_all(folder);
  }
  ~Turns() override { fs::remove_all(folder); }
  DiskCache::Settings on_disk(const std::string& by = "this model") const {
    return {.folder = folder, .bytes = 1 << 20, .computed_by = by};
  }
};

// The last token of an answer is never computed before the next turn.
TEST_F(Turns, ANextTurnComputesItsNewTokensAlone) {
  for (const bool strict : {false, true}) {
    EngineSettings s = settings;
    if (strict) s.form = AttentionForm::absorbed;
    else s.share_answers = true;
    Engine engine(ctx, model, s);
    const Turn one = ask(ctx, engine, first);
    const int64_t before = engine.tokens_computed();
    const std::vector<int32_t> prompt = joined(first, one.answer, next);
    const Turn two = ask(ctx, engine, prompt, 1);
    EXPECT_EQ(two.known, 19 + 9);
    EXPECT_EQ(engine.tokens_computed() - before, 1 + 5);
    // And the turn after that, behind a page that has been filled in three goes.
    const Turn three = ask(ctx, engine, joined(prompt, two.answer, next), 1);
    EXPECT_EQ(three.known, int64_t(prompt.size()));
    if (strict) {
      Engine fresh(ctx, model, s);
      EXPECT_EQ(ask(ctx, fresh, prompt, 1).made, two.made);
    }
  }
}

// By default a prompt has the bits of one that is computed: an answer is no beginning.
TEST_F(Turns, AnswersAreNoBeginningsUnlessAskedFor) {
  Engine engine(ctx, model, settings), fresh(ctx, model, settings);
  const Turn one = ask(ctx, engine, first);
  const std::vector<int32_t> prompt = joined(first, one.answer, next);
  const Turn two = ask(ctx, engine, prompt);
  EXPECT_EQ(two.known, 19);
  EXPECT_EQ(ask(ctx, fresh, prompt).made, two.made);
}

// Read from the disk, by an engine that never saw the prompt: the same bits as computed.
TEST_F(Turns, WhatIsOnDiskHasTheBitsOfWhatIsComputed) {
  for (const auto& [config, cache] : {std::pair{tiny_v3(), DType::f32},
                                      {tiny_v3(), DType::bf16},
                                      {tiny_v3(), DType::f8_e4m3},
                                      {tiny_llama(), DType::bf16}}) {
    fs::remove_all(folder);
    Model m(ctx, config, Precision::bf16(), 128);
    m.weights().initialise(ctx, 0.3);
    EngineSettings s = settings;
    s.cache = cache;
    const std::vector<int32_t> prompt = random_tokens(3, 45, config.vocab_size);
    Turn computed;
    {
      DiskCache disk(on_disk());
      Engine engine(ctx, m, s);
      engine.use_disk(disk);
      computed = ask(ctx, engine, prompt);
      EXPECT_EQ(computed.known, 0);
    }
    DiskCache disk(on_disk());
    EXPECT_EQ(disk.counts().pages, 5u);
    Engine engine(ctx, m, s);
    engine.use_disk(disk);
    const Turn read = ask(ctx, engine, prompt);
    EXPECT_EQ(read.known, 40);
    EXPECT_EQ(read.made, computed.made);
    EXPECT_EQ(disk.counts().read, 5u);
    // Now it is in memory, too.
    EXPECT_EQ(ask(ctx, engine, prompt).known, 44);
    EXPECT_EQ(disk.counts().read, 5u);
  }
}

// When memory is short a conversation loses its end, not its beginning, in memory and on disk; and what is asked for again is used.
TEST_F(Turns, WhatIsDroppedOfAConversationIsItsEnd) {
  EngineSettings s = settings;
  s.cache_tokens = 128;  // 16 pages
  const std::vector<int32_t> old = random_tokens(3, 60, 23), other = random_tokens(4, 90, 23);
  Engine engine(ctx, model, s);
  ask(ctx, engine, old, 1);    // 8 pages
  ask(ctx, engine, other, 1);  // 12 pages: 4 of the old ones go
  EXPECT_EQ(ask(ctx, engine, old, 1).known, 32);
  // On disk a beginning that is always found in memory is used, too.
  DiskCache::Settings d = on_disk();
  {
    DiskCache disk(d);
    Engine with(ctx, model, settings);
    with.use_disk(disk);
    ask(ctx, with, old, 1);
    disk.wait_until_written();
    d.bytes = disk.counts().bytes;
    ask(ctx, with, other, 1);
    disk.wait_until_written();
    ask(ctx, with, old, 1);  // from memory
  }
  DiskCache disk(d);  // room for the old one alone
  Engine fresh(ctx, model, settings);
  fresh.use_disk(disk);
  EXPECT_EQ(ask(ctx, fresh, old, 1).known, 56);
}

// What the disk does not give is computed, from there on.
TEST_F(Turns, APageThatIsDamagedIsComputedAgain) {
  const std::vector<int32_t> prompt = random_tokens(3, 45, 23);
  Turn computed;
  {
    DiskCache disk(on_disk());
    Engine engine(ctx, model, settings);
    engine.use_disk(disk);
    computed = ask(ctx, engine, prompt);
  }
  DiskCache disk(on_disk());
  PageKey key = disk.beginning();
  for (size_t p = 0; p < 3; ++p) key = key_after(key, std::span(prompt).subspan(p * 8, 8));
  fs::resize_file(folder / fmt::format("{:016x}{:016x}.kv", key.high, key.low), 100);
  Engine engine(ctx, model, settings);
  engine.use_disk(disk);
  const Turn read = ask(ctx, engine, prompt);
  EXPECT_EQ(read.known, 16);
  EXPECT_EQ(read.made, computed.made);
  EXPECT_EQ(disk.counts().damaged, 1u);
  disk.wait_until_written();
  EXPECT_EQ(disk.counts().pages, 5u);  // and written anew
  EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
}

// Others' pages, and those of other weights, are not taken.
TEST_F(Turns, OtherModelsPagesAreNotFound) {
  const std::vector<int32_t> prompt = random_tokens(3, 45, 23);
  {
    DiskCache disk(on_disk());
    Engine engine(ctx, model, settings);
    engine.use_disk(disk);
    ask(ctx, engine, prompt);
  }
  {
    DiskCache disk(on_disk("another model"));
    Engine engine(ctx, model, settings);
    engine.use_disk(disk);
    EXPECT_EQ(ask(ctx, engine, prompt).known, 0);
  }
  DiskCache disk(on_disk());
  Engine engine(ctx, model, settings);
  engine.use_disk(disk);
  engine.weights_changed();
  EXPECT_EQ(ask(ctx, engine, prompt).known, 0);
}

// Many at once, with beginnings on disk, in memory and in neither: each gives what it gives alone.
TEST_F(Turns, ACrowdOverADiskIsEachAlone) {
  Crowd crowd = random_crowd(5, 24, 23, 30);
  {
    DiskCache disk(on_disk());
    Engine engine(ctx, model, settings);
    engine.use_disk(disk);
    for (size_t i = 0; i < crowd.requests.size(); i += 2) {
      Request r = crowd.requests[i];
      r.max_new = 1;
      generate(ctx, engine, r, [](const NewToken&) { return true; });
    }
  }
  DiskCache disk(on_disk());
  Engine engine(ctx, model, settings);
  engine.use_disk(disk);
  std::map<int64_t, Made> made;
  std::vector<int64_t> ids;
  for (const Request& r : crowd.requests) {
    Made& m = made[int64_t(ids.size())];
    ids.push_back(engine.add(recording(r, m)));
  }
  while (!engine.idle())
    for (const NewToken& t : engine.step(ctx)) {
      Made& m = made[std::find(ids.begin(), ids.end(), t.sequence) - ids.begin()];
      m.tokens.push_back(t.token), m.ending = t.ending;
    }
  EXPECT_GT(disk.counts().read, 10u);
  for (size_t i = 0; i < crowd.requests.size(); ++i)
    EXPECT_EQ(made[int64_t(i)], alone(ctx, model, settings, crowd.requests[i])) << i;
  EXPECT_EQ(engine.pool().num_free(), engine.pool().num_pages());
}

// With speculation the slots of the MTP module come back, too: as many drafts are right as without the disk.
TEST_F(Turns, WithSpeculationTheModulesSlotsComeBack) {
  Model with_module(ctx, tiny_v3(1), Precision::f32(), 128);
  with_module.weights().initialise(ctx, 0.3);
  EngineSettings s = settings;
  s.speculation = SpeculationMode::mtp, s.max_tokens = 64;
  const std::vector<int32_t> prompt = random_tokens(3, 45, 23);
  Turn computed;
  int64_t steps = 0, again = 0;
  {
    DiskCache disk(on_disk());
    Engine engine(ctx, with_module, s);
    engine.use_disk(disk);
    computed = ask(ctx, engine, prompt, 30);
    steps = engine.tokens_computed();
  }
  DiskCache disk(on_disk());
  Engine engine(ctx, with_module, s);
  engine.use_disk(disk);
  const Turn read = ask(ctx, engine, prompt, 30);
  again = engine.tokens_computed();
  EXPECT_EQ(read.known, 40);
  EXPECT_EQ(read.made, computed.made);
  EXPECT_EQ(again, steps - 40);
}

// A page that the module did not follow is half a page: it is not kept, or drafts would be drawn from nothing.
TEST_F(Turns, WithSpeculationAPageWithoutTheModulesSlotsIsNotKept) {
  Model with_module(ctx, tiny_v3(1), Precision::f32(), 128);
  with_module.weights().initialise(ctx, 0.3);
  EngineSettings s = settings;
  s.speculation = SpeculationMode::mtp, s.max_tokens = 64;
  DiskCache disk(on_disk());
  Engine engine(ctx, with_module, s);
  engine.use_disk(disk);
  generate(ctx, engine, {.prompt = random_tokens(3, 45, 23), .drafts = false}, [](const NewToken&) { return true; });
  generate(ctx, engine, {.prompt = random_tokens(4, 21, 23)}, [](const NewToken&) { return true; });
  disk.wait_until_written();
  EXPECT_EQ(disk.counts().pages, 2u);
}

// A step reads for so long, and gives the answers beside it their tokens.
TEST_F(Turns, OthersGoOnWhileAPromptIsRead) {
  const std::vector<int32_t> prompt = random_tokens(3, 45, 23);
  Turn computed;
  {
    DiskCache disk(on_disk());
    Engine engine(ctx, model, settings);
    engine.use_disk(disk);
    computed = ask(ctx, engine, prompt, 1);
  }
  DiskCache disk(on_disk());
  Engine engine(ctx, model, settings);
  engine.use_disk(disk, 0);
  const int64_t other = engine.add({.prompt = {1, 2, 3}, .max_new = 20});
  engine.step(ctx);
  const int64_t reads = engine.add({.prompt = prompt});
  for (uint64_t i = 1; i <= 5; ++i) {
    std::set<int64_t> came;
    for (const NewToken& t : engine.step(ctx)) came.insert(t.sequence);
    EXPECT_EQ(disk.counts().read, i);
    EXPECT_EQ(came, (i < 5 ? std::set<int64_t>{other} : std::set<int64_t>{other, reads}));
  }
  engine.cancel(other);
  // Alone it waits for nobody, in steps that compute nothing; cancelled on the way it leaves nothing behind.
  Engine third(ctx, model, settings);
  third.use_disk(disk, 0);
  const int64_t alone = third.add({.prompt = prompt});
  EXPECT_TRUE(third.step(ctx).empty());
  EXPECT_EQ(third.tokens_computed(), 0);
  third.cancel(alone);
  EXPECT_EQ(third.pool().num_free(), third.pool().num_pages());
  EXPECT_EQ(ask(ctx, third, prompt, 1).made, computed.made);
}

TEST_F(Turns, OnThePoisonBackend) {
  PoisonBackend backend(cpu_backend());
  const TestContext poison(backend);
  Model m(poison, tiny_v3(), Precision::f32(), 128);
  m.weights().initialise(poison, 0.3);
  const std::vector<int32_t> prompt = random_tokens(3, 30, 23);
  Turn computed;
  {
    DiskCache disk(on_disk());
    Engine engine(poison, m, settings);
    engine.use_disk(disk);
    computed = ask(poison, engine, prompt, 3);
  }
  DiskCache disk(on_disk());
  Engine engine(poison, m, settings);
  engine.use_disk(disk);
  const Turn read = ask(poison, engine, prompt, 3);
  EXPECT_EQ(read.known, 24);
  EXPECT_EQ(read.made, computed.made);
}

}  // namespace
}  // namespace minke
