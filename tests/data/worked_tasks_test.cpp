// Problems with their solutions as conversations, and as a grader finds them.
#include "data/worked_tasks.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "corpus/task_json.h"

namespace minke {
namespace {

Json assistant_of(const Task& task, bool as_thought) {
  const Json line = conversation_of(task, as_thought, "t.jsonl, line 1");
  EXPECT_EQ(line.at("messages").size(), 2u);
  EXPECT_EQ(line["messages"][0], (Json{{"role", "user"}, {"content", task.question}}));
  EXPECT_EQ(line["messages"][1].at("role"), "assistant");
  return line["messages"][1];
}

TEST(WorkedTasks, Gsm8kLosesItsCalculator) {
  const Task task = task_of_json(
      Json{{"question", "How many clips?"},
           {"answer", "She sold 48/2 = <<48/2=24>>24 clips.\nThat makes 48+24 = <<48+24=72>>72.\n#### 1,072"}},
      "t.jsonl, line 1");
  EXPECT_EQ(assistant_of(task, false).at("content"),
            "She sold 48/2 = 24 clips.\nThat makes 48+24 = 72.\n\nThe answer is \\boxed{1072}.");
  const Json thought = assistant_of(task, true);
  EXPECT_EQ(thought.at("content"), "The answer is \\boxed{1072}.");
  EXPECT_EQ(thought.at("reasoning_content"), "She sold 48/2 = 24 clips.\nThat makes 48+24 = 72.");
  Task open = task;
  for (const char* none : {"a << b, 3<<", "1 << 4 is 16, 64 >> 2 too", "<<\n1=1>>", "<<x=1>>"}) {  // no calculator's
    open.reasoning = none;
    EXPECT_EQ(assistant_of(open, true).at("reasoning_content"), none);
  }
  open.reasoning = "a<<b <<1=1>>c";
  EXPECT_EQ(assistant_of(open, true).at("reasoning_content"), "a<<b c");
  open.reasoning = "";
  EXPECT_FALSE(assistant_of(open, true).contains("reasoning_content"));
  EXPECT_EQ(assistant_of(open, false).at("content"), "The answer is \\boxed{1072}.");
}

TEST(WorkedTasks, EachKindInItsForm) {
  const Task countdown = make_task(1, 0, TaskKind::countdown, 3);
  EXPECT_EQ(assistant_of(countdown, true).at("content"), "The answer is \\boxed{" + countdown.solution + "}.");
  const Task chinese = make_task(1, 0, TaskKind::word_problem_zh, 2);
  EXPECT_EQ(assistant_of(chinese, true).at("content"), "答案是\\boxed{" + chinese.answer + "}。");
  EXPECT_EQ(assistant_of(chinese, true).at("reasoning_content"), chinese.reasoning);
  const Task code = make_task(1, 0, TaskKind::code, 1);
  EXPECT_EQ(assistant_of(code, true).at("content"), "```python\n" + code.solution + "\n```");
  const Task chat =
      task_of_json(Json{{"task", "chat"}, {"question", "Hello!"}, {"answer", "Hi."}, {"grader", "judge"}}, "t");
  EXPECT_EQ(assistant_of(chat, true).at("content"), "Hi.");
}

// What only says how to check an answer, or is kept for tests, teaches nothing.
TEST(WorkedTasks, WhatCannotBeLearned) {
  const auto said = [](const Json& line) -> std::string {
    try {
      conversation_of(task_of_json(line, "t.jsonl, line 7"), true, "t.jsonl, line 7");
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  Json countdown = parse_json(task_line(make_task(1, 0, TaskKind::countdown, 3), "countdown", 3), "line");
  EXPECT_EQ(said(countdown), "");
  countdown.erase("solution");
  EXPECT_NE(said(countdown).find("t.jsonl, line 7: a problem of kind \"countdown\" has no \"solution\""),
            std::string::npos);
  const Task test = make_task(1, 0, TaskKind::chain, 2, TaskSplit::test);
  EXPECT_NE(said(parse_json(task_line(test, "chain", 2), "line")).find("line 7: a problem of the test split"),
            std::string::npos);
  // A value is told as it is, whatever else stands beside it; HumanEval's solutions go on from the question.
  EXPECT_EQ(assistant_of(
                task_of_json(Json{{"task", "x"}, {"question", "q"}, {"answer", "3"}, {"solution", "long"}}, "t"), true)
                .at("content"),
            "The answer is \\boxed{3}.");
  const Json human{{"task_id", "H/0"},
                   {"prompt", "def f():\n"},
                   {"canonical_solution", "    return 1\n"},
                   {"test", "t"},
                   {"entry_point", "f"}};
  EXPECT_EQ(assistant_of(task_of_json(human, "t"), true).at("content"), "```python\ndef f():\n    return 1\n\n```");
}

}  // namespace
}  // namespace minke
