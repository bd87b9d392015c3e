// A reward model as the judge of answers (R1 §2.3.4): what it judges is what is said to the user, the summary, not the thought; its
// score s becomes σ(s), which is between 0 and 1 as all other rewards are. Test: tests/rl/reward_judge_test.cpp.
#pragma once
#include "eval/judge.h"
#include "rl/reward_model.h"

namespace minke {

class RewardJudge final : public Judge {
 public:
  // UserErrors of RewardModel.
  RewardJudge(const Context& ctx, const fs::path& folder) : model_(ctx, folder) {}
  std::vector<double> judge(const Context& ctx, std::span<const JudgedText> texts) override;

 private:
  RewardModel model_;
};

// σ(score); 0 for a text that has none (RewardModel::scores: too long).
double preference_of(float score);

}  // namespace minke
