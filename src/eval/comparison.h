// Two models on the same problems: is the difference of their shares of right answers one of the models, or of the problems that happened to
// be asked? The interval is a paired bootstrap's over problems, p a paired permutation test's (Efron & Tibshirani 1993, ch. 13 and 15). Test: tests/eval/comparison_test.cpp.
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
  double p = 1;       // two-sided: how often the difference is as large when each problem's pair is swapped by chance
  size_t differ = 0;  // problems on which the two differ
};
// `first` and `second`: of the same problems, in the same order, at least one; at least 39 draws. The same seed gives the same figures.
PairedDifference paired_difference(const std::vector<double>& first, const std::vector<double>& second, int64_t draws,
                                   uint64_t seed);

struct ComparedTask {
  std::string name;  // "chain:2", or the name of a file; "all" for the last, if there are several
  size_t problems = 0;
  PairedDifference strict, lenient;
};
struct ComparedModels {
  std::vector<ComparedTask> tasks;
  std::vector<std::string> settings;  // in which the two were asked otherwise: "prompt", "max_new"
};
// Of two files that `minke eval tasks --responses` or a stage of a pipeline wrote. UserError if they do not hold the same problems, with
// the first that is missing or differs.
ComparedModels compare_responses(const fs::path& first, const fs::path& second, int64_t draws, uint64_t seed);

// For people: "chain:2: 100 problems, strict 62.5 → 94.5 %, +32.0 [+25.0, +39.0], p < 0.0001 (40 problems differ); lenient …".
std::string comparison_line(const ComparedTask& task, int64_t draws);
Json comparison_json(const std::vector<ComparedTask>& tasks, int64_t draws, uint64_t seed);

}  // namespace minke
