#include "rl/questions.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <set>

#include "core/error.h"
#include "eval/task_grade.h"

namespace minke {
namespace {

constexpr int64_t kLookedAt = 64;       // problems of each task and level, before a run
constexpr uint64_t kMostPassed = 1000;  // if half of them can be asked, this does not happen
constexpr size_t kTestsOfFile = 5;      // one in so many problems of a file at most
constexpr int kOthers = 40;             // bits of an index: problems that stand in for others come behind all of these

}  // namespace

std::vector<QuestionSource> question_sources(const Recipe& recipe) {
  std::vector<QuestionSource> sources;
  std::set<std::pair<TaskKind, int>> named;
  std::vector<GraderKind> graders;
  for (const std::string& task : recipe.grpo.tasks) {
    const TaskChoice c = parse_task_choice(task, "grpo.tasks");
    QuestionSource& source = sources.emplace_back(QuestionSource{.name = std::string(name_of(c.kind)), .kind = c.kind});
    graders.push_back(grader_of(c.kind));
    for (int l = 0; l < c.levels.count(); ++l) {
      source.levels.push_back(c.levels.nth(l));
      if (!named.insert({c.kind, c.levels.nth(l)}).second)
        user_error("grpo.tasks: {}:{} is named twice", source.name, c.levels.nth(l));
    }
  }
  for (const std::string& file : recipe.grpo.jsonl) {
    QuestionSource source{.levels = {0}};
    for (TaskProblem& p : problems_of_file(file, 0)) {
      source.name = p.group;
      graders.push_back(p.task.grader);
      source.train.push_back(std::move(p.task));
    }
    if (std::ranges::any_of(sources, [&](const QuestionSource& s) { return s.name == source.name; }))
      user_error("grpo.jsonl: {}: another source of questions has the name {}, too: the log could not tell them apart",
                 file, source.name);
    const size_t tests = std::min(size_t(recipe.grpo.eval_problems), source.train.size() / kTestsOfFile);
    if (tests == 0)
      user_error("grpo.jsonl: {} has {} problems; at least {} are needed, one of which is kept for the evaluations",
                 file, source.train.size(), kTestsOfFile);
    source.test.assign(std::make_move_iterator(source.train.end() - std::ptrdiff_t(tests)),
                       std::make_move_iterator(source.train.end()));
    source.train.resize(source.train.size() - tests);
    sources.push_back(std::move(source));
  }
  check_judge(graders, !recipe.grpo.judge.empty(), recipe.grpo.jsonl.empty() ? "grpo.tasks" : "grpo.jsonl",
              "grpo.judge");
  return sources;
}

Questions::Questions(std::string_view verb, const Recipe& recipe, const Tokenizer& tokenizer, const Config& config,
                     const ChatTemplate* chat)
    : verb_(verb), recipe_(recipe), tokenizer_(tokenizer), chat_(chat), config_(config) {
  sources_ = question_sources(recipe);
}

std::vector<std::vector<int>> Questions::levels() const {
  std::vector<std::vector<int>> all;
  for (const QuestionSource& s : sources_) all.push_back(s.levels);
  return all;
}

Question Questions::put(Task task, size_t source, int level) const {
  Question q{.task = std::move(task), .source = source, .level = level};
  PutQuestion put = put_question(q.task, recipe_.grpo.prompt, tokenizer_, chat_);  // as an evaluation does
  q.prompt = std::move(put.prompt), q.ids = std::move(put.ids);
  return q;
}

Question Questions::question(uint64_t index, TaskSplit split, size_t source, int level) const {
  return put(make_task(recipe_.train.seed, index, *sources_[source].kind, level, split), source, level);
}

std::string Questions::level_name(const Question& q) const {
  const QuestionSource& source = sources_[q.source];
  return source.kind ? fmt::format("{}:{}", source.name, q.level) : source.name;
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
  const size_t source = index % sources_.size();
  if (!sources_[source].kind) return of_file(source, index / sources_.size());
  Rng rng{RngKey{recipe_.train.seed}.at("grpo level").at(index)};
  const std::vector<int>& levels = sources_[source].levels;
  const int level = rates ? rates->pick(source, rng.uniform()) : levels[size_t(rng.below(levels.size()))];
  for (uint64_t passed = 0;; ++passed) {
    Question q = question(index + (passed << kOthers), TaskSplit::train, source, level);
    check(split_of(q.task.canonical) == TaskSplit::train, "questions: no problem of the test split is trained on");
    const std::string why = trouble(q);
    if (why.empty()) return q;
    if (passed == kMostPassed) user_error("{}", why);
  }
}

// The problems of a file in another order in every epoch.
Question Questions::of_file(size_t source, uint64_t turn) const {
  const std::vector<Task>& tasks = sources_[source].train;
  const uint64_t n = tasks.size(), epoch = turn / n;
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  Rng rng{RngKey{recipe_.train.seed}.at("grpo file").at(source).at(epoch)};
  for (uint64_t i = n; i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  std::string why;
  for (uint64_t passed = 0; passed < n; ++passed) {
    Question q = put(tasks[order[(turn % n + passed) % n]], source, 0);
    why = trouble(q);
    if (why.empty()) return q;
  }
  user_error("{}", why);
}

std::vector<Question> Questions::training(uint64_t first, int64_t count, const LevelRates* rates) const {
  std::vector<Question> all;
  for (uint64_t i = 0; i < uint64_t(count); ++i) all.push_back(training(first + i, rates));
  return all;
}

int64_t Questions::tests_of(size_t source) const {
  return sources_[source].kind ? recipe_.grpo.eval_problems : int64_t(sources_[source].test.size());
}

std::optional<Question> Questions::test(size_t source, int64_t index) const {
  const QuestionSource& s = sources_[source];
  Question q = s.kind ? question(uint64_t(index), TaskSplit::test, source, s.levels[size_t(index) % s.levels.size()])
                      : put(s.test[size_t(index)], source, 0);
  check(!s.kind || split_of(q.task.canonical) == TaskSplit::test,
        "questions: no problem of the training split is a test");
  const std::string why = trouble(q);
  if (why.empty()) return q;
  if (s.kind) user_error("{}", why);
  return std::nullopt;
}

std::vector<Question> Questions::tests() const {
  std::vector<Question> all;
  for (size_t s = 0; s < sources_.size(); ++s)
    for (int64_t i = 0; i < tests_of(s); ++i)
      if (auto q = test(s, i)) all.push_back(std::move(*q));
  return all;
}

size_t Questions::count_tests() const {
  size_t all = 0;
  for (size_t s = 0; s < sources_.size(); ++s) all += size_t(tests_of(s));
  return all;
}

void Questions::check_lengths() const {
  tests();
  for (size_t s = 0; s < sources_.size(); ++s)
    for (const int level : sources_[s].levels) {
      const QuestionSource& source = sources_[s];
      const int64_t looked_at = source.kind ? kLookedAt : int64_t(source.train.size());
      int64_t passed = 0;
      std::string why;
      for (int64_t i = 0; i < looked_at; ++i) {
        const Question q =
            source.kind ? question(uint64_t(i), TaskSplit::train, s, level) : put(source.train[size_t(i)], s, 0);
        if (std::string w = trouble(q); !w.empty()) why = std::move(w), ++passed;
      }
      if (2 * passed > looked_at)
        user_error("{}; of {} questions of {} {} cannot be asked", why, looked_at,
                   source.kind ? fmt::format("{}:{}", source.name, level) : source.name, passed);
    }
}

std::vector<size_t> some_of_each(const std::vector<Question>& tests, size_t most) {
  std::map<std::pair<size_t, int>, size_t> count;
  std::vector<std::pair<size_t, size_t>> order;  // how many of its kind and level come before it, and which it is
  for (size_t i = 0; i < tests.size(); ++i) order.push_back({count[{tests[i].source, tests[i].level}]++, i});
  std::sort(order.begin(), order.end());
  std::vector<size_t> some;
  for (size_t i = 0; i < std::min(most, order.size()); ++i) some.push_back(order[i].second);
  std::sort(some.begin(), some.end());
  return some;
}

}  // namespace minke
