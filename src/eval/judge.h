// What judges answers that no rule can grade (GraderKind::judge): a reward model (rl/reward_judge.h), or a stand-in in tests.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/context.h"

namespace minke {

struct JudgedText {
  std::string_view question, answer;  // what the user said, and what was said to him: without a thought
};

class Judge {
 public:
  virtual ~Judge() = default;
  // Of each text, between 0 and 1: the chance that it is preferred to an answer in the middle between the good and the bad ones that the
  // judge has learned from, by the model of Bradley and Terry. It does not depend on what is judged with it. 0 for what is too long to be read.
  virtual std::vector<double> judge(const Context& ctx, std::span<const JudgedText> texts) = 0;
};
// An answer with so much counts as right.
inline constexpr double kGoodAnswer = 0.5;

// A judge that is not open yet.
struct JudgeSource {
  std::function<std::unique_ptr<Judge>(const Context& ctx)> open;
  // On a dry run: one that has judged the most at once; what it returns holds what it takes.
  std::function<std::shared_ptr<void>(const Context& dry)> dry;
  explicit operator bool() const { return bool(open); }
};

}  // namespace minke
