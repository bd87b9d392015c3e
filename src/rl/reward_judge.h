// A reward model as the judge of answers (R1 §2.3.4): what it judges is what is said to the user, the summary, not the thought; its
// score s becomes σ(s − m), m being the score in the middle (RewardModel::midpoint), which is between 0 and 1 as all other rewards are. Test: tests/rl/reward_judge_test.cpp.
#pragma once
#include "eval/judge.h"
#include "rl/reward_model.h"

namespace minke {

class RewardJudge final : public Judge {
 public:
  // Whose scratch arena it computes in: the context's, which is large enough (a run has asked RewardModel::dry), or one of its own.
  enum class Scratch : uint8_t { of_context, own };
  // UserErrors of RewardModel.
  RewardJudge(const Context& ctx, const fs::path& folder, Scratch scratch = Scratch::own);
  std::vector<double> judge(const Context& ctx, std::span<const JudgedText> texts) override;

 private:
  RewardModel model_;
  std::optional<Arena> scratch_;
};

// σ(score − midpoint); 0 for a text that has none (RewardModel::scores: too long).
double preference_of(float score, double midpoint);

}  // namespace minke
