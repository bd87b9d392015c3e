#include "rl/reward_judge.h"

#include <cmath>

#include "core/error.h"
#include "recipe/pipeline.h"

namespace minke {

double preference_of(float score, double midpoint) {
  return std::isnan(score) ? 0 : 1 / (1 + std::exp(midpoint - double(score)));
}

std::vector<double> RewardJudge::judge(const Context& ctx, std::span<const JudgedText> texts) {
  std::vector<ScoredText> scored;
  for (const JudgedText& t : texts) scored.push_back({t.question, t.answer});
  std::vector<double> out;
  for (const float score : model_.scores(ctx, scored)) out.push_back(preference_of(score, model_.midpoint()));
  return out;
}

JudgeSource reward_judge(const std::string& folder, std::string_view where) {
  check_judge_folder(folder, where);
  return {.open = [folder](const Context& ctx) { return std::make_unique<RewardJudge>(ctx, folder); },
          .dry = [folder](const Context& dry) -> std::shared_ptr<void> { return RewardModel::dry(dry, folder); }};
}

void check_judge_folder(const std::string& folder, std::string_view where) {
  if (folder.starts_with(kStageSource))
    user_error("{} {}: only a stage of minke pipeline can name another stage: give the folder of a reward model", where,
               printable(folder));
  std::error_code none;
  if (fs::exists(fs::path(folder) / "recipe.toml", none) && !fs::exists(fs::path(folder) / "config.json", none))
    user_error("{} {} is the folder of a run: its reward model is {}", where, folder,
               (fs::path(folder) / "latest").string());
  try {
    RewardModel::check(folder);
  } catch (const UserError& e) {
    user_error("{}: {}", where, e.what());
  }
}

}  // namespace minke
