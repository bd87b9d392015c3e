#include "rl/reward_judge.h"

#include <cmath>

namespace minke {

double preference_of(float score) { return std::isnan(score) ? 0 : 1 / (1 + std::exp(-double(score))); }

std::vector<double> RewardJudge::judge(const Context& ctx, std::span<const JudgedText> texts) {
  std::vector<ScoredText> scored;
  for (const JudgedText& t : texts) scored.push_back({t.question, t.answer});
  std::vector<double> out;
  for (const float score : model_.scores(ctx, scored)) out.push_back(preference_of(score));
  return out;
}

}  // namespace minke
