// Two models on the same problems: is the difference of their shares of right answers one of the models, or of the problems that happened to
// be asked? A paired bootstrap over problems (Efron & Tibshirani 1993, ch. 13). Test: tests/eval/comparison_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "core/files.h"
#include "core/json.h"

namespace minke {

// Means over problems, each of which counts once, as the mean of its answers.
struct PairedDifference {
  double first = 0, second = 0;  // shares of right answers
  double low = 0, high = 0;      // 95 % interval of second − first
  double p = 1;                  // two-sided: how often resampled problems give a difference of the other sign, or none
  bool is_significant() const { return low > 0 || high < 0; }
};
// `first` and `second`: of the same problems, in the same order, at least one. The same seed gives the same figures.
PairedDifference paired_difference(const std::vector<double>& first, const std::vector<double>& second,
                                   int64_t resamples, uint64_t seed);

struct ComparedTask {
  std::string name;  // "chain:2", or the name of a file; "all" for the last, if there are several
  size_t problems = 0;
  PairedDifference strict, lenient;
};
// Of two files that `minke eval tasks --responses` or a stage of a pipeline wrote. UserError if they do not hold the same problems, with
// the first that is missing or differs.
std::vector<ComparedTask> compare_responses(const fs::path& first, const fs::path& second, int64_t resamples,
                                            uint64_t seed);

// For people: "chain:2: 100 problems, strict 62.5 → 94.5 %, +32.0 [25.1, 38.9], p < 0.001; lenient …".
std::string comparison_line(const ComparedTask& task, int64_t resamples);
Json comparison_json(const std::vector<ComparedTask>& tasks, int64_t resamples, uint64_t seed);

}  // namespace minke
