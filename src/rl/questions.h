// What a run of reinforcement learning asks: problems of the training split, and for its evaluations of the test split, as prompts.
// Question i is a function of the recipe, of i, and, with grpo.levels = "edge", of how often the levels were right. Test: tests/rl/questions_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "eval/task_problems.h"
#include "recipe/recipe.h"
#include "rl/level_rates.h"
#include "tokenize/tokenizer.h"

namespace minke {

struct Question {
  Task task;
  size_t choice = 0;  // which of the tasks of the recipe
  int level = 0;
  std::string prompt;
  std::vector<int32_t> ids;
};

// grpo.tasks with their levels. UserError for a task or level that there is not, or that is named twice.
std::vector<TaskChoice> asked_tasks(const Recipe& recipe);

class Questions {
 public:
  // Of [grpo]. `verb` is named in messages. The recipe and the others outlive this.
  Questions(std::string_view verb, const Recipe& recipe, const Tokenizer& tokenizer, const Config& config,
            const ChatTemplate* chat = nullptr);

  // With their levels, none of them empty.
  const std::vector<TaskChoice>& choices() const { return choices_; }
  // Tasks in turn, levels by chance: by `rates` if they are given, or each as often. A problem that is too long is passed over:
  // another one of its task and level, which no other question is, stands in for it. So no question ends a run in the middle.
  Question training(uint64_t index, const LevelRates* rates = nullptr) const;
  std::vector<Question> training(uint64_t first, int64_t count, const LevelRates* rates = nullptr) const;
  // grpo.eval_problems of each kind, levels in turn.
  std::vector<Question> tests() const;
  // UserError if one of the tests is too long, or most problems of a task and level are.
  void check_lengths() const;
  std::string level_name(const Question& question) const;  // "chain:2"

 private:
  Question question(uint64_t index, TaskSplit split, size_t choice, int level) const;
  std::string trouble(const Question& question) const;  // why it cannot be asked; "" if it can
  Question test(size_t choice, int64_t index) const;

  std::string verb_;
  const Recipe& recipe_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_;
  const Config& config_;
  std::vector<TaskChoice> choices_;
};

// Some of an evaluation's problems: the first of each choice and level, then the second …, so many at most, in the order of the
// problems.
std::vector<size_t> some_of_each(const std::vector<Question>& tests, size_t most);

}  // namespace minke
