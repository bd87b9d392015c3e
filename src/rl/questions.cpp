#include "rl/questions.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <set>

#include "core/error.h"
#include "corpus/task_json.h"
#include "eval/task_grade.h"
#include "recipe/pipeline.h"
#include "rl/rejection.h"

namespace minke {
namespace {

constexpr int64_t kLookedAt = 64;       // problems of each task and level, before a run
constexpr uint64_t kMostPassed = 1000;  // if half of them can be asked, this does not happen
constexpr size_t kTestsOfFile = 5;      // one in so many problems of a file at most
constexpr int kOthers = 40;             // bits of an index: problems that stand in for others come behind all of these

}  // namespace

namespace {

void check_prompts(const std::vector<GraderKind>& graders, const Recipe& recipe) {
  for (const GraderKind grader : graders) check_prompt(grader, recipe.grpo.prompt, "grpo.prompt");
}

struct NamedSources {
  std::vector<QuestionSource> sources;
  std::vector<GraderKind> graders;
};

NamedSources named_sources(const Recipe& recipe) {
  NamedSources all;
  auto& [sources, graders] = all;
  std::set<std::pair<TaskKind, int>> named;
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
    if (file.starts_with(kStageSource))
      user_error("grpo.jsonl: {}: only the stages of minke pipeline can be named so; give the file of problems",
                 printable(file));
    if (file.starts_with("builtin:"))
      user_error("grpo.jsonl: {} is no file; grpo.tasks asks generated problems", printable(file));
    QuestionSource source{.name = name_of_file(file), .levels = {0}};
    for (TaskProblem& p : problems_of_file(file, 0)) {
      if (p.task.split == TaskSplit::test)
        user_error(
            "grpo.jsonl: {}: problem {} is of the test split (minke corpus tasks --split test), which nothing may "
            "learn from",
            file, p.index + 1);
      graders.push_back(p.task.grader);
      source.train.push_back(std::move(p.task));
    }
    if (std::ranges::any_of(sources, [&](const QuestionSource& s) { return s.name == source.name; }))
      user_error("grpo.jsonl: {}: another source of questions has the name {}, too: the log could not tell them apart",
                 file, source.name);
    if (source.train.size() < kTestsOfFile)
      user_error("grpo.jsonl: {} has {} problems; at least {} are needed, one of which is held out", file,
                 source.train.size(), kTestsOfFile);
    sources.push_back(std::move(source));
  }
  return all;
}

}  // namespace

std::vector<QuestionSource> question_sources(const Recipe& recipe) {
  NamedSources all = named_sources(recipe);
  check_judge(all.graders, !recipe.grpo.judge.empty(),
              recipe.grpo.jsonl.empty() ? "grpo.tasks" : "grpo.tasks and grpo.jsonl", "grpo.judge");
  check_prompts(all.graders, recipe);
  return std::move(all.sources);
}

void check_questions(Recipe recipe) {
  const auto is_stage = [](const std::string& file) { return file.starts_with(kStageSource); };
  if (std::erase_if(recipe.grpo.jsonl, is_stage) == 0) {
    question_sources(recipe);
    return;
  }
  // What the stage will ask may need the judge.
  const std::vector<GraderKind> graders = named_sources(recipe).graders;
  if (recipe.grpo.judge.empty()) check_judge(graders, false, "grpo.tasks and grpo.jsonl", "grpo.judge");
  check_prompts(graders, recipe);
}

std::string name_of_file(const fs::path& file) {
  std::string name =
      file.filename() == kSometimesFile ? file.parent_path().filename().string() : file.filename().string();
  if (const size_t dot = name.find('.', 1); dot != name.npos) name.resize(dot);
  return name;
}

void keep_questions(const Recipe& recipe, const fs::path& base) {
  if (recipe.grpo.jsonl.empty()) return;
  fs::create_directory(base / kQuestionsFolder);
  for (const std::string& file : recipe.grpo.jsonl) {
    std::string lines;
    for (const TaskProblem& p : problems_of_file(file, 0)) lines += task_line(p.task, p.group, 0) + "\n";
    write_file_atomic(base / kQuestionsFolder / (name_of_file(file) + ".jsonl"), lines);
  }
}

Recipe with_kept_questions(Recipe recipe, const fs::path& run) {
  for (std::string& file : recipe.grpo.jsonl)
    file = (run / "base" / kQuestionsFolder / (name_of_file(file) + ".jsonl")).string();
  return recipe;
}

Questions::Questions(std::string_view verb, const Recipe& recipe, const Tokenizer& tokenizer, const Config& config,
                     const ChatTemplate* chat)
    : verb_(verb), recipe_(recipe), tokenizer_(tokenizer), chat_(chat), config_(config) {
  sources_ = question_sources(recipe);
  for (size_t s = 0; s < sources_.size(); ++s)
    if (!sources_[s].kind) hold_out(s);
}

void Questions::hold_out(size_t source) {
  std::vector<Task>& tasks = sources_[source].train;
  size_t& count = too_long_[source].first;
  std::string& why = too_long_[source].second;
  std::erase_if(tasks, [&](const Task& task) {
    std::string w = trouble(put(task, source, 0));
    if (w.empty()) return false;
    why = std::move(w), ++count;
    return true;
  });
  std::set<std::pair<uint64_t, std::string_view>> by_hash;  // different questions
  const auto key = [](const Task& t) {
    return std::pair{RngKey{}.at("held out").at(t.question).stream, std::string_view(t.question)};
  };
  for (const Task& t : tasks) by_hash.insert(key(t));
  const size_t tests = std::min(size_t(recipe_.grpo.eval_problems), by_hash.size() / kTestsOfFile);
  if (tests == 0)
    user_error("grpo.jsonl: of the problems of {} only {} different ones can be asked; at least {} are needed{}{}",
               sources_[source].name, by_hash.size(), kTestsOfFile, why.empty() ? "" : ". ", why);
  const auto [last_hash, viewed] = *std::next(by_hash.begin(), std::ptrdiff_t(tests) - 1);
  const std::string last_question(viewed);  // the tasks move
  const std::pair last{last_hash, std::string_view(last_question)};
  std::vector<Task> train, test;
  std::set<std::string> held;
  for (Task& t : tasks) {
    if (key(t) > last) train.push_back(std::move(t));
    else if (held.insert(t.question).second) test.push_back(std::move(t));
  }
  sources_[source].train = std::move(train), sources_[source].test = std::move(test);
}

bool Questions::ask_for_programs() const {
  const auto is_program = [](const Task& t) { return t.grader == GraderKind::code; };
  return std::ranges::any_of(sources_, [&](const QuestionSource& s) {
    return s.kind == TaskKind::code || std::ranges::any_of(s.train, is_program) ||
           std::ranges::any_of(s.test, is_program);
  });
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
  return put(tasks[order[turn % n]], source, 0);
}

std::vector<Question> Questions::training(uint64_t first, int64_t count, const LevelRates* rates) const {
  std::vector<Question> all;
  for (uint64_t i = 0; i < uint64_t(count); ++i) all.push_back(training(first + i, rates));
  return all;
}

int64_t Questions::tests_of(size_t source) const {
  return sources_[source].kind ? recipe_.grpo.eval_problems : int64_t(sources_[source].test.size());
}

Question Questions::test(size_t source, int64_t index) const {
  const QuestionSource& s = sources_[source];
  if (!s.kind) return put(s.test[size_t(index)], source, 0);
  Question q = question(uint64_t(index), TaskSplit::test, source, s.levels[size_t(index) % s.levels.size()]);
  check(split_of(q.task.canonical) == TaskSplit::test, "questions: no problem of the training split is a test");
  if (const std::string why = trouble(q); !why.empty()) user_error("{}", why);
  return q;
}

std::vector<Question> Questions::tests() const {
  std::vector<Question> all;
  for (size_t s = 0; s < sources_.size(); ++s)
    for (int64_t i = 0; i < tests_of(s); ++i) all.push_back(test(s, i));
  return all;
}

size_t Questions::count_tests() const {
  size_t all = 0;
  for (size_t s = 0; s < sources_.size(); ++s) all += size_t(tests_of(s));
  return all;
}

void Questions::check_lengths() const {
  tests();
  const auto refuse_most = [](int64_t passed, int64_t looked_at, const std::string& why, const std::string& name) {
    if (2 * passed > looked_at)
      user_error("{}; of {} questions of {} {} cannot be asked", why, looked_at, name, passed);
  };
  for (size_t s = 0; s < sources_.size(); ++s) {
    const QuestionSource& source = sources_[s];
    if (!source.kind) {
      const auto& [count, why] = too_long_.at(s);
      refuse_most(int64_t(count), int64_t(count + source.train.size() + source.test.size()), why, source.name);
      continue;
    }
    for (const int level : source.levels) {
      int64_t passed = 0;
      std::string why;
      for (int64_t i = 0; i < kLookedAt; ++i)
        if (std::string w = trouble(question(uint64_t(i), TaskSplit::train, s, level)); !w.empty())
          why = std::move(w), ++passed;
      refuse_most(passed, kLookedAt, why, fmt::format("{}:{}", source.name, level));
    }
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
