// The figures of a step and of an evaluation, from answers whose figures can be worked out by hand.
#include "rl/policy_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace minke {
namespace {

Rollout answer_of(int64_t tokens, bool truncated = false, std::string text = "") {
  Rollout r{.prompt_tokens = 3, .truncated = truncated, .text = std::move(text)};
  r.tokens.assign(size_t(3 + tokens), 7);
  return r;
}

TEST(LogAnswers, OfTwoGroupsOfThree) {
  const std::vector<Rollout> answers{answer_of(1),       answer_of(2, true), answer_of(3, true),
                                     answer_of(4, true), answer_of(5, true), answer_of(9)};
  const std::vector<Score> scores{{.reward = 3, .accuracy = 1, .lenient = 1, .format = 1, .language = 0.75},
                                  {.reward = 0, .accuracy = 0, .lenient = 1, .format = 1},
                                  {.reward = 0, .accuracy = 0, .lenient = 0, .format = 1},
                                  {.reward = 0.5},
                                  {.reward = 0.5},
                                  {.reward = 0.5}};
  Json record;
  EXPECT_EQ(log_answers(answers, scores, 3, record), "reward 0.750  right 16.7 %  length 4");
  const std::map<std::string, double> expected{{"reward", 0.75},
                                               {"reward_std", std::sqrt(2.0) / 2},
                                               {"rewards/accuracy/mean", 1.0 / 6},
                                               {"rewards/accuracy_lenient/mean", 2.0 / 6},
                                               {"rewards/format/mean", 3.0 / 6},
                                               {"rewards/language/mean", 0.75 / 6},
                                               {"frac_reward_zero_std", 1.0 / 2},
                                               {"completions/mean_length", 24.0 / 6},
                                               {"completions/clipped_ratio", 4.0 / 6}};
  ASSERT_EQ(record.size(), expected.size()) << record;
  for (const auto& [name, value] : expected) EXPECT_NEAR(record.at(name).get<double>(), value, 1e-12) << name;
}

// An update's tokens: of a prompt (−1), and of two answers with two tokens each.
struct Update {
  std::vector<Rollout> rollouts{answer_of(2), answer_of(2)};
  std::vector<PolicySample> samples;
  PolicyBatches made;
  TokenLosses tokens;
  Update() {
    rollouts[0].loss = {1, 2}, rollouts[1].loss = {0.5, 0.5};
    for (const Rollout& r : rollouts) samples.push_back({&r, {1, -1}});
    made.places = {{-1, -1}, {0, 0}, {0, 1}, {-1, -1}, {1, 0}, {1, 1}};
    tokens.loss = {9, 0.9f, 1.94f, 9, 0.54f, 1};  // log ratios: 0.1, 0.06, −0.04, −0.5
    tokens.entropy = {100, 1, 2, 100, 3, 6};
    tokens.flips = {7, 1, 0, 7, 0, 2};
  }
  Json record(bool on_policy = true) const {
    Json j = Json::object();
    log_update(made, samples, tokens, {.clip_low = 0.3, .clip_high = 0.05}, 6, on_policy, j);
    return j;
  }
};

TEST(LogUpdate, OfFourTokens) {
  const Json record = Update().record();
  const std::map<std::string, double> expected{
      {"entropy", 3},
      {"clip_ratio", 0.5},  // the first, which rose above 1.05, and the last, which fell below 0.7
      {"ratio/mean", (std::exp(0.1) + std::exp(0.06) + std::exp(-0.04) + std::exp(-0.5)) / 4},
      {"delta_logp/mean", 0.175},
      {"delta_logp/max", 0.5},
      {"delta_logp/p99.9", 0.1},
      {"delta_logp/above_0.05", 0.75},
      {"flip_rate", 3.0 / (4 * 6)}};
  ASSERT_EQ(record.size(), expected.size()) << record;
  for (const auto& [name, value] : expected) EXPECT_NEAR(record.at(name).get<double>(), value, 1e-6) << name;
}

// Once the policy has moved, what rounding did cannot be told from what it learned.
TEST(LogUpdate, SaysOfLaterUpdatesWhatHoldsOfThem) {
  Update u;
  const Json record = u.record(false);
  ASSERT_EQ(record.size(), 3u) << record;
  for (const char* name : {"entropy", "clip_ratio", "ratio/mean"}) EXPECT_EQ(record.at(name), u.record().at(name));
  u.tokens.flips.clear();
  EXPECT_FALSE(u.record().contains("flip_rate"));  // not replayed
  u.made.places.assign(6, {});
  EXPECT_TRUE(u.record().empty());
}

TEST(LogUpdate, APercentileOfManyTokens) {
  Rollout r = answer_of(1001);
  Update u;
  u.made.places.clear(), u.tokens.flips.clear();
  for (int i = 0; i <= 1000; ++i) r.loss.push_back((float(i) + 0.5f) / 1000), u.made.places.push_back({0, i});
  u.samples = {{&r, std::vector<float>(1001, 0)}};
  u.tokens.loss.assign(1001, 0), u.tokens.entropy.assign(1001, 0);
  EXPECT_NEAR(u.record().at("delta_logp/p99.9").get<double>(), 0.9995, 1e-6);
  EXPECT_NEAR(u.record().at("delta_logp/above_0.05").get<double>(), 951.0 / 1001, 1e-9);
}

TEST(LogEvaluation, ByLevelAndByEquation) {
  const std::vector<std::string> levels{"chain:2", "chain:3", "chain:2", "chain:3", "chain:2"};
  const std::vector<Question> questions(5);
  std::vector<Rollout> answers;
  for (int64_t i = 0; i < 5; ++i) answers.push_back(answer_of(1 + i));
  // Five equations, two of them wrong, one of which is put right; three corrections, two of them of nothing wrong.
  answers[1].text = "<think>2+2=5\n2+2=4 not 5\n3+3=6\n1+1=3</think>\n<answer>4</answer>";
  answers[4].text = "<think>2*2=4\n2*2=4 not 4\n3*3=9 not 8\n4+4=8</think>\n<answer>4</answer>";
  std::vector<Score> scores(5, {.reward = 1, .lenient = 1, .format = 1});
  scores[0].accuracy = scores[4].accuracy = 1;
  Json record = Json::object();
  EXPECT_EQ(log_evaluation(questions, levels, answers, scores, record),
            "40.0 % of 5 test problems right (chain:2 67 %, chain:3 0 %); 3 tokens an answer");
  const std::map<std::string, double> expected{{"eval_right", 0.4},
                                               {"eval_right/chain:2", 2.0 / 3},
                                               {"eval_right/chain:3", 0},
                                               {"eval_length", 3},
                                               {"reflection/wrong", 0.4},
                                               {"reflection/caught", 0.5},
                                               {"reflection/false_alarms", 2.0 / 3}};
  ASSERT_EQ(record.size(), expected.size()) << record;
  for (const auto& [name, value] : expected) EXPECT_NEAR(record.at(name).get<double>(), value, 1e-12) << name;
  // Of no equation there is no share.
  for (Rollout& r : answers) r.text.clear();
  record = Json::object();
  log_evaluation(questions, levels, answers, scores, record);
  EXPECT_EQ(record.size(), 4u) << record;
}

TEST(MeanKl, IsOfTheAnswersTokens) {
  Update u;
  const std::vector<float> reference{5, 1.9f, 1.94f, 5, 0.54f, 0.5f};
  const auto kl = [](double d) { return std::exp(d) - 1 - d; };  // d: of what the policy says less the reference
  EXPECT_NEAR(mean_kl(u.made, u.tokens, reference), (kl(-1) + kl(0) + kl(0) + kl(0.5)) / 4, 1e-6);
  u.made.places.assign(6, {});
  EXPECT_EQ(mean_kl(u.made, u.tokens, reference), 0);
  EXPECT_EQ(mean_of({}), 0);
  EXPECT_EQ(mean_of({1, 2, 6}), 3);
}

}  // namespace
}  // namespace minke
