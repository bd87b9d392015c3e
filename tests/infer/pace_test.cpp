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

// The rules themselves, step by step. A plain step takes 1 from here on, measured twice.
Pace measured(double plain = 1) {
  Pace pace;
  EXPECT_FALSE(pace.drafts(1));
  pace.plain_step(1, plain);
  EXPECT_FALSE(pace.drafts(1));
  pace.plain_step(1, plain);
  return pace;
}

TEST(Pace, AStepIn32GoesWithout) {
  Pace pace = measured();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 32; ++i) {
      EXPECT_TRUE(pace.drafts(1)) << i;
      pace.drafted_step(1, 1, 1);
    }
    EXPECT_FALSE(pace.drafts(1));
    pace.plain_step(1, 1);
  }
  EXPECT_TRUE(pace.on());
}

// A loss of two plain steps is allowed; more is measured anew, and more once again ends it, until what was lost has passed 200 times.
TEST(Pace, TwoLossesEndIt) {
  Pace pace = measured();
  pace.drafted_step(1, 2, 1), pace.drafted_step(1, 2, 1);  // two lost
  EXPECT_TRUE(pace.drafts(1));
  pace.drafted_step(1, 1.5, 1);  // two and a half
  EXPECT_TRUE(pace.on());
  EXPECT_FALSE(pace.drafts(1));  // measured anew, twice
  pace.plain_step(1, 1);
  EXPECT_FALSE(pace.drafts(1));
  pace.plain_step(1, 1);
  EXPECT_TRUE(pace.drafts(1));
  pace.drafted_step(1, 2, 1), pace.drafted_step(1, 2, 1);
  EXPECT_TRUE(pace.on());
  pace.drafted_step(1, 2, 1);  // three
  EXPECT_FALSE(pace.on());
  EXPECT_FALSE(pace.tries());
  EXPECT_FALSE(pace.drafts(1));
  pace.plain_step(1, 200 * 5.5 - 1);
  EXPECT_FALSE(pace.tries());
  pace.plain_step(1, 0.5);
  EXPECT_FALSE(pace.tries());
  pace.plain_step(1, 0.5);
  EXPECT_TRUE(pace.tries());
  EXPECT_FALSE(pace.on());
  EXPECT_TRUE(pace.drafts(1));
  pace.drafted_step(1, 0.5, 1);
  EXPECT_TRUE(pace.on());
}

// What is gained is taken off what was lost, but not saved up.
TEST(Pace, GainsAreTakenOffButNotSaved) {
  Pace pace = measured();
  for (int i = 0; i < 20; ++i) pace.drafted_step(1, 1, 2);  // one gained each
  pace.drafted_step(1, 2, 1), pace.drafted_step(1, 2, 1);
  EXPECT_TRUE(pace.drafts(1));
  pace.drafted_step(1, 1, 2);  // one lost is left
  pace.drafted_step(1, 2, 1);  // two
  EXPECT_TRUE(pace.drafts(1));
  pace.drafted_step(1, 1.25, 1);
  EXPECT_FALSE(pace.drafts(1));
}

// The second loss ends it only within 200 steps with drafts of the first.
TEST(Pace, TheFirstLossIsForgotten) {
  for (const int between : {196, 197}) {
    Pace pace = measured();
    for (int i = 0; i < 3; ++i) pace.drafted_step(1, 2, 1);
    pace.plain_step(1, 1), pace.plain_step(1, 1);
    for (int i = 0; i < between; ++i) pace.drafted_step(1, 1, 1);
    for (int i = 0; i < 3; ++i) pace.drafted_step(1, 2, 1);
    EXPECT_EQ(pace.on(), between == 197) << between;
    EXPECT_FALSE(pace.drafts(1));
  }
}

// One step that was held up counts as three plain ones; the next such one counts as what it took.
TEST(Pace, WhatOneStepMayCost) {
  Pace pace = measured();
  pace.drafted_step(1, 1000, 1);  // two lost
  EXPECT_TRUE(pace.drafts(1));
  pace.drafted_step(1, 1, 1);
  EXPECT_TRUE(pace.drafts(1));
  Pace twice = measured();
  twice.drafted_step(1, 10, 1), twice.drafted_step(1, 10, 10);  // two lost, of the second nothing
  EXPECT_TRUE(twice.drafts(1));
  twice.drafted_step(1, 10, 9);  // one more
  EXPECT_FALSE(twice.drafts(1));
}

// The quicker of the last two plain steps counts, of as many sequences to the next power of two.
TEST(Pace, SizesAreMeasuredApart) {
  Pace pace;
  pace.plain_step(4, 5), pace.plain_step(7, 1);
  for (const int64_t n : {4, 5, 7}) EXPECT_TRUE(pace.drafts(n)) << n;
  for (const int64_t n : {1, 2, 3, 8, 15}) EXPECT_FALSE(pace.drafts(n)) << n;
  pace.drafted_step(4, 3, 4);  // two lost, of steps of 1
  EXPECT_TRUE(pace.drafts(4));
  pace.plain_step(4, 2), pace.plain_step(4, 2);  // now 2 is the quickest
  pace.drafted_step(4, 4, 4);                    // two more: four of what may be lost are two steps
  EXPECT_TRUE(pace.drafts(4));
  pace.drafted_step(4, 2.5, 4);
  EXPECT_FALSE(pace.drafts(4));
}

// What the module took of prompts is owed; up to a percent of the time since then may be.
TEST(Pace, WhatIsOwed) {
  Pace pace = measured();
  EXPECT_TRUE(pace.follows_new());
  pace.prompt_step(0, 100, 1, 0);  // 1 of 101
  EXPECT_TRUE(pace.follows_new());
  pace.prompt_step(0, 98, 1, 0);  // 2 of 200
  EXPECT_TRUE(pace.follows_new());
  pace.plain_step(1, 0.5, 0.5);  // 2.5 of 201
  EXPECT_FALSE(pace.follows_new());
  pace.plain_step(1, 48.5), pace.plain_step(1, 1);  // 2.5 of 250.5
  EXPECT_TRUE(pace.follows_new());
  // Drafts gain what they are ahead of plain steps of 1: all that is owed, and the time begins anew.
  pace.drafted_step(1, 1, 4);
  EXPECT_TRUE(pace.follows_new());
  pace.prompt_step(0, 1, 0.5, 0);  // three are gained, so far
  EXPECT_TRUE(pace.follows_new());
  pace.prompt_step(0, 1, 0.5, 0);
  EXPECT_FALSE(pace.follows_new());
}

// A step with prompts gains by the answers in it: a plain step's share for each draft that was right.
TEST(Pace, WhatStepsWithPromptsGain) {
  Pace pace;
  pace.plain_step(4, 2), pace.plain_step(4, 2);
  pace.prompt_step(4, 10, 1, 2);  // 2 · 2/4
  EXPECT_TRUE(pace.follows_new());
  pace.prompt_step(4, 10, 1, 1);  // half of what it took is owed
  EXPECT_FALSE(pace.follows_new());
  pace.prompt_step(4, 10, 0.5, 2);
  EXPECT_TRUE(pace.follows_new());
}

// No more than 100 plain steps are kept of what was gained.
TEST(Pace, GainsLastForAHundredSteps) {
  Pace pace = measured();
  for (int i = 0; i < 300; ++i) pace.drafted_step(1, 1, 2), pace.plain_step(1, 1);
  for (int i = 0; i < 10; ++i) pace.prompt_step(0, 1, 10, 0);  // as much as was kept
  EXPECT_TRUE(pace.follows_new());
  pace.prompt_step(0, 1, 1, 0);
  EXPECT_FALSE(pace.follows_new());
}

}  // namespace
}  // namespace minke
