#include "rl/rewards.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "eval/task_grade.h"
#include "sandbox/programs.h"

namespace minke {

void Answers::append(Answers&& more) {
  for (Rollout& r : more.rollouts) r.prompt += questions.size(), rollouts.push_back(std::move(r));
  std::move(more.questions.begin(), more.questions.end(), std::back_inserter(questions));
  scores.insert(scores.end(), more.scores.begin(), more.scores.end());
}

Answers Answers::groups(const std::vector<size_t>& which, size_t size) {
  Answers some;
  for (size_t g : which) {
    for (size_t i = g * size; i < (g + 1) * size; ++i) {
      some.rollouts.push_back(std::move(rollouts[i]));
      some.rollouts.back().prompt = some.questions.size();
      some.scores.push_back(scores[i]);
    }
    some.questions.push_back(std::move(questions[g]));
  }
  return some;
}

Rewards::Rewards(const Recipe& recipe, bool with_programs, const SandboxOptions& options) : recipe_(recipe) {
  if (!with_programs) return;
  require(CodeLanguage::python);
  sandbox_.emplace(options);
}

std::vector<Score> Rewards::score(const std::vector<Question>& questions, const std::vector<Rollout>& answers,
                                  const Judging& judge) const {
  const auto& g = recipe_.grpo;
  std::vector<TaskToGrade> to_grade;
  for (const Rollout& r : answers) {
    const Question& q = questions[r.prompt];
    to_grade.push_back({&q.task, q.prompt, r.text, form_of(recipe_.grpo.prompt), r.truncated});
  }
  std::vector<TaskGrade> grades = grade_tasks(to_grade, sandbox_ ? &*sandbox_ : nullptr);
  if (judge) judge(to_grade, grades);
  std::vector<Score> all;
  for (size_t i = 0; i < answers.size(); ++i) {
    const bool truncated = answers[i].truncated;
    Score& s =
        all.emplace_back(Score{.reward = 0,
                               .accuracy = grades[i].accuracy.strict,
                               .lenient = grades[i].accuracy.lenient,
                               .format = grades[i].format.strict,
                               .language = language_share(*to_grade[i].task, to_grade[i].prompt, to_grade[i].response),
                               .preference = grades[i].preference,
                               .masked = truncated && g.truncated == TruncatedAnswers::mask});
    if (!truncated || g.truncated == TruncatedAnswers::score)
      s.reward = g.accuracy_reward * s.preference.value_or(s.accuracy) + g.format_reward * s.format +
                 g.language_reward * s.language;
  }
  return all;
}

void shuffle_rewards(std::vector<Score>& scores, RngKey key) {  // Fisher–Yates
  for (size_t i = scores.size(); i > 1; --i) std::swap(scores[i - 1].reward, scores[key.below(i, i)].reward);
}

}  // namespace minke
