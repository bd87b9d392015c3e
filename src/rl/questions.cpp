#include "rl/questions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "eval/task_grade.h"

namespace minke {
namespace {

constexpr int64_t kLookedAt = 64;       // problems of each task and level, before a run
constexpr uint64_t kMostPassed = 1000;  // if half of them can be asked, this does not happen
constexpr int kOthers = 40;             // bits of an index: problems that stand in for others come behind all of these

}  // namespace

std::vector<TaskChoice> asked_tasks(const Recipe& recipe) {
  std::vector<TaskChoice> choices;
  std::set<std::pair<TaskKind, int>> named;
  std::vector<GraderKind> graders;
  for (const std::string& task : recipe.grpo.tasks) {
    const TaskChoice& c = choices.emplace_back(parse_task_choice(task, "grpo.tasks"));
    graders.push_back(grader_of(c.kind));
    for (int l = 0; l < c.levels.count(); ++l)
      if (!named.insert({c.kind, c.levels.nth(l)}).second)
        user_error("grpo.tasks: {}:{} is named twice", name_of(c.kind), c.levels.nth(l));
  }
  check_judge(graders, !recipe.grpo.judge.empty(), "grpo.tasks", "grpo.judge");
  return choices;
}

Questions::Questions(std::string_view verb, const Recipe& recipe, const Tokenizer& tokenizer, const Config& config,
                     const ChatTemplate* chat)
    : verb_(verb), recipe_(recipe), tokenizer_(tokenizer), chat_(chat), config_(config) {
  choices_ = asked_tasks(recipe);
}

Question Questions::question(uint64_t index, TaskSplit split, size_t choice, int level) const {
  Question q{.task = make_task(recipe_.train.seed, index, choices_[choice].kind, level, split),
             .choice = choice,
             .level = level};
  PutQuestion put = put_question(q.task, recipe_.grpo.prompt, tokenizer_, chat_);  // as an evaluation does
  q.prompt = std::move(put.prompt), q.ids = std::move(put.ids);
  return q;
}

std::string Questions::level_name(const Question& q) const {
  return fmt::format("{}:{}", name_of(choices_[q.choice].kind), q.level);
}

std::string Questions::trouble(const Question& q) const {
  if (*std::max_element(q.ids.begin(), q.ids.end()) >= config_.vocab_size)
    return fmt::format("{}: a question has a token that the model has not: its tokenizer is of another model", verb_);
  if (int64_t(q.ids.size()) + recipe_.grpo.max_new > recipe_.train.sequence_length)
    return fmt::format("{}: a question has {} tokens; with grpo.max_new {} that is more than train.sequence_length {}",
                       verb_, q.ids.size(), recipe_.grpo.max_new, recipe_.train.sequence_length);
  return "";
}

Question Questions::training(uint64_t index, const LevelRates* rates) const {
  const size_t choice = index % choices_.size();
  Rng rng{RngKey{recipe_.train.seed}.at("grpo level").at(index)};
  const int level = rates ? rates->pick(choice, rng.uniform()) : choices_[choice].levels.pick(rng);
  for (uint64_t passed = 0;; ++passed) {
    Question q = question(index + (passed << kOthers), TaskSplit::train, choice, level);
    check(split_of(q.task.canonical) == TaskSplit::train, "questions: no problem of the test split is trained on");
    const std::string why = trouble(q);
    if (why.empty()) return q;
    if (passed == kMostPassed) user_error("{}", why);
  }
}

std::vector<Question> Questions::training(uint64_t first, int64_t count, const LevelRates* rates) const {
  std::vector<Question> all;
  for (uint64_t i = 0; i < uint64_t(count); ++i) all.push_back(training(first + i, rates));
  return all;
}

Question Questions::test(size_t choice, int64_t index) const {
  const Levels& levels = choices_[choice].levels;
  Question q = question(uint64_t(index), TaskSplit::test, choice, levels.nth(int(index % levels.count())));
  check(split_of(q.task.canonical) == TaskSplit::test, "questions: no problem of the training split is a test");
  if (const std::string why = trouble(q); !why.empty()) user_error("{}", why);
  return q;
}

std::vector<Question> Questions::tests() const {
  std::vector<Question> all;
  for (size_t c = 0; c < choices_.size(); ++c)
    for (int64_t i = 0; i < recipe_.grpo.eval_problems; ++i) all.push_back(test(c, i));
  return all;
}

void Questions::check_lengths() const {
  tests();
  for (size_t c = 0; c < choices_.size(); ++c)
    for (int l = 0; l < choices_[c].levels.count(); ++l) {
      int64_t passed = 0;
      std::string why;
      for (int64_t i = 0; i < kLookedAt; ++i) {
        const Question q = question(uint64_t(i), TaskSplit::train, c, choices_[c].levels.nth(l));
        if (std::string w = trouble(q); !w.empty()) why = std::move(w), ++passed;
      }
      if (2 * passed > kLookedAt)
        user_error("{}; of {} questions of {}:{} {} cannot be asked", why, kLookedAt, name_of(choices_[c].kind),
                   choices_[c].levels.nth(l), passed);
    }
}

std::vector<size_t> some_of_each(const std::vector<Question>& tests, size_t most) {
  std::map<std::pair<size_t, int>, size_t> count;
  std::vector<std::pair<size_t, size_t>> order;  // how many of its kind and level come before it, and which it is
  for (size_t i = 0; i < tests.size(); ++i) order.push_back({count[{tests[i].choice, tests[i].level}]++, i});
  std::sort(order.begin(), order.end());
  std::vector<size_t> some;
  for (size_t i = 0; i < std::min(most, order.size()); ++i) some.push_back(order[i].second);
  std::sort(some.begin(), some.end());
  return some;
}

}  // namespace minke
