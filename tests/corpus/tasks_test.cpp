#include "corpus/tasks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <unordered_set>
#include <vector>

#include "calculator.h"
#include "core/error.h"

namespace minke {
namespace {

using namespace test;

// What the answer must be, from the numbers of the question alone.
const std::map<std::string, std::function<int64_t(const Ints&)>>& solvers() {
  static const std::map<std::string, std::function<int64_t(const Ints&)>> table = {
      {"receive", [](const Ints& n) { return n[0] + n[1]; }},
      {"give_away", [](const Ints& n) { return n[0] - n[1]; }},
      {"groups", [](const Ints& n) { return n[0] * n[1]; }},
      {"share_equally", [](const Ints& n) { return n[0] / n[1]; }},
      {"more_than", [](const Ints& n) { return 2 * n[0] + n[1]; }},
      {"times_as_many", [](const Ints& n) { return n[0] * (1 + n[1]); }},
      {"change", [](const Ints& n) { return n[2] - n[0] * n[1]; }},
      {"two_goods", [](const Ints& n) { return n[0] * n[1] + n[2] * n[3]; }},
      {"savings", [](const Ints& n) { return (n[0] - n[1]) / n[2]; }},
      {"reading", [](const Ints& n) { return n[0] - n[1] * n[2]; }},
      {"travel", [](const Ints& n) { return n[0] * n[1] + n[2]; }},
      {"half_left", [](const Ints& n) { return n[0] / 2 - n[1]; }},
      {"age", [](const Ints& n) { return n[0] + n[1] + n[2]; }},
      {"rows_left", [](const Ints& n) { return n[0] * n[1] - n[2]; }},
      {"discount", [](const Ints& n) { return n[0] * (100 - n[1]) / 100; }},
      {"average", [](const Ints& n) { return (n[0] + n[1] + n[2]) / 3; }},
      {"fence", [](const Ints& n) { return 2 * (n[0] + n[1]) * n[2]; }},
      {"bakery", [](const Ints& n) { return (n[0] * n[1] - n[2]) * n[3]; }},
      {"work_week", [](const Ints& n) { return n[0] * n[1] * n[2] - n[3]; }},
      {"zh_garden", [](const Ints& n) { return n[0] * n[1] * n[2]; }},
      {"zh_discount", [](const Ints& n) { return n[0] - n[0] * n[1] / 10; }},
      {"zh_work_together", [](const Ints& n) { return (n[0] + n[1]) * n[2]; }},
      {"zh_change", [](const Ints& n) { return n[2] - n[0] * n[1]; }},
      {"zh_savings", [](const Ints& n) { return (n[0] - n[1]) / n[2]; }},
      // arithmetic
      {"add", [](const Ints& n) { return n[0] + n[1]; }},
      {"subtract", [](const Ints& n) { return n[0] - n[1]; }},
      {"multiply", [](const Ints& n) { return n[0] * n[1]; }},
      {"divide", [](const Ints& n) { return n[0] / n[1]; }},
      {"remainder", [](const Ints& n) { return n[0] % n[1]; }},
      {"percent", [](const Ints& n) { return n[0] * n[1] / 100; }},
      {"larger",
       [](const Ints& n) { return n.size() == 2 ? std::max(n[0], n[1]) : std::max(n[0] + n[1], n[2] + n[3]); }},
      {"sequence", [](const Ints& n) { return n[1] - n[0] == n[2] - n[1] ? 2 * n[3] - n[2] : n[3] * n[3] / n[2]; }},
      {"chain", [](const Ints& n) { return n.size() == 3 ? n[0] + n[1] * n[2] : (n[0] + n[1]) * n[2] - n[3]; }},
  };
  return table;
}

TEST(Tasks, EveryAnswerFollowsFromItsQuestion) {
  std::map<std::string, int> families;
  for (TaskKind kind : {TaskKind::arithmetic, TaskKind::word_problem, TaskKind::word_problem_zh})
    for (int level = kMinTaskLevel; level <= kMaxTaskLevel; ++level)
      for (uint64_t i = 0; i < 1500; ++i) {
        const Task task = make_task(9, i, kind, level);
        const std::string text = task_document(task);
        ++families[task.family];
        int equations = 0;
        int64_t last = 0;
        ASSERT_TRUE(equations_hold(task.reasoning, equations, last)) << text;
        ASSERT_EQ(task.question.find('\n'), std::string::npos);
        ASSERT_TRUE(text.ends_with("#### " + task.answer));
        for (const char* bad : {"{", "}", "|", "$ ", "@"})
          ASSERT_EQ(task.question.find(bad), std::string::npos) << text;
        const Ints n = integers(task.question);
        if (task.family == "fraction") {
          const size_t slash = task.answer.find('/');
          ASSERT_NE(slash, std::string::npos) << text;
          const int64_t p = std::stoll(task.answer), q = std::stoll(task.answer.substr(slash + 1));
          ASSERT_EQ(p * n[1], q * n[0]) << text;
          ASSERT_EQ(std::gcd(p, q), 1) << text;
          continue;
        }
        const int64_t answer = std::stoll(task.answer);
        ASSERT_EQ(task.answer, std::to_string(answer));
        if (task.family == "missing") {
          ASSERT_EQ(task.question[0] == '?' ? answer - n[0] : n[0] + answer, n[1]) << text;
          continue;
        }
        if (kind != TaskKind::arithmetic) {
          ASSERT_GT(equations, 0) << text;
          ASSERT_EQ(last, answer) << text;
          ASSERT_GE(answer, 0) << text;
        } else if (equations > 0 && task.family != "larger") {
          ASSERT_EQ(last, answer) << text;
        }
        std::string family = task.family;
        if (!solvers().count(family) && family.starts_with("zh_")) family = family.substr(3);
        ASSERT_TRUE(solvers().count(family)) << family;
        ASSERT_EQ(solvers().at(family)(n), answer) << text;
      }
  EXPECT_EQ(families.size(), 19u + 13u + 11u);
}

TEST(Tasks, TheCheckerSeesAWrongEquation) {
  int count = 0;
  int64_t last = 0;
  EXPECT_TRUE(equations_hold("So (2 + 3) * 4 - 1 = 19 apples.", count, last));
  EXPECT_EQ(count, 1);
  EXPECT_EQ(last, 19);
  EXPECT_FALSE(equations_hold("2 + 3 = 6", count, last));
  EXPECT_FALSE(equations_hold("7 / 2 = 3", count, last));
  EXPECT_FALSE(equations_hold("8 / 4 = ", count, last));
}

TEST(Tasks, SeedIndexKindAndLevelNameTheTask) {
  const Task a = make_task(1, 5, TaskKind::word_problem, 3), b = make_task(1, 5, TaskKind::word_problem, 3);
  EXPECT_EQ(task_document(a), task_document(b));
  std::set<std::string> others;
  others.insert(task_document(a));
  others.insert(task_document(make_task(2, 5, TaskKind::word_problem, 3)));
  others.insert(task_document(make_task(1, 6, TaskKind::word_problem, 3)));
  others.insert(task_document(make_task(1, 5, TaskKind::word_problem, 4)));
  others.insert(task_document(make_task(1, 5, TaskKind::word_problem_zh, 3)));
  EXPECT_EQ(others.size(), 5u);
  EXPECT_THROW(make_task(1, 5, TaskKind::arithmetic, 0), BugError);
  EXPECT_THROW(make_task(1, 5, TaskKind::arithmetic, 6), BugError);
  EXPECT_THROW(make_task(1, 5, TaskKind::countdown, 2), BugError);
  EXPECT_THROW(make_task(1, 5, TaskKind::chain, 7), BugError);
}

TEST(Tasks, AChoiceNamesKindAndLevels) {
  EXPECT_EQ(parse_task_choice("chats:1", "--task").levels, Levels::range({1, 1}));
  EXPECT_EQ(parse_task_choice("countdown", "--task").kind, TaskKind::countdown);
  EXPECT_EQ(parse_task_choice("countdown", "--task").levels, Levels::range({3, 6}));
  EXPECT_EQ(parse_task_choice("chains:2,4-5", "--task").kind, TaskKind::chain);
  EXPECT_EQ(parse_task_choice("chains:2,4-5", "--task").levels.bits, 0b110100u);
  for (const char* wrong :
       {"", "poem", "countdown:", "countdown:7", "countdown:2", "countdown:3-", "countdown:5-3", "countdown:3,,4",
        "countdown:3:4", ":3", "countdown:99999999999999999999", "chat:fr", "chat_zh:2", "chat:"}) {
    try {
      parse_task_choice(wrong, "--task");
      FAIL() << wrong;
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find("--task"), std::string::npos) << e.what();
    }
  }
}

TEST(Tasks, LevelsGrow) {
  // Mean steps per solution rise with the level; the largest question numbers too.
  double steps[6] = {}, size[6] = {};
  for (int level = 1; level <= 5; ++level)
    for (uint64_t i = 0; i < 1000; ++i) {
      const Task t = make_task(4, i, TaskKind::word_problem, level);
      steps[level] += 1 + double(std::count(t.reasoning.begin(), t.reasoning.end(), '\n'));
      for (int64_t n : integers(t.question)) size[level] += double(n);
    }
  for (int level = 2; level <= 5; ++level) {
    EXPECT_GE(steps[level], steps[level - 1]) << level;
    EXPECT_GT(size[level], size[level - 1]) << level;
  }
}

TEST(Tasks, WordProblemsAreMany) {
  std::unordered_set<std::string> questions;
  for (uint64_t i = 0; i < 20000; ++i) questions.insert(make_task(1, i, TaskKind::word_problem, 4).question);
  EXPECT_GT(questions.size(), 19800u);
}

}  // namespace
}  // namespace minke
