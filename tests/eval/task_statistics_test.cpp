// Against values worked out by hand or printed elsewhere; and whether 95 % intervals hold the truth in 95 % of trials.
#include "eval/task_statistics.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

namespace minke {
namespace {

TEST(PassAtK, IsThatOfDrawingWithoutReplacement) {
  EXPECT_NEAR(pass_at_k(5, 2, 2), 0.7, 1e-12);              // 1 − 3/10
  EXPECT_NEAR(pass_at_k(10, 3, 5), 1 - 21.0 / 252, 1e-12);  // C(7,5), C(10,5)
  EXPECT_NEAR(pass_at_k(200, 10, 1), 10.0 / 200, 1e-12);    // k = 1: the mean
  EXPECT_NEAR(pass_at_k(4, 1, 2), 0.5, 1e-12);              // not 1 − (3/4)², which is biased
  EXPECT_EQ(pass_at_k(5, 0, 5), 0);
  EXPECT_EQ(pass_at_k(5, 1, 5), 1);
  EXPECT_EQ(pass_at_k(5, 4, 2), 1);
  EXPECT_GT(pass_at_k(100000, 1, 50000), 0.49);  // no binomial overflows
  EXPECT_THROW(pass_at_k(4, 1, 5), BugError);
  EXPECT_THROW(pass_at_k(4, 5, 1), BugError);
  // By counting: all pairs of six answers, of which two are right.
  int some = 0, all = 0;
  for (int a = 0; a < 6; ++a)
    for (int b = a + 1; b < 6; ++b) some += a < 2 || b < 2, ++all;
  EXPECT_NEAR(pass_at_k(6, 2, 2), double(some) / all, 1e-12);
}

std::optional<size_t> vote(const std::vector<std::string>& answers) {
  return majority(
      answers.size(), [&](size_t i) { return !answers[i].empty(); },
      [&](size_t a, size_t b) { return answers[a] == answers[b]; });
}

TEST(Majority, TiesGoToTheFirstAndTheUnansweredFormNoGroup) {
  EXPECT_EQ(vote({"7", "8", "8"}), 1u);
  EXPECT_EQ(vote({"7", "8", "8", "7"}), 0u);
  EXPECT_EQ(vote({"8", "7", "7", "8", "9"}), 0u);
  EXPECT_EQ(vote({"", "", "", "7"}), 3u);
  EXPECT_EQ(vote({"", "9", "", "7", "7"}), 3u);
  EXPECT_EQ(vote({"", ""}), std::nullopt);
  EXPECT_EQ(vote({}), std::nullopt);
}

TEST(Wilson, KnownValues) {
  const auto near = [](Interval i, double low, double high) {
    EXPECT_NEAR(i.low, low, 5e-5);
    EXPECT_NEAR(i.high, high, 5e-5);
  };
  near(wilson(81.0 / 263, 263), 0.2553, 0.3662);  // Newcombe 1998, table I, method 3
  near(wilson(15.0 / 148, 148), 0.0624, 0.1605);
  near(wilson(0, 20), 0, 0.1611);
  near(wilson(1.0 / 29, 29), 0.0061, 0.1718);
  near(wilson(1, 20), 1 - 0.1611, 1);
  for (int n = 1; n < 200; ++n) {
    EXPECT_EQ(wilson(0, n).low, 0);
    EXPECT_EQ(wilson(1, n).high, 1);
  }
  EXPECT_EQ(wilson(0.5, 0).low, 0);
  EXPECT_EQ(wilson(0.5, 0).high, 1);
}

TEST(MeanInterval, IsWilsonsForOneAnswerEach) {
  std::vector<double> values(263, 0.0);
  std::fill_n(values.begin(), 81, 1.0);
  const Interval one = mean_interval(values, 1), four = mean_interval(values, 4), w = wilson(81.0 / 263, 263);
  EXPECT_NEAR(one.low, w.low, 1e-9);
  EXPECT_NEAR(one.high, w.high, 1e-9);
  // Four answers that always agree say no more than one.
  EXPECT_NEAR(four.low, w.low, 1e-9);
  EXPECT_NEAR(four.high, w.high, 1e-9);
}

TEST(MeanInterval, IsNeverEmptyNorBeyondWhatTheAnswersSay) {
  EXPECT_GT(mean_interval(std::vector<double>(10, 0.0), 8).high, 0.27);
  EXPECT_LT(mean_interval(std::vector<double>(10, 1.0), 8).low, 0.73);
  const Interval same = mean_interval(std::vector<double>(10, 0.5), 2), w = wilson(0.5, 20);
  EXPECT_NEAR(same.low, w.low, 1e-12);
  EXPECT_NEAR(same.high, w.high, 1e-12);
  EXPECT_EQ(mean_interval(std::vector<double>{}, 4).high, 1);
}

// Problems of different difficulty, several answers to each: the mean over all problems lies inside in about 95 % of the trials.
TEST(MeanInterval, HoldsTheTruth) {
  Rng rng{RngKey{7}.at("coverage")};
  for (const int samples : {1, 4, 16})
    for (const double hard : {0.02, 0.3}) {
      int held = 0;
      constexpr int kTrials = 1000, kProblems = 60;
      for (int t = 0; t < kTrials; ++t) {
        std::vector<double> values;
        for (int i = 0; i < kProblems; ++i) {
          const double p = rng.uniform() < 0.5 ? hard : 0.7;
          int right = 0;
          for (int s = 0; s < samples; ++s) right += rng.uniform() < p;
          values.push_back(double(right) / samples);
        }
        const double truth = (hard + 0.7) / 2;
        const Interval i = mean_interval(values, samples);
        held += i.low <= truth && truth <= i.high;
      }
      EXPECT_GT(held, 925) << samples << " " << hard;
      EXPECT_LT(held, 980) << samples << " " << hard;
    }
}

}  // namespace
}  // namespace minke
