// What answers are rewarded with: rules, their weights, answers without an end, programs in the sandbox; and groups of answers.
#include "rl/rewards.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "sandbox/hostile.h"

namespace minke::test {
namespace {

Recipe recipe_of(const std::vector<std::string>& settings) {
  return parse_recipe("", "r.toml", settings, "", RecipeOf::grpo);
}

Question question_of(TaskKind kind, int level) {
  Question q{.task = make_task(1, 7, kind, level), .level = level};
  q.prompt = "User: " + q.task.question + "\nAssistant:";
  return q;
}

Rollout answer_of(std::string text, size_t prompt = 0, bool truncated = false) {
  return {.prompt = prompt, .truncated = truncated, .text = std::move(text)};
}

std::string formatted(const std::string& answer) { return "<think>so</think>\n<answer>" + answer + "</answer>"; }

TEST(Rewards, AreWeighed) {
  const Recipe recipe = recipe_of({"grpo.tasks=[\"chains:2\"]", "grpo.accuracy_reward=2", "grpo.format_reward=0.5"});
  const std::vector<Question> questions{question_of(TaskKind::chain, 2), question_of(TaskKind::chain, 3)};
  const std::string right = questions[0].task.answer, other = questions[1].task.answer;
  ASSERT_NE(right, other);
  const auto scores =
      Rewards(recipe).score(questions, {answer_of(formatted(right)), answer_of(formatted("no")),
                                        answer_of("<answer>" + right + "</answer>"), answer_of(formatted(right), 1)});
  EXPECT_EQ(scores[0].reward, 2.5);
  EXPECT_EQ(scores[0].accuracy, 1);
  EXPECT_EQ(scores[0].format, 1);
  EXPECT_EQ(scores[1].reward, 0.5);
  EXPECT_EQ(scores[2].format, 0);
  EXPECT_EQ(scores[3].accuracy, 0) << "graded by another question";
}

// What a judge gives is the reward, weighed as accuracy; what it may not see is not judged.
TEST(Rewards, OfAJudge) {
  const Recipe recipe = recipe_of({"grpo.tasks=[\"chat\", \"chains:2\"]", "grpo.judge=\"rm\"",
                                   "grpo.prompt=\"chat-plain\"", "grpo.accuracy_reward=2", "grpo.format_reward=0.5"});
  const std::vector<Question> questions{question_of(TaskKind::chat, 1), question_of(TaskKind::chain, 2)};
  const Rewards::Judging judge = [](std::span<const TaskToGrade> all, std::span<TaskGrade> grades) {
    for (size_t i = 0; i < all.size(); ++i)
      if (all[i].task->grader == GraderKind::judge) {
        grades[i].preference = all[i].response == "good" ? 0.75 : 0.25;
        grades[i].accuracy = judged_grade(*grades[i].preference);
      }
  };
  const auto scores =
      Rewards(recipe).score(questions,
                            {answer_of("good"), answer_of("bad"),
                             answer_of("\\boxed{" + questions[1].task.answer + "}", 1), answer_of("good", 0, true)},
                            judge);
  EXPECT_EQ(scores[0].reward, 2 * 0.75 + 0.5);
  EXPECT_EQ(scores[0].accuracy, 1);
  EXPECT_EQ(scores[0].preference, 0.75);
  EXPECT_EQ(scores[1].reward, 2 * 0.25 + 0.5);
  EXPECT_EQ(scores[1].accuracy, 0);
  EXPECT_EQ(scores[2].reward, 2.5);
  EXPECT_FALSE(scores[2].preference);
  EXPECT_EQ(scores[3].reward, 0) << "without an end";
}

// The question's own language, in the thought; no word is of no other language.
TEST(Rewards, OfTheLanguage) {
  const Recipe recipe =
      recipe_of({"grpo.tasks=[\"word_problem_zh:1\"]", "grpo.accuracy_reward=0", "grpo.language_reward=0.5"});
  const std::vector<Question> questions{question_of(TaskKind::word_problem_zh, 1),
                                        question_of(TaskKind::word_problem, 1)};
  const auto thought = [](const std::string& text) { return "<think>" + text + "</think>\n<answer>5</answer>"; };
  const auto scores =
      Rewards(recipe).score(questions, {answer_of(thought("一共三个")), answer_of(thought("three in all")),
                                        answer_of(thought("一共 three 个")), answer_of(thought("2+3=5")),
                                        answer_of(thought("three in all"), 1), answer_of(thought("一共三个"), 1)});
  const std::vector<double> expected{0.5, 0, 0.375, 0.5, 0.5, 0};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(scores[i].reward, expected[i]) << i;
    EXPECT_EQ(scores[i].language, 2 * expected[i]) << i;
  }
}

// An answer that was cut off behind what happens to be right.
TEST(Rewards, OfAnswersWithoutAnEnd) {
  const std::vector<Question> questions{question_of(TaskKind::chain, 2)};
  const std::string right = formatted(questions[0].task.answer);
  const std::vector<Rollout> answers{answer_of(right), answer_of(right, 0, true)};
  struct Case {
    const char* how;
    double reward;
    bool masked;
  };
  for (const Case& c : {Case{"score", 1, false}, Case{"penalise", 0, false}, Case{"mask", 0, true}}) {
    SCOPED_TRACE(c.how);
    const Recipe recipe = recipe_of({"grpo.tasks=[\"chains:2\"]", std::string("grpo.truncated=") + c.how});
    const auto scores = Rewards(recipe).score(questions, answers);
    EXPECT_EQ(scores[0].reward, 1);
    EXPECT_FALSE(scores[0].masked);
    EXPECT_EQ(scores[1].reward, c.reward);
    EXPECT_EQ(scores[1].accuracy, 1);  // what is logged is what it is
    EXPECT_EQ(scores[1].masked, c.masked);
  }
}

TEST(Rewards, ProgramsNeedASandbox) {
  const Recipe recipe = recipe_of({"grpo.tasks=[\"chains:2\",\"code:1-2\"]"});
  EXPECT_THROW(Rewards(recipe, true, {.bubblewrap = "/nowhere/bwrap"}), UserError);
  EXPECT_NO_THROW(Rewards(recipe, false, {.bubblewrap = "/nowhere/bwrap"}));
}

class CodeRewards : public SandboxTest {};

TEST_F(CodeRewards, ProgramsAreRun) {
  const Recipe recipe = recipe_of({"grpo.tasks=[\"chains:2\",\"code:1\"]"});
  const std::vector<Question> questions{question_of(TaskKind::code, 1), question_of(TaskKind::chain, 2),
                                        question_of(TaskKind::code, 2)};
  const auto program = [](const std::string& text) { return formatted("\n```python\n" + text + "\n```\n"); };
  std::vector<Rollout> answers;
  for (int i = 0; i < 3; ++i) {
    answers.push_back(answer_of(program(questions[0].task.solution), 0));
    answers.push_back(answer_of(program("def f(): pass"), 0));
    answers.push_back(answer_of(formatted(questions[1].task.answer), 1));
    answers.push_back(answer_of(program(questions[0].task.solution), 2));
    answers.push_back(answer_of(program(questions[2].task.solution), 2));
  }
  const auto scores = Rewards(recipe, true).score(questions, answers);
  for (size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(scores[i].reward, (std::vector{1, 0, 1, 0, 1})[i % 5]) << i;
}

TEST(Answers, GroupsKeepTheirQuestions) {
  Answers all;
  for (int part = 0; part < 2; ++part) {
    Answers more;
    for (size_t q = 0; q < 2; ++q) {
      more.questions.push_back({.prompt = std::to_string(2 * part + int(q))});
      for (int i = 0; i < 3; ++i) {
        more.rollouts.push_back(answer_of(more.questions[q].prompt, q));
        more.scores.push_back({.reward = double(2 * part + int(q))});
      }
    }
    all.append(std::move(more));
  }
  const Answers some = all.groups({3, 0}, 3);
  ASSERT_EQ(some.rollouts.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(some.rollouts[i].prompt, i / 3);
    EXPECT_EQ(some.rollouts[i].text, i < 3 ? "3" : "0");
    EXPECT_EQ(some.questions[i / 3].prompt, some.rollouts[i].text);
    EXPECT_EQ(some.scores[i].reward, i < 3 ? 3 : 0);
  }
}

// The control's rewards: the same ones, at other places, and in the long run as many at each.
TEST(Rewards, ShuffledOnesSayNothing) {
  constexpr size_t kAnswers = 16;
  constexpr int kSteps = 4000;
  std::vector<double> sum(kAnswers);
  int moved = 0;
  for (uint64_t step = 0; step < kSteps; ++step) {
    std::vector<Score> scores(kAnswers);
    for (size_t i = 0; i < 4; ++i) scores[i].reward = scores[i].accuracy = 1;
    std::vector<Score> again = scores;
    const RngKey key = RngKey{7}.at("shuffle").at(step);
    shuffle_rewards(scores, key), shuffle_rewards(again, key);
    double total = 0;
    for (size_t i = 0; i < kAnswers; ++i) {
      total += scores[i].reward, sum[i] += scores[i].reward;
      ASSERT_EQ(scores[i].accuracy, i < 4);  // what the answers are stays
      ASSERT_EQ(scores[i].reward, again[i].reward);
      moved += scores[i].reward != scores[i].accuracy;
    }
    ASSERT_EQ(total, 4);
  }
  EXPECT_GT(moved, kSteps);
  const double sigma = std::sqrt(0.25 * 0.75 / kSteps);
  for (size_t i = 0; i < kAnswers; ++i) EXPECT_NEAR(sum[i] / kSteps, 0.25, 5 * sigma) << i;
}

}  // namespace
}  // namespace minke::test
