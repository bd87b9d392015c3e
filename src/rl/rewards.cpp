#include "rl/rewards.h"

#include <utility>

#include "eval/task_grade.h"

namespace minke {

std::vector<Score> score_answers(const Recipe& recipe, const std::vector<Question>& questions,
                                 const std::vector<Rollout>& answers) {
  const auto& g = recipe.grpo;
  std::vector<Score> all;
  for (const Rollout& r : answers) {
    const Question& q = questions[r.prompt];
    const TaskGrade grade = grade_task(q.task, q.prompt, r.text);
    Score& s = all.emplace_back(Score{.reward = 0,
                                      .accuracy = grade.accuracy.strict,
                                      .lenient = grade.accuracy.lenient,
                                      .format = grade.format.strict,
                                      .masked = r.truncated && g.truncated == TruncatedAnswers::mask});
    if (!r.truncated || g.truncated == TruncatedAnswers::score)
      s.reward = g.accuracy_reward * s.accuracy + g.format_reward * s.format;
  }
  return all;
}

void shuffle_rewards(std::vector<Score>& scores, RngKey key) {  // Fisher–Yates
  for (size_t i = scores.size(); i > 1; --i) std::swap(scores[i - 1].reward, scores[key.below(i, i)].reward);
}

}  // namespace minke
