#include "corpus/task_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {
namespace {

Task read(std::string_view line) { return task_of_json(parse_json(line, "t.jsonl, line 3"), "t.jsonl, line 3"); }

std::string mistake(std::string_view line) {
  try {
    read(line);
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

TEST(TaskJson, WhatIsWrittenIsReadAgain) {
  for (const auto& [kind, name] : EnumNames<TaskKind>::all) {
    const int level = task_levels(kind).last;
    const Task task = make_task(1, 7, kind, level);
    const std::string line = task_line(task, name_of(kind), level);
    EXPECT_EQ(line.find('\n'), line.npos);
    const Json json = parse_json(line, "line");
    EXPECT_EQ(json["task"], name);
    EXPECT_EQ(json["level"], level);
    EXPECT_EQ(json["answer"].is_object(), task.grader == GraderKind::countdown || task.grader == GraderKind::code);
    const Task again = read(line);
    EXPECT_EQ(again.question, task.question);
    EXPECT_EQ(again.reasoning, task.reasoning);
    EXPECT_EQ(again.grader, task.grader);
    EXPECT_EQ(again.solution, task.solution);
    EXPECT_EQ(again.split, TaskSplit::train);
    const Task test = make_task(1, 7, kind, level, TaskSplit::test);
    EXPECT_EQ(read(task_line(test, name_of(kind), level)).split, TaskSplit::test);
    EXPECT_EQ(parse_json(again.answer.front() == '{' ? again.answer : Json(again.answer).dump(), "a"),
              parse_json(task.answer.front() == '{' ? task.answer : Json(task.answer).dump(), "a"));
  }
}

TEST(TaskJson, AJudgeIsNamed) {
  EXPECT_EQ(read(R"({"task": "chat", "question": "Hi!", "answer": "Hello!", "grader": "judge"})").grader,
            GraderKind::judge);
  EXPECT_EQ(read(R"({"task": "chat", "question": "Hi!", "answer": "Hello!"})").grader, GraderKind::math);
  for (const char* wrong : {R"({"task": "x", "question": "q", "answer": "a", "grader": "math"})",
                            R"({"task": "x", "question": "q", "answer": 3, "grader": "judge"})",
                            R"({"task": "x", "question": "q", "answer": "a", "grader": 1})"})
    EXPECT_NE(mistake(wrong).find("t.jsonl, line 3: \"grader\""), std::string::npos) << mistake(wrong);
}

TEST(TaskJson, ReadsGsm8k) {
  const Task t = read(R"({"question": "Ann has 1,000 nuts …?", "answer": "She has 5*2=<<5*2=10>>10.\n#### 1,010"})");
  EXPECT_EQ(t.family, "gsm8k");
  EXPECT_EQ(t.answer, "1010");
  EXPECT_EQ(t.reasoning, "She has 5*2=<<5*2=10>>10.");
  EXPECT_EQ(t.grader, GraderKind::math);
  EXPECT_EQ(read(R"({"question": "q 1", "answer": "a #### 3\n#### -7"})").answer, "-7");
}

TEST(TaskJson, ReadsHumanEval) {
  const Task t = read(
      R"({"task_id": "HumanEval/0", "prompt": "def f(x):\n", "canonical_solution": "    return x\n", "test": "def check(candidate):\n    assert candidate(1) == 1\n", "entry_point": "f"})");
  EXPECT_EQ(t.family, "HumanEval/0");
  EXPECT_EQ(t.question, "def f(x):\n");
  EXPECT_EQ(t.solution, "    return x\n");
  EXPECT_EQ(t.grader, GraderKind::code);
  const Json answer = parse_json(t.answer, "answer");
  EXPECT_EQ(answer["language"], "python");
  EXPECT_EQ(answer["entry_point"], "f");
  EXPECT_EQ(answer["prompt"], "def f(x):\n");
}

TEST(TaskJson, OneMessageForEachMistake) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([1])", "object"},
      {R"({})", "\"question\" is missing"},
      {R"({"question": 3, "answer": "#### 1"})", "\"question\" must be a string, is number"},
      {R"({"question": " ", "answer": "#### 1"})", "the question is empty"},
      {R"({"question": "q"})", "\"answer\" is missing"},
      {R"({"question": "q", "answer": "72"})", "####"},
      {R"({"question": "q", "answer": "a #### "})", "nothing after"},
      {R"({"task": "x", "question": "q", "answer": ""})", "\"answer\" is empty"},
      {R"({"task": "x", "question": "q", "answer": [1]})", "\"answer\" must be"},
      {R"({"task": "x", "question": "q", "answer": {"numbers": 3}})", "whole numbers"},
      {R"({"task": "x", "question": "q", "answer": {"numbers": [3, 1.5], "target": 3}})", "whole numbers"},
      {R"({"task": "x", "question": "q", "answer": {"numbers": [3, 4]}})", "whole numbers"},
      {R"({"task": "x", "question": "q", "answer": {"test": "t"}})", "\"language\" is missing"},
      {R"({"task_id": "x", "prompt": "p", "canonical_solution": "s", "test": "t"})", "\"entry_point\" is missing"},
      {R"({"task_id": "x", "question": "p", "answer": "#### 1"})", "\"prompt\" is missing"},
  };
  for (const auto& [line, part] : cases) {
    const std::string message = mistake(line);
    EXPECT_NE(message.find(part), std::string::npos) << line << " → " << message;
    EXPECT_NE(message.find("t.jsonl, line 3"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace minke
