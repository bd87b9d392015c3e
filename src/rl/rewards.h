// What answers are rewarded with: the grades of eval/task_grade.h, weighed as [grpo] says. Test: tests/rl/grpo_test.cpp.
#pragma once
#include <vector>

#include "core/rng.h"
#include "rl/questions.h"
#include "rl/rollouts.h"

namespace minke {

struct Score {
  double reward = 0, accuracy = 0, lenient = 0, format = 0;
  bool masked = false;  // the answer takes no part in the update (grpo.truncated = "mask")
};

// Of each answer; `prompt` of an answer is which of the questions.
std::vector<Score> score_answers(const Recipe& recipe, const std::vector<Question>& questions,
                                 const std::vector<Rollout>& answers);
// Deals the rewards of a step out at random among its answers (grpo.shuffle_rewards): a control, from which nothing can be learned.
void shuffle_rewards(std::vector<Score>& scores, RngKey key);

}  // namespace minke
