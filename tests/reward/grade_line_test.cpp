// Lines of JSON: what they may hold, what is refused, and that their own text is kept.
#include "reward/grade_line.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {
namespace {

Json graded(GradeKind kind, std::string_view line) {
  return Json::parse(grade_line(kind, line, "f.jsonl, line 3").line);
}

TEST(GradeLine, KeepsTheLine) {
  const GradedLine g =
      grade_line(GradeKind::math, R"({"id":12345678901234567890123,  "response":"\\boxed{3}", "answer":3 } )", "f");
  EXPECT_EQ(
      g.line,
      R"({"id":12345678901234567890123,  "response":"\\boxed{3}", "answer":3 ,"strict":1.0,"lenient":1.0,"reason":"right"})");
  EXPECT_EQ(graded(GradeKind::math, g.line).size(), 6u);  // graded again
  EXPECT_EQ(graded(GradeKind::math, R"({"response":"x}","answer":"}","x":{}})")["strict"], 0);
}

TEST(GradeLine, Answers) {
  EXPECT_EQ(graded(GradeKind::math, R"({"response":"\\boxed{0.1}","answer":0.1})")["strict"], 1);
  EXPECT_EQ(graded(GradeKind::math, R"({"response":"\\boxed{-7}","answer":-7})")["strict"], 1);
  for (const char* task : {R"("answer":{"numbers":[6,1,5],"target":12})", R"("answer":{"nums":[6,1,5],"target":12})",
                           R"("numbers":[6,1,5],"target":12)", R"("nums":[6,1,5],"target":12,"answer":"6+1+5")",
                           R"("answer":"6, 1, 5 -> 12")", R"("answer":"6 1 5 12")"})
    EXPECT_EQ(graded(GradeKind::countdown,
                     std::string(R"({"response":"<answer>6 + 1 + 5</answer>",)") + task + "}")["strict"],
              1)
        << task;
  EXPECT_EQ(graded(GradeKind::countdown, R"({"response":"<answer>1 - 5</answer>","answer":"1, 5 -> -4"})")["strict"],
            1);
  EXPECT_EQ(graded(GradeKind::language, R"({"response":"<think>yes</think>","answer":"en"})")["strict"], 1);
  EXPECT_EQ(graded(GradeKind::format, R"({"response":"<think>a</think><answer>b</answer>"})")["strict"], 1);
}

TEST(GradeLine, PromptThatBeginsTheThought) {
  const std::string rest = R"("response":"a</think><answer>b</answer>"})";
  EXPECT_EQ(graded(GradeKind::format, R"({"prompt":"Q\n<think>\n",)" + rest)["strict"], 1);
  EXPECT_EQ(graded(GradeKind::format, R"({"prompt":[{"role":"assistant","content":"<think>"}],)" + rest)["strict"], 1);
  EXPECT_EQ(graded(GradeKind::format, R"({"prompt":"Q",)" + rest)["strict"], 0);
  EXPECT_EQ(graded(GradeKind::format, "{" + rest)["strict"], 0);
}

void refused(GradeKind kind, std::string_view line, std::string_view expected) {
  try {
    grade_line(kind, line, "f.jsonl, line 3");
    ADD_FAILURE() << "not refused: " << line;
  } catch (const UserError& e) {
    const std::string what = e.what();
    EXPECT_EQ(what.find("f.jsonl, line 3"), 0u) << what;
    EXPECT_NE(what.find(expected), what.npos) << what;
    EXPECT_LT(what.size(), 600u);
  }
}

TEST(GradeLine, Refused) {
  refused(GradeKind::math, R"({"answer":"3"})", "\"response\"");
  refused(GradeKind::math, R"({"response":3,"answer":"3"})", "\"response\" must be a text");
  refused(GradeKind::math, R"({"response":"3"})", "\"answer\"");
  refused(GradeKind::math, R"({"response":"3","answer":[3]})", "\"answer\"");
  refused(GradeKind::math, R"({"response":"3","answer":null})", "\"answer\"");
  refused(GradeKind::math, R"({"response":"3","answer":12345678901234567890123})", "too large");
  refused(GradeKind::math, R"({"response":"3","answer":"3","prompt":7})", "\"prompt\"");
  refused(GradeKind::math, R"([1])", "object");
  refused(GradeKind::math, R"({"response":"3")", "not valid JSON");
  refused(GradeKind::math, "{\"response\":\"\xff\",\"answer\":3}", "not valid JSON");
  refused(GradeKind::language, R"({"response":"3","answer":"fr"})", "en, zh");
  refused(GradeKind::language, R"({"response":"3"})", "\"answer\"");
  refused(GradeKind::countdown, R"({"response":"3"})", "\"numbers\"");
  refused(GradeKind::countdown, R"({"response":"3","answer":"7"})", "6, 1, 5 -> 9");
  refused(GradeKind::countdown, R"({"response":"3","answer":"99999999999999999999 -> 3"})", "6, 1, 5 -> 9");
  refused(GradeKind::countdown, R"({"response":"3","answer":{"numbers":[1,2]}})", "\"target\"");
  for (const char* numbers :
       {"[]", "7", "[1.5]", "[-1]", "[\"1\"]", "[99999999999999999999]", "[10000000000000]", "[true]"})
    refused(GradeKind::countdown, std::string(R"({"response":"3","target":3,"numbers":)") + numbers + "}",
            "\"numbers\"");
  std::string many = R"({"response":"3","target":3,"numbers":[1)";
  for (int i = 0; i < 40; ++i) many += ",1";
  refused(GradeKind::countdown, many + "]}", "1 to 32");
}

}  // namespace
}  // namespace minke
