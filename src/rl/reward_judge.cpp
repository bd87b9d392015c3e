#include "rl/reward_judge.h"

#include <cmath>

#include "kernels/dry_run.h"

namespace minke {

double preference_of(float score, double midpoint) {
  return std::isnan(score) ? 0 : 1 / (1 + std::exp(midpoint - double(score)));
}

RewardJudge::RewardJudge(const Context& ctx, const fs::path& folder, Scratch scratch) : model_(ctx, folder) {
  if (scratch == Scratch::of_context) return;
  const DryRun dry(ctx);
  RewardModel::dry(dry.ctx(), folder);
  scratch_.emplace(ctx.backend->memory(), dry.scratch_bytes());
}

std::vector<double> RewardJudge::judge(const Context& ctx, std::span<const JudgedText> texts) {
  Context own = ctx;
  if (scratch_) own.scratch = &*scratch_;
  std::vector<ScoredText> scored;
  for (const JudgedText& t : texts) scored.push_back({t.question, t.answer});
  std::vector<double> out;
  for (const float score : model_.scores(own, scored)) out.push_back(preference_of(score, model_.midpoint()));
  return out;
}

}  // namespace minke
