// How often the policy has lately been right, by task and level: where it is right about half of the time there is most to learn, so
// levels can be drawn in proportion to p(1 − p) + 0.05 (grpo.levels = "edge"). Test: tests/rl/level_rates_test.cpp.
#pragma once
#include <vector>

#include "core/json.h"

namespace minke {

class LevelRates {
 public:
  // The levels of each source of questions, not empty. Before anything is known p is 0.5.
  explicit LevelRates(const std::vector<std::vector<int>>& levels);

  // The share of right answers to one question: p moves towards it, by half at first, by a tenth from the ninth question on.
  void add(size_t source, int level, double share);
  double rate(size_t source, int level) const { return sources_[source][index(source, level)].rate; }
  // A level of the task, by a number in [0, 1).
  int pick(size_t source, double uniform) const;

  // UserError if it was not saved of the same tasks and levels.
  Json to_json() const;
  void restore(const Json& saved);

 private:
  struct Level {
    int level = 0;
    double rate = 0.5;
    int64_t questions = 0;
  };
  size_t index(size_t source, int level) const;
  std::vector<std::vector<Level>> sources_;
};

}  // namespace minke
