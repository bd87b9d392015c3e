// What answers are rewarded with: the grades of eval/task_grade.h, weighed as [grpo] says. Test: tests/rl/rewards_test.cpp.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "core/rng.h"
#include "rl/questions.h"
#include "rl/rollouts.h"
#include "sandbox/sandbox.h"

namespace minke {

struct Score {
  // accuracy: 1 for a right answer; of a judged one, whether it counts as right, and in the reward the preference.
  double reward = 0, accuracy = 0, lenient = 0, format = 0, language = 0;
  std::optional<double> preference;  // what a judge gave
  bool masked = false;               // the answer takes no part in the update (grpo.truncated = "mask")
};

// Questions, and to each a group of answers, one group after another; `prompt` of an answer is which of the questions.
struct Answers {
  std::vector<Question> questions;
  std::vector<Rollout> rollouts;
  std::vector<Score> scores;  // of each answer

  void append(Answers&& more);
  // Some of the groups; they are moved out of this.
  Answers groups(const std::vector<size_t>& which, size_t size);
};

class Rewards {
 public:
  // The recipe outlives this. UserError if programs are to be graded and cannot be here: what is missing, and its package.
  explicit Rewards(const Recipe& recipe, bool with_programs = false, const SandboxOptions& options = {});
  // Of each answer; `prompt` of an answer is which of the questions. Programs run many at once.
  // `judge` (judge_tasks) is needed for tasks that no rule grades; what it gives counts as accuracy.
  using Judging = std::function<void(std::span<const TaskToGrade>, std::span<TaskGrade>)>;
  std::vector<Score> score(const std::vector<Question>& questions, const std::vector<Rollout>& answers,
                           const Judging& judge = {}) const;

 private:
  const Recipe& recipe_;
  std::optional<Sandbox> sandbox_;  // for programs
};
// Deals the rewards of a step out at random among its answers (grpo.shuffle_rewards): a control, from which nothing can be learned.
void shuffle_rewards(std::vector<Score>& scores, RngKey key);

}  // namespace minke
