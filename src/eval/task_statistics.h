// The figures of an evaluation with several answers to each problem: pass@k, majority vote, and how sure a mean over problems is.
// Test: tests/eval/task_statistics_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace minke {

// The chance that at least one of k answers is right, drawn without replacement from `samples` of which `right` are: the unbiased
// estimate of Chen et al. 2021, 1 − C(samples − right, k) / C(samples, k). k ≤ samples.
double pass_at_k(int64_t samples, int64_t right, int64_t k);

// The first of the answers that most agree with; ties go to the one that came first. Those that are not answered form no group;
// nothing if none is. `same` is asked of the first answer of a group, and one more.
std::optional<size_t> majority(size_t answers, const std::function<bool(size_t)>& answered,
                               const std::function<bool(size_t first, size_t other)>& same);

struct Interval {
  double low = 0, high = 1;
};
// 95 % interval of a share, by Wilson 1927. n need not be whole; n = 0: [0, 1].
Interval wilson(double share, double n);
// 95 % interval of the mean over problems, each value between 0 and 1 and itself the mean of up to `samples` answers. Wilson's, with
// as many independent problems as would vary so much: n · p(1−p) / s², at least n and at most n · samples. It is never empty, as
// mean ± 1.96 s/√n is where all problems agree; for values of 0 and 1 it is Wilson's of n problems.
Interval mean_interval(std::span<const double> values, int64_t samples);

}  // namespace minke
