// What a run of reinforcement learning asks: problems of the training split, and for its evaluations of the test split, as prompts.
// Question i is a function of the recipe, of i, and, with grpo.levels = "edge", of how often the levels were right. Problems of files are asked
// in an order by chance, all of them before one comes again; the last of each file are kept for the evaluations.
// Test: tests/rl/questions_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "eval/task_problems.h"
#include "recipe/recipe.h"
#include "rl/level_rates.h"
#include "tokenize/tokenizer.h"

namespace minke {

struct Question {
  Task task;
  size_t source = 0;  // which of Questions::sources()
  int level = 0;      // 0: of a file
  std::string prompt;
  std::vector<int32_t> ids;
};

// Where questions come from: a task with its levels, or a file of problems.
struct QuestionSource {
  std::string name;               // "chain", or the file's without its endings
  std::optional<TaskKind> kind;   // none: a file
  std::vector<int> levels;        // not empty; of a file 0 alone
  std::vector<Task> train, test;  // a file's
};
// grpo.tasks with their levels, then the problems of grpo.jsonl, of which the last grpo.eval_problems, but at most a fifth, are tests.
// UserError for a task or level that there is not, or that is named twice, and for files that cannot be read.
std::vector<QuestionSource> question_sources(const Recipe& recipe);

class Questions {
 public:
  // Of [grpo]. `verb` is named in messages. The recipe and the others outlive this.
  Questions(std::string_view verb, const Recipe& recipe, const Tokenizer& tokenizer, const Config& config,
            const ChatTemplate* chat = nullptr);

  const std::vector<QuestionSource>& sources() const { return sources_; }
  std::vector<std::vector<int>> levels() const;  // of each source
  // Sources in turn, levels by chance: by `rates` if they are given, or each as often. A problem that is too long is passed over:
  // another one of its task and level, which no other question is, or the next of the file, stands in for it. So no question ends a run
  // in the middle.
  Question training(uint64_t index, const LevelRates* rates = nullptr) const;
  std::vector<Question> training(uint64_t first, int64_t count, const LevelRates* rates = nullptr) const;
  // grpo.eval_problems of each task, levels in turn, and the tests of the files.
  std::vector<Question> tests() const;
  size_t count_tests() const;  // at most
  // UserError if one of the tests is too long, or most problems of a task and level are.
  void check_lengths() const;
  std::string level_name(const Question& question) const;  // "chain:2"

 private:
  Question question(uint64_t index, TaskSplit split, size_t source, int level) const;
  Question put(Task task, size_t source, int level) const;
  std::string trouble(const Question& question) const;  // why it cannot be asked; "" if it can
  Question of_file(size_t source, uint64_t turn) const;
  std::optional<Question> test(size_t source, int64_t index) const;  // nothing: one of a file that is too long
  int64_t tests_of(size_t source) const;

  std::string verb_;
  const Recipe& recipe_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_;
  const Config& config_;
  std::vector<QuestionSource> sources_;
};

// Some of an evaluation's problems: the first of each source and level, then the second …, so many at most, in the order of the
// problems.
std::vector<size_t> some_of_each(const std::vector<Question>& tests, size_t most);

}  // namespace minke
