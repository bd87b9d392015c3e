// Figures of answers whose grades are known, and answers that go to a file and come back.
#include "eval/task_scores.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "eval/task_evaluation.h"
#include "eval/task_responses.h"

namespace minke {
namespace {

struct Rig {
  std::vector<TaskProblem> problems;
  std::vector<TaskAnswer> answers;
  void add_problem(int level, GraderKind grader = GraderKind::math) {
    TaskProblem p{.group = "chain", .level = level, .index = int64_t(problems.size())};
    p.task.canonical = std::to_string(problems.size()), p.task.answer = "5", p.task.grader = grader;
    p.prompt = "What?";
    problems.push_back(p);
  }
  void add(size_t problem, int64_t sample, const std::string& answer, double strict) {
    TaskAnswer a{
        .problem = problem, .sample = sample, .response = "r\xff", .final_answer = answer, .tokens = 10 * (sample + 1)};
    a.grade.accuracy = {strict, strict, "as planted"};
    a.grade.format = {answer.empty() ? 0.0 : 1.0, 1, "as planted"};  // strictly, of those that say something
    answers.push_back(a);
  }
};

TEST(TaskScores, OfPlantedGrades) {
  Rig rig;
  rig.add_problem(2), rig.add_problem(2), rig.add_problem(3);
  // Out of order, as they end. The vote of the first goes to 5, written in two ways; the second has none that is answered.
  rig.add(0, 3, "10/2", 1), rig.add(0, 0, "7", 0), rig.add(0, 1, "5", 1), rig.add(0, 2, "", 0);
  for (int s = 0; s < 4; ++s) rig.add(1, s, "", 0), rig.add(2, s, "6", 0);
  rig.answers.back().truncated = true;
  rig.answers[0].reflection = {.equations = 3, .wrong = 1, .caught = 1, .corrections = 2, .false_alarms = 1};
  rig.answers[1].reflection = {.equations = 4, .wrong = 2, .caught = 0, .corrections = 0, .false_alarms = 0};
  const std::vector<TaskScore> scores = score_tasks(rig.problems, rig.answers, 4);
  ASSERT_EQ(scores.size(), 2u);
  const TaskScore& s = scores[0];
  EXPECT_EQ(s.level, 2);
  EXPECT_EQ(s.problems, 2);
  ASSERT_EQ(s.pass.size(), 3u);
  EXPECT_DOUBLE_EQ(s.pass[0].second.value, 0.25);
  EXPECT_DOUBLE_EQ(s.pass[1].second.value, (1 - 1.0 / 6) / 2);
  EXPECT_EQ(s.pass[2].first, 4);
  EXPECT_DOUBLE_EQ(s.pass[2].second.value, 0.5);
  EXPECT_DOUBLE_EQ(s.cons->value, 0.5);
  EXPECT_DOUBLE_EQ(s.mean_tokens, 25);
  EXPECT_DOUBLE_EQ(*s.mean_tokens_right, 30);
  EXPECT_EQ(s.truncated, 0);
  EXPECT_DOUBLE_EQ(s.format, 3.0 / 8);
  EXPECT_EQ(scores[1].format, 1);
  EXPECT_EQ(score_json(s).at("format"), 3.0 / 8);
  EXPECT_EQ(scores[1].cons->value, 0);
  EXPECT_EQ(scores[1].mean_tokens_right, std::nullopt);
  EXPECT_EQ(scores[1].truncated, 0.25);
  const Json j = score_json(s);
  EXPECT_EQ(j["reflection"],
            Json({{"equations", 7}, {"wrong", 3}, {"caught", 1}, {"corrections", 2}, {"false_alarms", 1}}));
  for (const char* key :
       {"n", "k", "pass@1", "pass@2", "pass@4", "pass@k", "cons@k", "ci95", "strict", "lenient", "mean_tokens"})
    EXPECT_TRUE(j.contains(key)) << key;
  EXPECT_NE(score_line(s).find("pass@1 25.0 % ["), std::string::npos) << score_line(s);
  // Powers of two, and k itself.
  for (TaskAnswer a : std::vector<TaskAnswer>(rig.answers))
    if (a.sample < 2) a.sample += 4, rig.answers.push_back(a);
  EXPECT_EQ(score_tasks(rig.problems, rig.answers, 6)[0].pass[2].first, 4);
  EXPECT_EQ(score_tasks(rig.problems, rig.answers, 6)[0].pass[3].first, 6);
  rig.answers.pop_back();
  EXPECT_THROW(score_tasks(rig.problems, rig.answers, 6), BugError);
}

TEST(TaskScores, NoVoteOnProgramsAndChats) {
  for (const GraderKind grader : {GraderKind::code, GraderKind::judge}) {
    Rig rig;
    rig.add_problem(1, grader);
    rig.add(0, 0, "", 1);
    const TaskScore s = score_tasks(rig.problems, rig.answers, 1)[0];
    EXPECT_EQ(s.cons, std::nullopt);
    EXPECT_EQ(s.pass.size(), 1u);
    EXPECT_TRUE(score_json(s).at("cons@k").is_null());
  }
}

// Of a group: all bits by all bytes, not the mean of the answers'.
TEST(TaskScores, BitsPerByteOfGoodAnswers) {
  Rig rig;
  rig.add_problem(1, GraderKind::judge), rig.add_problem(2), rig.add_problem(1, GraderKind::judge);
  for (size_t p = 0; p < 3; ++p) rig.add(p, 0, "", 0);
  const std::vector<ReferenceBits> bits{{0, 10, 5}, {2, 30, 35}};
  const std::vector<TaskScore> scores = score_tasks(rig.problems, rig.answers, 1, bits);
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores[0].bits_per_byte, 1.0);
  EXPECT_EQ(score_json(scores[0]).at("bits_per_byte"), 1.0);
  EXPECT_EQ(scores[0].pass.size(), 1u);
  EXPECT_NE(score_line(scores[0]).find(", good answers 1.0000 bits per byte"), std::string::npos)
      << score_line(scores[0]);
  EXPECT_EQ(scores[1].bits_per_byte, std::nullopt);
  EXPECT_FALSE(score_json(scores[1]).contains("bits_per_byte"));
  // Without answers nothing is said of any.
  const TaskScore alone = score_tasks(rig.problems, {}, 0, bits)[0];
  EXPECT_EQ(score_line(alone), "chain:1: 2 problems, good answers 1.0000 bits per byte");
  EXPECT_EQ(score_json(alone),
            Json({{"task", "chain"}, {"level", 1}, {"n", 2}, {"n_different", 2}, {"k", 0}, {"bits_per_byte", 1.0}}));
}

TEST(ResponsesFile, GoesOnFromItsWholeLines) {
  const fs::path file = testing::TempDir() + "minke_responses_test.jsonl";
  fs::remove(file);
  Rig rig;
  rig.add_problem(2), rig.add_problem(2);
  rig.add(0, 0, "5", 1), rig.add(1, 0, "7", 0), rig.add(1, 1, "8", 0);
  const Json settings{{"seed", 1}};
  {
    ResponsesFile f(file, false, rig.problems, 2, settings);
    EXPECT_FALSE(fs::exists(file));
    for (const TaskAnswer& a : rig.answers) f.add(a);
  }
  EXPECT_THROW(ResponsesFile(file, false, rig.problems, 2, settings), UserError);
  EXPECT_THROW(ResponsesFile(file, true, rig.problems, 2, Json{{"seed", 2}}), UserError);
  std::ofstream(file, std::ios::app) << "{\"task\": \"cha";
  const auto torn = fs::file_size(file);
  {
    ResponsesFile f(file, true, rig.problems, 2, settings);
    const std::vector<TaskAnswer> known = f.take_known();
    ASSERT_EQ(known.size(), 3u);
    EXPECT_EQ(known[2].problem, 1u);
    EXPECT_EQ(known[2].sample, 1);
    EXPECT_EQ(known[2].final_answer, "8");
    EXPECT_EQ(known[0].grade.accuracy.strict, 1);
    EXPECT_EQ(known[0].tokens, 10);
    EXPECT_EQ(fs::file_size(file), torn);
    rig.answers[0].sample = 1;
    f.add(rig.answers[0]);
  }
  EXPECT_EQ(ResponsesFile(file, true, rig.problems, 2, settings).take_known().size(), 4u);
  EXPECT_EQ(ResponsesFile(file, true, rig.problems, 1, settings).take_known().size(), 2u);  // fewer are asked for
  rig.problems[1].prompt = "Another?";
  EXPECT_THROW(ResponsesFile(file, true, rig.problems, 2, settings), UserError);
  fs::remove(file);
}

// They come back as they went; a file with them goes on with as many, one without goes on without.
TEST(ResponsesFile, KeepsTheLogProbabilitiesOfTokens) {
  const fs::path file = testing::TempDir() + "minke_responses_top_test.jsonl";
  fs::remove(file);
  Rig rig;
  rig.add_problem(2);
  rig.add(0, 0, "5", 1), rig.add(0, 1, "7", 0);
  const auto settings = [](int64_t k) {
    return answer_settings("model", PromptFormat::brief, {}, {.top_log_probabilities = k});
  };
  EXPECT_FALSE(settings(0).contains("top_logprobs"));
  for (TaskAnswer& a : rig.answers) {
    a.top.vocabulary = "abc";
    for (int32_t i = 0; i < a.tokens; ++i)
      a.top.add(i, std::vector<std::pair<int32_t, double>>{{i, std::log(0.9 - i / 50.0)}, {i + 9, -3 - i / 7.0}});
  }
  {
    ResponsesFile f(file, false, rig.problems, 2, settings(2));
    for (const TaskAnswer& a : rig.answers) f.add(a);
  }
  const std::vector<TaskAnswer> known = ResponsesFile(file, true, rig.problems, 2, settings(2)).take_known();
  ASSERT_EQ(known.size(), 2u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(to_json(known[i].top), to_json(rig.answers[i].top));
  EXPECT_THROW(ResponsesFile(file, true, rig.problems, 2, settings(3)), UserError);
  EXPECT_THROW(ResponsesFile(file, true, rig.problems, 2, settings(0)), UserError);
  // Of another number of tokens than the answer has.
  std::string text = read_file(file);
  const std::string tokens = "\"tokens\":10,";
  ASSERT_NE(text.find(tokens), text.npos);
  write_file_atomic(file, text.replace(text.find(tokens), tokens.size(), "\"tokens\":11,"));
  EXPECT_THROW(ResponsesFile(file, true, rig.problems, 2, settings(2)), UserError);
  fs::remove(file);
}

}  // namespace
}  // namespace minke
