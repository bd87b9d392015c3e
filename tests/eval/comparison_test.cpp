// The paired bootstrap against what is known of it, and the files it reads.
#include "eval/comparison.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/rng.h"

namespace minke {
namespace {

// The mean of resampled differences is normal around their mean, with deviation s/√n; so is, around 0 and with √(Σ d²)/n, that of swapped ones.
TEST(PairedDifference, HasTheIntervalOfTheMean) {
  constexpr size_t kProblems = 400;
  Rng rng{RngKey{3}};
  std::vector<double> first, second;
  for (size_t i = 0; i < kProblems; ++i) first.push_back(rng.uniform() < 0.4), second.push_back(rng.uniform() < 0.5);
  double mean = 0, squares = 0, all_squares = 0;
  for (size_t i = 0; i < kProblems; ++i) mean += (second[i] - first[i]) / double(kProblems);
  for (size_t i = 0; i < kProblems; ++i) {
    squares += std::pow(second[i] - first[i] - mean, 2);
    all_squares += std::pow(second[i] - first[i], 2);
  }
  const double n = double(kProblems), deviation = std::sqrt(squares / n / n), swapped = std::sqrt(all_squares) / n;
  const PairedDifference d = paired_difference(first, second, 20'000, 1);
  EXPECT_NEAR(d.second - d.first, mean, 1e-12);
  // A quantile of 20,000 draws has a standard error of 0.019 deviations there; the steps of 1/n are 0.07 of one.
  EXPECT_NEAR(d.low, mean - 1.96 * deviation, 0.1 * deviation);
  EXPECT_NEAR(d.high, mean + 1.96 * deviation, 0.1 * deviation);
  const double expected = std::erfc((std::abs(mean) - 0.5 / n) / swapped / std::sqrt(2));
  EXPECT_NEAR(d.p, expected, 0.25 * expected + 0.002);
  EXPECT_EQ(paired_difference(first, second, 20'000, 1).low, d.low);
  EXPECT_NE(paired_difference(first, second, 20'000, 2).p, d.p);
}

// p is exact where few problems differ: swaps of k pairs that all differ one way are as large in 2 of 2^k cases.
TEST(PairedDifference, FewDifferencesProveNothing) {
  for (const auto& [differ, p] : {std::pair{1, 1.0}, {3, 0.25}, {4, 0.125}, {6, 2.0 / 64}}) {
    std::vector<double> first(100, 0.0), second(100, 0.0);
    for (int i = 0; i < differ; ++i) second[size_t(i)] = 1;
    const PairedDifference d = paired_difference(first, second, 20'000, 0);
    EXPECT_NEAR(d.p, p, 0.012) << differ;  // four standard errors of 20,000 draws
    EXPECT_EQ(d.differ, size_t(differ));
  }
  const std::vector<double> thirds{1.0 / 3, 0, 0, 1}, others{2.0 / 3, 0, 0, 2.0 / 3};  // +1/3 and −1/3
  EXPECT_EQ(paired_difference(thirds, others, 1000, 0).p, 1);
  const PairedDifference same = paired_difference(thirds, thirds, 1000, 0);
  EXPECT_EQ(same.low, 0);
  EXPECT_EQ(same.high, 0);
  EXPECT_EQ(same.p, 1);
  EXPECT_EQ(same.differ, 0u);
}

// Where two models are right about the same problems, pairs see a difference that two separate intervals would not. And as many draws lie
// below the interval as above it.
TEST(PairedDifference, SeesWhatPairsShow) {
  std::vector<double> first, second;
  for (int i = 0; i < 200; ++i) first.push_back(i % 2), second.push_back(i % 2 || i % 20 == 0);
  const PairedDifference d = paired_difference(first, second, 10'000, 0);
  EXPECT_NEAR(d.second - d.first, 0.05, 1e-12);
  EXPECT_GT(d.low, 0);
  EXPECT_LT(d.p, 0.01);
  const PairedDifference back = paired_difference(second, first, 10'000, 0);
  EXPECT_DOUBLE_EQ(back.low, -d.high);
  EXPECT_DOUBLE_EQ(back.high, -d.low);
}

class CompareResponses : public testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / fmt::format("minke_comparison_test_{}", ::getpid());
  CompareResponses() { fs::create_directories(folder_); }
  ~CompareResponses() override { fs::remove_all(folder_); }
  struct Line {
    const char* task;
    int level, problem;
    double strict, lenient;
    int answer = 0, sample = 0;
  };
  fs::path file(const char* name, const std::vector<Line>& lines) {
    std::string text;
    for (const Line& l : lines)
      text += Json{{"task", l.task},
                   {"level", l.level},
                   {"problem", l.problem},
                   {"sample", l.sample},
                   {"settings", {{"model", name}, {"max_new", 9}}},
                   {"answer", std::to_string(l.answer)},
                   {"strict", l.strict},
                   {"lenient", l.lenient}}
                  .dump() +
              "\n";
    write_file_atomic(folder_ / name, text);
    return folder_ / name;
  }
  std::string said(const fs::path& a, const fs::path& b) {
    try {
      compare_responses(a, b, 100, 0);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  }
};

TEST_F(CompareResponses, ByTaskAndInAll) {
  // Two answers to each, in another order; of the second of chain's problems one is right.
  const fs::path a = file("a", {{"chain", 2, 0, 0, 1},
                                {"chain", 2, 1, 1, 1},
                                {"chain", 2, 1, 0, 0, 0, 1},
                                {"own", 0, 0, 0, 0},
                                {"chain", 2, 0, 0, 1, 0, 1},
                                {"own", 0, 0, 0, 0, 0, 1}});
  const fs::path b = file("b", {{"own", 0, 0, 1, 1}, {"chain", 2, 1, 1, 1}, {"chain", 2, 0, 1, 1}});
  const auto compared = compare_responses(a, b, 1000, 0).tasks;
  ASSERT_EQ(compared.size(), 3u);
  EXPECT_EQ(compared[0].name, "chain:2");
  EXPECT_EQ(compared[0].problems, 2u);
  EXPECT_DOUBLE_EQ(compared[0].strict.first, 0.25);
  EXPECT_DOUBLE_EQ(compared[0].strict.second, 1);
  EXPECT_DOUBLE_EQ(compared[0].lenient.first, 0.75);
  EXPECT_EQ(compared[1].name, "own");
  EXPECT_EQ(compared[2].name, "all");
  EXPECT_DOUBLE_EQ(compared[2].strict.first, 0.5 / 3);
  EXPECT_NE(comparison_line(compared[0], 1000)
                .find("chain:2: 2 problems, strict 25.0 → 100.0 %, +75.0 [+50.0, +100.0], p = "),
            std::string::npos)
      << comparison_line(compared[0], 1000);
  const Json json = comparison_json(compared, 1000, 0);
  EXPECT_EQ(json.at("results").size(), 3u);
  EXPECT_DOUBLE_EQ(json["results"][0].at("strict").at("difference"), 0.75);
}

TEST_F(CompareResponses, OtherProblemsAreNoPair) {
  const fs::path a = file("a", {{"chain", 2, 0, 1, 1}}),
                 more = file("m", {{"chain", 2, 0, 1, 1}, {"chain", 2, 1, 1, 1}});
  EXPECT_NE(said(a, more).find("chain:2, problem 1"), std::string::npos) << said(a, more);
  EXPECT_NE(said(more, a).find("chain:2, problem 1"), std::string::npos);
  const fs::path other = file("o", {{"chain", 2, 0, 1, 1, 5}});
  EXPECT_NE(said(a, other).find("another answer in each"), std::string::npos) << said(a, other);
  EXPECT_NE(said(a, file("t", {{"chain", 2, 0, 1, 1, 5}, {"chain", 2, 0, 1, 1, 6, 1}})).find("line 2"),
            std::string::npos);
  EXPECT_NE(said(a, file("e", {})).find("holds no answers"), std::string::npos);
  write_file_atomic(folder_ / "x", "{\"question\": \"?\"}\n");
  EXPECT_NE(said(a, folder_ / "x").find("no graded answer"), std::string::npos) << said(a, folder_ / "x");
  EXPECT_NE(said(a, file("d", {{"chain", 2, 0, 1, 1}, {"chain", 2, 0, 1, 1}})).find("was there before"),
            std::string::npos);
  for (const Line& wrong : {Line{"chain", 2, 0, -5, 1}, Line{"chain", 2, 0, 1, 2}, Line{"chain", -3, 0, 1, 1}})
    EXPECT_NE(said(a, file("w", {wrong})).find("from 0 to 1"), std::string::npos);
  EXPECT_EQ(said(a, a), "");
  EXPECT_TRUE(compare_responses(a, a, 100, 0).settings.empty());
  std::string longer = read_file(a);
  longer.replace(longer.find("\"max_new\":9"), 11, "\"max_new\":8");
  write_file_atomic(folder_ / "longer", longer);
  EXPECT_EQ(compare_responses(a, folder_ / "longer", 100, 0).settings, std::vector<std::string>{"max_new"});
}

}  // namespace
}  // namespace minke
