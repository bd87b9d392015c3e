// With made-up times of steps: drafts that pay are used, drafts that do not are given up, and tried again, at little cost.
#include "infer/pace.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace minke {
namespace {

// What steps take, and what comes of drafts.
struct World {
  double plain = 1, drafted = 1.2, acceptance = 0.8;
  uint64_t count = 0;
  RngKey key = RngKey{.seed = 3}.at("world");
};

struct Made {
  double seconds = 0;
  int64_t tokens = 0, drafted = 0, followed = 0;
};

// One sequence of so many tokens. It is followed from its beginning on, or not at all.
Made sequence(Pace& pace, World& w, int64_t tokens, bool followed) {
  Made run;
  while (run.tokens < tokens) {
    if (followed && pace.drafts(1)) {
      const int64_t made = 1 + (w.key.uniform(w.count++) < w.acceptance);
      run.seconds += w.drafted, run.tokens += made, ++run.drafted;
      pace.drafted_step(1, w.drafted, made);
      followed = pace.on();
    } else {
      run.seconds += w.plain, ++run.tokens;
      pace.plain_step(1, w.plain);
    }
  }
  return run;
}

Made sequence(Pace& pace, World& w, int64_t tokens) { return sequence(pace, w, tokens, pace.follows_new()); }

TEST(Pace, WhatPaysIsUsed) {
  Pace pace;
  World world;
  const Made run = sequence(pace, world, 10000);
  EXPECT_TRUE(pace.on());
  // 1.8 tokens in 1.2 is 1.5 times as fast; one step in 32 goes without.
  EXPECT_GT(double(run.tokens) / run.seconds, 1.5 * 0.96);
}

TEST(Pace, WhatDoesNotIsGivenUp) {
  for (const double acceptance : {0.0, 0.1, 0.3})
    for (const double drafted : {1.4, 2.0, 3.0, 6.0, 20.0}) {
      Pace pace;
      World world{.drafted = drafted, .acceptance = acceptance};
      Made sum;
      for (int i = 0; i < 100; ++i) {
        const bool followed = pace.follows_new();
        const Made run = sequence(pace, world, 200, followed);
        sum.seconds += run.seconds, sum.tokens += run.tokens, sum.followed += followed;
      }
      EXPECT_GT(double(sum.tokens) / sum.seconds, 0.98) << drafted << " " << acceptance;
      EXPECT_GT(sum.followed, 1) << drafted << " " << acceptance;  // it was tried again
    }
}

// Another text, of which more is foreseen: the next tries find out.
TEST(Pace, TriesAgain) {
  Pace pace;
  World world{.acceptance = 0};
  sequence(pace, world, 100);
  EXPECT_FALSE(pace.on());
  EXPECT_FALSE(pace.tries());
  world.acceptance = 0.9;
  Made last;
  for (int i = 0; i < 10; ++i) last = sequence(pace, world, 200);
  EXPECT_GT(double(last.tokens) / last.seconds, 1.4);
}

// Requests one after another: a prompt as long as 100 plain steps, of which the module takes 18 more, and an answer.
Made requests(int64_t count, int64_t answer, World& w) {
  Pace pace;
  Made sum;
  for (int64_t i = 0; i < count; ++i) {
    const bool followed = pace.follows_new();
    pace.prompt_step(0, 100 * w.plain, followed ? 18 * w.plain : 0, 0);
    const Made run = sequence(pace, w, answer, followed);
    sum.seconds += run.seconds + (followed ? 18 * w.plain : 0), sum.tokens += run.tokens, sum.followed += followed;
  }
  return sum;
}

TEST(Pace, PromptsAreFollowedWhereAnswersPayForThem) {
  World world;
  const Made paying = requests(100, 300, world), too_short = requests(400, 4, world);
  EXPECT_EQ(paying.followed, 100);
  EXPECT_GT(too_short.followed, 3);  // tried again and again
  // Plain: 104 a request.
  EXPECT_LT(100 * 400 + too_short.seconds, 1.02 * 104 * 400);
  world.acceptance = 0;
  const Made wrong = requests(400, 50, world);
  EXPECT_GT(wrong.followed, 1);
  EXPECT_LT(100 * 400 + wrong.seconds, 1.02 * 150 * 400);
}

// Answers gain while other prompts are in their steps, too.
TEST(Pace, DraftsInStepsWithPromptsCount) {
  Pace pace;
  pace.plain_step(4, 1), pace.plain_step(4, 1);
  for (int i = 0; i < 100; ++i) pace.prompt_step(4, 2, 0.3, 2);  // half a plain step comes of it
  EXPECT_TRUE(pace.follows_new());
  for (int i = 0; i < 60; ++i) pace.prompt_step(4, 2, 0.3, 0);
  EXPECT_TRUE(pace.follows_new());  // of what was gained
  for (int i = 0; i < 10; ++i) pace.prompt_step(4, 2, 0.3, 0);
  EXPECT_FALSE(pace.follows_new());
  EXPECT_TRUE(pace.on());  // those that are followed go on
}

// A step that another program held up is no reason, and a size that is new is measured first.
TEST(Pace, OneSlowStepIsNoReason) {
  Pace pace;
  World world;
  sequence(pace, world, 100);
  pace.drafted_step(1, 1000, 1);
  EXPECT_TRUE(pace.on());
  EXPECT_FALSE(pace.drafts(40));
  pace.plain_step(40, 5), pace.plain_step(33, 5);
  EXPECT_TRUE(pace.drafts(40));
}

// All steps become slower, with drafts and without: no reason either.
TEST(Pace, ASlowMachineIsNoReason) {
  Pace pace;
  World world;
  sequence(pace, world, 100);
  world.plain = 3, world.drafted = 3.6;
  sequence(pace, world, 500);
  EXPECT_TRUE(pace.on());
}

}  // namespace
}  // namespace minke
