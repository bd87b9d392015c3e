// A reward model as the judge of answers (R1 §2.3.4): what it judges is what is said to the user, the summary, not the thought; its
// score s becomes σ(s − m), m being the score in the middle (RewardModel::midpoint), which is between 0 and 1 as all other rewards are. Test: tests/rl/reward_judge_test.cpp.
#pragma once
#include "eval/judge.h"
#include "rl/reward_model.h"

namespace minke {

class RewardJudge final : public Judge {
 public:
  // UserErrors of RewardModel.
  RewardJudge(const Context& ctx, const fs::path& folder) : model_(ctx, folder) {}
  // In the context's scratch, which is to be large enough for it (JudgeSource::dry).
  std::vector<double> judge(const Context& ctx, std::span<const JudgedText> texts) override;

 private:
  RewardModel model_;
};

// The reward model in a folder, named by the flag or key `where`. Its mistakes come at once: UserErrors of check_judge_folder.
JudgeSource reward_judge(const std::string& folder, std::string_view where);
// UserError, which names `where`, for all that can be seen to be wrong with it before its weights are read.
void check_judge_folder(const std::string& folder, std::string_view where);

// σ(score − midpoint); 0 for a text that has none (RewardModel::scores: too long).
double preference_of(float score, double midpoint);

}  // namespace minke
