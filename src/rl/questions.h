// What a run of reinforcement learning asks: problems of the training split, and for its evaluations of the test split, as prompts.
// Question i is a function of the recipe, of i, and, with grpo.levels = "edge", of how often the levels were right. Problems of files are asked
// in an order by chance, all of them before one comes again; some, chosen by a hash of the question, are held out for the evaluations: the
// same ones in every run, with all their copies.
// Test: tests/rl/questions_test.cpp.
#pragma once
#include <map>
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
  std::string name;               // "chain", or name_of_file()
  std::optional<TaskKind> kind;   // none: a file
  std::vector<int> levels;        // not empty; of a file 0 alone
  std::vector<Task> train, test;  // a file's
};
// grpo.tasks with their levels, then the problems of grpo.jsonl, all of them in `train`. UserError for a task or level that there is not,
// or that is named twice; for files that cannot be read, have too few problems or some of the test split; for chats without a judge.
std::vector<QuestionSource> question_sources(const Recipe& recipe);
// The same UserErrors before a run, where stages of a pipeline are still to find some of the questions: these are looked at when they are
// asked.
void check_questions(Recipe recipe);
// The file's name without its endings; of the file of a pipeline's sample stage, the stage's.
std::string name_of_file(const fs::path& file);

// The problems of a run's files are kept in its folder, so that it goes on with the same ones wherever those are by then.
inline constexpr const char* kQuestionsFolder = "questions";  // in the folder `base` of a run
void keep_questions(const Recipe& recipe, const fs::path& base);
// With the paths of what the run at `run` has kept.
Recipe with_kept_questions(Recipe recipe, const fs::path& run);

class Questions {
 public:
  // Of [grpo]. `verb` is named in messages. The recipe and the others outlive this.
  Questions(std::string_view verb, const Recipe& recipe, const Tokenizer& tokenizer, const Config& config,
            const ChatTemplate* chat = nullptr);

  const std::vector<QuestionSource>& sources() const { return sources_; }
  std::vector<std::vector<int>> levels() const;  // of each source
  bool ask_for_programs() const;
  // Sources in turn, levels by chance: by `rates` if they are given, or each as often. A problem that is too long is passed over:
  // another one of its task and level, which no other question is, stands in for it; of a file it is left out. So no question ends a run
  // in the middle.
  Question training(uint64_t index, const LevelRates* rates = nullptr) const;
  std::vector<Question> training(uint64_t first, int64_t count, const LevelRates* rates = nullptr) const;
  // grpo.eval_problems of each task, levels in turn, and the tests of the files.
  std::vector<Question> tests() const;
  size_t count_tests() const;
  // UserError if one of the tests is too long, or most problems of a task and level, or of a file, are.
  void check_lengths() const;
  std::string level_name(const Question& question) const;  // "chain:2"

 private:
  Question question(uint64_t index, TaskSplit split, size_t source, int level) const;
  Question put(Task task, size_t source, int level) const;
  std::string trouble(const Question& question) const;  // why it cannot be asked; "" if it can
  Question of_file(size_t source, uint64_t turn) const;
  Question test(size_t source, int64_t index) const;
  void hold_out(size_t source);  // leaves out what is too long, then parts tests from the rest
  int64_t tests_of(size_t source) const;

  std::string verb_;
  const Recipe& recipe_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_;
  const Config& config_;
  std::vector<QuestionSource> sources_;
  std::map<size_t, std::pair<size_t, std::string>> too_long_;  // by source: of a file, how many, and why
};

// Some of an evaluation's problems: the first of each source and level, then the second …, so many at most, in the order of the
// problems.
std::vector<size_t> some_of_each(const std::vector<Question>& tests, size_t most);

}  // namespace minke
