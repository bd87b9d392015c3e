// What is asked: as an evaluation asks it, by the levels' rates, and nothing that is too long.
#include "rl/questions.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "corpus/prompt.h"
#include "corpus/task_json.h"
#include "eval/task_problems.h"
#include "rl/rejection.h"
#include "tokenize/train.h"

namespace minke {
namespace {

// "User" is a special token, which the text of a question must not become.
const Tokenizer& tokenizer() {
  static const Tokenizer t = [] {
    const std::vector<std::string_view> text{"Make 54 from 3 7 25. Compute 1 + 2."};
    std::vector<std::string> special = default_special_tokens();
    special.push_back("User");
    return train_bpe(text, {.vocab_size = 300, .special_tokens = special, .tags = {"<answer>", "</answer>"}});
  }();
  return t;
}

Config config_of_tokenizer() {
  Config config;
  config.vocab_size = tokenizer().vocab_size();
  return config;
}

struct Asked {
  Recipe recipe;
  Config config;
  ChatTemplate chat;
  Questions questions;
  explicit Asked(const std::vector<std::string>& more)
      : recipe(parse_recipe("", "r.toml", settings(more), "", RecipeOf::grpo)),
        config(config_of_tokenizer()),
        chat({{"default", own_chat_template(true)}}, "test", Json{{"bos_token", "<s>"}, {"eos_token", "</s>"}}),
        questions("grpo", recipe, tokenizer(), config, &chat) {}
  static std::vector<std::string> settings(const std::vector<std::string>& more) {
    std::vector<std::string> all{"train.steps=4", "train.sequence_length=4000", "train.batch_size=8", "grpo.group=4",
                                 "grpo.max_new=16"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST(Questions, AreThoseOfAnEvaluation) {
  for (const auto& [prompt, name] : std::map<PromptFormat, const char*>{{PromptFormat::brief, "brief"},
                                                                        {PromptFormat::r1_zero, "r1-zero"},
                                                                        {PromptFormat::chat, "chat"},
                                                                        {PromptFormat::chat_plain, "chat-plain"}}) {
    SCOPED_TRACE(name);
    const Asked asked(
        {"grpo.tasks=[\"countdown:3\"]", std::string("grpo.prompt=") + name, "train.seed=5", "grpo.eval_problems=3"});
    auto problems = generated_problems(parse_task_choice("countdown:3", "test"), 3, 5);
    make_prompts(problems, prompt, tokenizer(), asked.chat, 4000);
    const std::vector<Question> tests = asked.questions.tests();
    ASSERT_EQ(tests.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(tests[i].prompt, problems[i].prompt);
      EXPECT_EQ(tests[i].ids, problems[i].ids);
    }
    if (!is_chat(prompt)) {
      EXPECT_EQ(tests[0].ids.front(), tokenizer().bos_id());
    }
    // Those of the training are put in the same way.
    for (TaskProblem& p : problems) p.task = asked.questions.training(uint64_t(p.index)).task;
    make_prompts(problems, prompt, tokenizer(), asked.chat, 4000);
    for (const TaskProblem& p : problems) {
      EXPECT_EQ(asked.questions.training(uint64_t(p.index)).ids, p.ids);
      EXPECT_EQ(split_of(p.task.canonical), TaskSplit::train);
    }
  }
}

// Each task by its own rates: where it is right half of the time.
TEST(Questions, LevelsAreDrawnByTheRatesOfTheirTask) {
  const Asked asked({"grpo.tasks=[\"chains:2-5\",\"countdown:3-6\"]", "grpo.levels=edge"});
  LevelRates rates(asked.questions.levels());
  Json state = rates.to_json();
  for (Json& l : state[0]) l["rate"] = l["level"] == 4 ? 0.5 : 0.0;
  for (Json& l : state[1]) l["rate"] = l["level"] == 6 ? 0.5 : 1.0;
  rates.restore(state);
  std::map<std::string, int> count, evenly;
  constexpr uint64_t kAsked = 400;
  for (uint64_t i = 0; i < kAsked; ++i) {
    ++count[asked.questions.level_name(asked.questions.training(i, &rates))];
    ++evenly[asked.questions.level_name(asked.questions.training(i))];
  }
  EXPECT_GT(count["chain:4"], 110);  // two thirds of 200, by weights of 0.3 and 0.05
  EXPECT_GT(count["countdown:6"], 110);
  for (const char* other : {"chain:2", "chain:3", "chain:5", "countdown:3", "countdown:4", "countdown:5"})
    EXPECT_LT(count[other], 45) << other;
  for (const auto& [name, n] : evenly) EXPECT_NEAR(n, 50, 25) << name;
  EXPECT_EQ(evenly.size(), 8u);
}

std::vector<size_t> sorted_lengths(const Questions& questions, int64_t count) {
  std::vector<size_t> all;
  for (const Question& q : questions.training(0, count)) all.push_back(q.ids.size());
  std::sort(all.begin(), all.end());
  return all;
}

// A question that is too long is passed over for another one of its task and level; the others stay what they are.
TEST(Questions, ThatAreTooLongDoNotEndARun) {
  const std::vector<std::string> tasks{"grpo.tasks=[\"word_problem:2\",\"countdown:3\"]", "grpo.eval_problems=1"};
  const Asked all(tasks);
  constexpr int64_t kAsked = 400;
  const std::vector<size_t> lengths = sorted_lengths(all.questions, kAsked);
  const size_t most = std::max(lengths[size_t(0.85 * kAsked)], all.questions.tests()[0].ids.size());
  ASSERT_LT(most, lengths.back());
  const auto shorter = [&](size_t tokens, const std::vector<std::string>& more = {}) {
    std::vector<std::string> set = tasks;
    set.push_back(fmt::format("train.sequence_length={}", tokens + 16));
    set.insert(set.end(), more.begin(), more.end());
    return Asked(set).recipe;
  };
  const auto ask = [&](const Recipe& recipe, uint64_t index, const LevelRates* rates = nullptr) {
    return Questions("grpo", recipe, tokenizer(), all.config).training(index, rates);
  };
  const Recipe recipe = shorter(most);
  EXPECT_NO_THROW(Questions("grpo", recipe, tokenizer(), all.config).check_lengths());
  const LevelRates rates(all.questions.levels());
  std::set<std::string> different;
  int passed = 0;
  for (uint64_t i = 0; i < kAsked; ++i) {
    const Question before = all.questions.training(i), now = ask(recipe, i);
    EXPECT_LE(now.ids.size(), most);
    EXPECT_EQ(now.source, before.source);
    EXPECT_EQ(now.level, before.level);
    if (before.ids.size() <= most) EXPECT_EQ(now.ids, before.ids);
    else ++passed, different.insert(now.prompt);
    EXPECT_LE(ask(recipe, i, &rates).ids.size(), most);
    EXPECT_EQ(ask(recipe, i).ids, now.ids);
  }
  EXPECT_GT(passed, 20);
  EXPECT_EQ(different.size(), size_t(passed)) << "the same one stands in for several";
}

TEST(Questions, WhereMostAreTooLongTheRunIsRefused) {
  const auto message = [&](const Asked& asked) -> std::string {
    try {
      asked.questions.check_lengths();
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const std::vector<std::string> tasks{"grpo.tasks=[\"chains:2\",\"countdown:3-6\"]", "grpo.eval_problems=1"};
  const Asked all(tasks);
  EXPECT_EQ(message(all), "");
  // One level of one task, of which the evaluation has no problem.
  std::vector<size_t> lengths;
  for (const Question& q : all.questions.training(0, 600))
    if (q.source == 1 && q.level == 6) lengths.push_back(q.ids.size());
  std::sort(lengths.begin(), lengths.end());
  std::vector<std::string> set = tasks;
  set.push_back(fmt::format("train.sequence_length={}", lengths[lengths.size() / 10] + 16));
  const std::string said = message(Asked(set));
  EXPECT_NE(said.find("with grpo.max_new 16 that is more than train.sequence_length"), said.npos) << said;
  EXPECT_NE(said.find("of 64 questions of countdown:6 "), said.npos) << said;
  // A test is not passed over: all runs have the same ones.
  set = {"grpo.tasks=[\"word_problem:3\"]", "grpo.eval_problems=40"};
  const Asked tests(set);
  size_t longest = 0;
  for (const Question& q : tests.questions.tests()) longest = std::max(longest, q.ids.size());
  set.push_back(fmt::format("train.sequence_length={}", longest + 16));
  EXPECT_EQ(message(Asked(set)), "");
  set.back() = fmt::format("train.sequence_length={}", longest + 15);
  EXPECT_NE(message(Asked(set)), "");
  // Nor is anything asked with a token that the model has not.
  Asked other(tasks);
  other.config.vocab_size = 20;
  EXPECT_NE(message(other).find("its tokenizer is of another model"), std::string::npos);
}

TEST(SomeOfEach, AreOfEachKindAndLevel) {
  std::vector<Question> tests(20);
  EXPECT_EQ(some_of_each({}, 8), std::vector<size_t>{});
  for (size_t i = 0; i < tests.size(); ++i) {
    tests[i].source = i < 10 ? 0 : 1;
    tests[i].level = i < 10 ? 3 : int(2 + i % 2);
  }
  // The first three of countdown, three of the one level of chains and two of the other.
  EXPECT_EQ(some_of_each(tests, 8), (std::vector<size_t>{0, 1, 2, 10, 11, 12, 13, 14}));
  tests.resize(3);
  EXPECT_EQ(some_of_each(tests, 8), (std::vector<size_t>{0, 1, 2}));
}

// Every problem once before one comes again, each epoch in another order; some are tests alone; what is too long is left out.
TEST(Questions, OfAFile) {
  const fs::path file = fs::temp_directory_path() / fmt::format("minke_questions_test_{}.jsonl", ::getpid());
  std::vector<std::string> lines;
  for (int i = 0; i < 23; ++i)
    lines.push_back(fmt::format("{{\"question\": \"What is {} + 1?{}\", \"answer\": \"#### {}\"}}\n", i % 22,
                                i == 7 ? std::string(300, '!') : "", i % 22 + 1));  // the first comes twice
  const auto write = [&](size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += lines[i];
    write_file_atomic(file, text);
  };
  write(lines.size());
  const std::string source = fmt::format("grpo.jsonl=[\"{}\"]", file.string());
  const Asked asked({source, "grpo.eval_problems=4", "train.sequence_length=120"});
  const Questions& q = asked.questions;
  EXPECT_NO_THROW(q.check_lengths());
  EXPECT_FALSE(q.ask_for_programs());
  std::set<std::string> tests;
  for (const Question& t : q.tests()) {
    tests.insert(t.task.question);
    EXPECT_EQ(q.level_name(t), file.stem().string());
    EXPECT_LE(t.ids.size(), 104u);
  }
  EXPECT_EQ(tests.size(), 4u);
  EXPECT_EQ(q.count_tests(), 4u);
  const size_t n = q.sources()[0].train.size();
  EXPECT_EQ(n, tests.contains("What is 0 + 1?") ? 17u : 18u);  // 22 that are short, without the tests and their copies
  std::vector<std::vector<std::string>> epochs(2);
  for (uint64_t i = 0; i < 2 * n; ++i) {
    const Question asked_now = q.training(i);
    EXPECT_EQ(asked_now.ids, q.training(i).ids);
    EXPECT_FALSE(tests.contains(asked_now.task.question));
    EXPECT_LE(asked_now.ids.size(), 104u);
    epochs[i / n].push_back(asked_now.task.question);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) std::sort(epoch.begin(), epoch.end());
  EXPECT_EQ(epochs[0], epochs[1]);
  // The same tests with another seed, and with the lines in another order.
  std::reverse(lines.begin(), lines.end());
  write(lines.size());
  const Asked again({source, "grpo.eval_problems=4", "train.sequence_length=120", "train.seed=8"});
  for (const Question& t : again.questions.tests()) EXPECT_TRUE(tests.contains(t.task.question));
  // Beside a task: in turn.
  const Asked both({"grpo.tasks=[\"countdown:3\"]", source, "grpo.eval_problems=4", "grpo.levels=edge"});
  const LevelRates rates(both.questions.levels());
  for (uint64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(both.questions.training(i, &rates).source, i % 2);
    EXPECT_EQ(both.questions.training(i, &rates).task.question.starts_with("Make"), i % 2 == 0);
  }
  EXPECT_EQ(both.questions.count_tests(), 8u);
  const auto said = [](const std::vector<std::string>& set) -> std::string {
    try {
      const Asked made(set);
      made.questions.check_lengths();
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const auto expect = [&](const std::string& part, const std::vector<std::string>& set) {
    EXPECT_NE(said(set).find(part), std::string::npos) << said(set);
  };
  expect("/no/such.jsonl", {"grpo.jsonl=[\"/no/such.jsonl\"]"});
  expect("only the stages of minke pipeline", {"grpo.jsonl=[\"stage:probe\"]"});
  expect("grpo.tasks asks generated problems", {"grpo.jsonl=[\"builtin:tasks:chains\"]"});
  expect("another source of questions has the name", {fmt::format("grpo.jsonl=[\"{0}\",\"{0}\"]", file.string())});
  expect("only 0 different ones can be asked", {source, "train.sequence_length=20"});
  write(1);
  expect("has 1 problems; at least 5 are needed", {source});
  // Some can be asked, but most not.
  std::string text;
  for (int i = 0; i < 30; ++i)
    text += fmt::format("{{\"question\": \"{}{}\", \"answer\": \"#### 1\"}}\n", i, std::string(i < 18 ? 200 : 1, '?'));
  write_file_atomic(file, text);
  expect("questions of " + file.stem().string() + " 18 cannot be asked", {source, "train.sequence_length=120"});
  // Of the test split, and programs that only the tests have.
  write_file_atomic(file, task_line(make_task(1, 0, TaskKind::chain, 2, TaskSplit::test), "chain", 2) + "\n");
  expect("problem 1 is of the test split", {source});
  fs::remove(file);
}

// A run goes on with the problems that it began with.
TEST(Questions, AreKeptInTheRun) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("minke_kept_questions_test_{}", ::getpid());
  fs::create_directories(folder / "probe");
  fs::create_directories(folder / "run" / "base");
  std::string text;
  for (int i = 0; i < 6; ++i)
    text += task_line(make_task(1, uint64_t(i), TaskKind(i), task_levels(TaskKind(i)).first), "t", 0) + "\n";
  write_file_atomic(folder / "probe" / kSometimesFile, text);
  Recipe recipe;
  recipe.grpo.jsonl = {(folder / "probe" / kSometimesFile).string()};
  EXPECT_EQ(name_of_file(recipe.grpo.jsonl[0]), "probe");
  EXPECT_EQ(name_of_file("a/b.train.jsonl.gz"), "b");
  keep_questions(recipe, folder / "run" / "base");
  const auto before = question_sources(recipe);
  fs::remove_all(folder / "probe");
  const auto kept = question_sources(with_kept_questions(recipe, folder / "run"));
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].name, "probe");
  ASSERT_EQ(kept[0].train.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(kept[0].train[i].question, before[0].train[i].question);
    EXPECT_EQ(kept[0].train[i].answer, before[0].train[i].answer);
    EXPECT_EQ(kept[0].train[i].grader, before[0].train[i].grader);
  }
  fs::remove_all(folder);
}

// Problem i of a task is that of an evaluation's level, levels in turn.
TEST(Questions, TestsTakeLevelsInTurn) {
  const Asked asked({"grpo.tasks=[\"chains:2-4\",\"countdown:5\"]", "grpo.eval_problems=5", "train.seed=9"});
  const std::vector<Question> tests = asked.questions.tests();
  ASSERT_EQ(tests.size(), 10u);
  const std::vector<int> levels{2, 3, 4, 2, 3, 5, 5, 5, 5, 5};
  for (size_t i = 0; i < tests.size(); ++i) {
    EXPECT_EQ(tests[i].source, i / 5);
    EXPECT_EQ(tests[i].level, levels[i]);
    const TaskKind kind = i < 5 ? TaskKind::chain : TaskKind::countdown;
    EXPECT_EQ(tests[i].task.question, make_task(9, i % 5, kind, levels[i], TaskSplit::test).question) << i;
  }
  EXPECT_EQ(asked.questions.level_name(tests[1]), "chain:3");
  EXPECT_EQ(asked.questions.level_name(tests[9]), "countdown:5");
  // Those of a training go on from any place.
  const std::vector<Question> some = asked.questions.training(3, 4);
  ASSERT_EQ(some.size(), 4u);
  for (uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(some[i].prompt, asked.questions.training(3 + i).prompt);
    EXPECT_EQ(some[i].source, (3 + i) % 2);
  }
}

// Half of the 64 that are looked at may be too long, and no more.
TEST(Questions, MostMustFit) {
  std::vector<std::string> set{"grpo.tasks=[\"word_problem:2\"]", "grpo.eval_problems=1"};
  const Asked all(set);
  std::vector<size_t> lengths;
  for (uint64_t i = 0; i < 64; ++i) {
    const Task task = make_task(all.recipe.train.seed, i, TaskKind::word_problem, 2);
    lengths.push_back(
        tokenizer()
            .encode(prompt_of(task.question, PromptFormat::brief), {.parse_special = false, .add_bos = true})
            .size());
  }
  std::sort(lengths.begin(), lengths.end());
  const size_t test = all.questions.tests()[0].ids.size();
  set.emplace_back();
  int refused = 0, taken = 0;
  for (size_t most = std::max(test, lengths.front()); most <= lengths.back(); ++most) {
    const auto passed = lengths.end() - std::upper_bound(lengths.begin(), lengths.end(), most);
    set.back() = fmt::format("train.sequence_length={}", most + 16);
    const Asked asked(set);
    std::string said;
    try {
      asked.questions.check_lengths();
    } catch (const UserError& e) {
      said = e.what();
    }
    if (passed <= 32) EXPECT_EQ(said, "") << passed;
    else
      EXPECT_TRUE(said.ends_with(fmt::format("; of 64 questions of word_problem:2 {} cannot be asked", passed)))
          << said;
    ++(passed <= 32 ? taken : refused);
  }
  EXPECT_GT(refused, 1);
  EXPECT_GT(taken, 1);
  // A question is not looked for without end.
  set.back() = "train.sequence_length=17";
  EXPECT_THROW(Asked(set).questions.training(0), UserError);
}

}  // namespace
}  // namespace minke
