#include "corpus/countdown.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "calculator.h"
#include "core/json.h"
#include "corpus/chains.h"
#include "corpus/tasks.h"

namespace minke {
namespace {

using namespace test;

Ints sorted(Ints values) {
  std::sort(values.begin(), values.end());
  return values;
}

TEST(Countdown, SolutionsUseEachNumberOnceAndReachTheTarget) {
  for (int level = 3; level <= 6; ++level)
    for (TaskSplit split : {TaskSplit::train, TaskSplit::test})
      for (uint64_t i = 0; i < 1000; ++i) {
        const Task task = make_task(5, i, TaskKind::countdown, level, split);
        ASSERT_EQ(task.grader, GraderKind::countdown);
        Ints asked = integers(task.question);  // target first
        const Json answer = parse_json(task.answer, "answer");
        ASSERT_EQ(answer["target"].get<int64_t>(), asked[0]);
        const Ints numbers = answer["numbers"].get<Ints>();
        ASSERT_EQ(numbers, Ints(asked.begin() + 1, asked.end())) << task.question;
        ASSERT_EQ(int(numbers.size()), level);
        for (int64_t n : numbers) ASSERT_TRUE(n >= 1 && n <= 25) << task.question;
        ASSERT_TRUE(asked[0] >= 10 && asked[0] <= 100) << task.question;
        ASSERT_EQ(sorted(integers(task.solution)), sorted(numbers)) << task.question << task.solution;
        bool ok = true;
        ASSERT_EQ(value_of(task.solution, ok), asked[0]) << task.solution;
        ASSERT_TRUE(ok) << task.solution;
        int equations = 0;
        int64_t last = 0;
        ASSERT_TRUE(equations_hold(task.reasoning, equations, last)) << task.reasoning;
        ASSERT_EQ(equations, level - 1);
        ASSERT_EQ(last, asked[0]);
        ASSERT_EQ(split_of(task.canonical), split);
      }
}

TEST(Countdown, TheOrderOfTheNumbersIsNoOtherProblem) {
  corpus::Countdown a, b;
  a.numbers = {3, 25, 7}, b.numbers = {25, 7, 3};
  a.target = b.target = 54;
  EXPECT_EQ(a.canonical(), b.canonical());
  b.target = 55;
  EXPECT_NE(a.canonical(), b.canonical());
}

// Every operation in a bracket of its own (countdown), or only where it is needed (chains): the same value.
TEST(Countdown, BracketsKeepTheValue) {
  Rng rng{RngKey{8}};
  for (int i = 0; i < 20000; ++i) {
    std::vector<corpus::Operand> table;
    for (int n = 0; n < 5; ++n) {
      const int64_t v = 1 + int64_t(rng.below(12));
      table.push_back({v, std::to_string(v), 0});
    }
    const bool plain = i % 2;
    while (table.size() > 1) {
      corpus::Operand b = table.back();
      table.pop_back();
      corpus::Operand& a = table[size_t(rng.below(table.size()))];
      const char op = "+-*/"[rng.below(4)];
      if (op == '/' && (b.value == 0 || a.value % b.value != 0)) {
        table.push_back(b);
        continue;
      }
      const int64_t v = op == '+'   ? a.value + b.value
                        : op == '-' ? a.value - b.value
                        : op == '*' ? a.value * b.value
                                    : a.value / b.value;
      a = combine(a, op, b, v, plain);
    }
    // Negative values in between are no plain numbers of a text, but they are values.
    bool ok = true;
    ASSERT_EQ(value_of(table[0].text, ok), table[0].value) << table[0].text;
    ASSERT_TRUE(ok) << table[0].text;
  }
  const corpus::Operand three{3, "3", 0}, four{4, "4", 0};
  const corpus::Operand sum = combine(three, '+', four, 7);
  EXPECT_EQ(combine(sum, '+', three, 10).text, "3+4+3");
  EXPECT_EQ(combine(sum, '+', three, 10, true).text, "(3+4)+3");
  EXPECT_EQ(combine(sum, '*', three, 21).text, "(3+4)*3");
  EXPECT_EQ(combine(three, '-', sum, -4).text, "3-(3+4)");
}

TEST(Chains, AreWorkedOutFromTheirText) {
  for (int level = 2; level <= 6; ++level)
    for (uint64_t i = 0; i < 1500; ++i) {
      const Task task = make_task(6, i, TaskKind::chain, level, i % 2 ? TaskSplit::train : TaskSplit::test);
      ASSERT_TRUE(task.question.starts_with("Compute ") && task.question.ends_with("."));
      const std::string expression = task.question.substr(8, task.question.size() - 9);
      bool ok = true;
      ASSERT_EQ(std::to_string(value_of(expression, ok)), task.answer) << expression;
      ASSERT_TRUE(ok) << expression;
      int equations = 0;
      int64_t last = 0;
      ASSERT_TRUE(equations_hold(task.reasoning, equations, last)) << task.reasoning;
      ASSERT_EQ(equations, level);
      ASSERT_EQ(std::to_string(last), task.answer);
      ASSERT_TRUE(last >= 1 && last <= 199);
    }
}

TEST(Chains, TheSameChainInAnotherFormIsTheSameProblem) {
  using corpus::chain_form;
  EXPECT_EQ(chain_form(12, {{12, '+', 7, 19}, {19, '*', 3, 57}}), chain_form(7, {{7, '+', 12, 19}, {19, '*', 3, 57}}));
  EXPECT_NE(chain_form(12, {{12, '-', 7, 5}, {5, '*', 3, 15}}), chain_form(7, {{7, '-', 12, -5}, {-5, '*', 3, -15}}));
  // "a + b * c" of the arithmetic problems is b*c+a.
  for (uint64_t i = 0; i < 3000; ++i) {
    const Task task = make_task(2, i, TaskKind::arithmetic, 3);
    if (task.family != "chain") continue;
    const Ints n = integers(task.question);
    ASSERT_EQ(task.canonical, chain_form(n[1], {{n[1], '*', n[2], 0}, {0, '+', n[0], 0}}));
  }
}

}  // namespace
}  // namespace minke
