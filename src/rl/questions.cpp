#include "rl/questions.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "corpus/prompt.h"

namespace minke {

Questions::Questions(std::string_view verb, const Recipe& recipe, const Tokenizer& tokenizer, const Config& config)
    : verb_(verb), recipe_(recipe), tokenizer_(tokenizer), config_(config) {
  for (const std::string& task : recipe.grpo.tasks) choices_.push_back(parse_task_choice(task, "grpo.tasks"));
  for (TaskChoice& c : choices_)
    if (c.levels.empty()) c.levels = Levels::range(task_levels(c.kind));
}

Question Questions::question(uint64_t index, TaskSplit split, size_t choice, int level) const {
  Question q{.task = make_task(recipe_.train.seed, index, choices_[choice].kind, level, split),
             .choice = choice,
             .level = level};
  q.prompt = prompt_of(q.task.question,
                       recipe_.grpo.prompt == QuestionFormat::brief ? PromptTemplate::brief : PromptTemplate::r1_zero);
  q.ids = tokenizer_.encode(q.prompt, {.add_bos = true});
  if (*std::max_element(q.ids.begin(), q.ids.end()) >= config_.vocab_size)
    user_error("{}: a question has a token that the model has not: its tokenizer is of another model", verb_);
  if (int64_t(q.ids.size()) + recipe_.grpo.max_new > recipe_.train.sequence_length)
    user_error("{}: a question has {} tokens; with grpo.max_new {} that is more than train.sequence_length {}", verb_,
               q.ids.size(), recipe_.grpo.max_new, recipe_.train.sequence_length);
  return q;
}

Question Questions::training(uint64_t index, const LevelRates* rates) const {
  const size_t choice = index % choices_.size();
  Rng rng{RngKey{recipe_.train.seed}.at("grpo level").at(index)};
  const int level = rates ? rates->pick(choice, rng.uniform()) : choices_[choice].levels.pick(rng);
  Question q = question(index, TaskSplit::train, choice, level);
  check(split_of(q.task.canonical) == TaskSplit::train, "questions: no problem of the test split is trained on");
  return q;
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
  return q;
}

std::vector<Question> Questions::tests() const {
  std::vector<Question> all;
  for (size_t c = 0; c < choices_.size(); ++c)
    for (int64_t i = 0; i < recipe_.grpo.eval_problems; ++i) all.push_back(test(c, i));
  return all;
}

void Questions::check_lengths() const {
  constexpr int64_t kMost = 5000;
  const auto& t = recipe_.train;
  const int64_t asked = std::min<int64_t>(kMost, t.steps * (t.batch_size / recipe_.grpo.group));
  const bool by_chance =
      recipe_.grpo.levels == LevelSampling::edge;  // then which level a question will have is not known
  for (int64_t i = 0; i < asked; ++i) {
    const size_t choice = size_t(i) % choices_.size();
    const Levels& levels = choices_[choice].levels;
    if (by_chance)
      question(uint64_t(i), TaskSplit::train, choice, levels.nth(int(i / int64_t(choices_.size()) % levels.count())));
    else training(uint64_t(i));
  }
  for (size_t c = 0; c < choices_.size(); ++c)
    for (int64_t i = 0; i < std::min(kMost, recipe_.grpo.eval_problems); ++i) test(c, i);
}

std::vector<size_t> shown_problems(const std::vector<Question>& tests) {
  constexpr size_t kMost = 8;
  std::map<std::pair<size_t, int>, size_t> count;
  std::vector<std::pair<size_t, size_t>> order;  // how many of its kind and level come before it, and which it is
  for (size_t i = 0; i < tests.size(); ++i) order.push_back({count[{tests[i].choice, tests[i].level}]++, i});
  std::sort(order.begin(), order.end());
  std::vector<size_t> shown;
  for (size_t i = 0; i < std::min(kMost, order.size()); ++i) shown.push_back(order[i].second);
  std::sort(shown.begin(), shown.end());
  return shown;
}

}  // namespace minke
