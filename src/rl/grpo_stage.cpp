#include "rl/grpo_stage.h"

#include "rl/advantages.h"

namespace minke {

bool grpo(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine) {
  if (const std::optional<Recipe> stored = stored_recipe(folder, RecipeOf::grpo)) recipe = *stored;
  else check_policy_recipe(recipe, "grpo");
  const RunFolder run_folder(folder, resume);
  Console console;
  machine.say(console);
  GrpoStage stage(recipe, model, run_folder);
  return TrainingRun(recipe, run_folder, stage, machine, console).run();
}

std::vector<std::vector<float>> GrpoStage::advantages(const Context&, const std::vector<Rollout>& answers,
                                                      const std::vector<Score>& scores) {
  const size_t group = size_t(recipe().grpo.group);
  std::vector<std::vector<float>> all(answers.size());
  for (size_t first = 0; first < answers.size(); first += group) {
    std::vector<double> rewards;
    std::vector<size_t> which;
    for (size_t i = first; i < first + group; ++i)
      if (!scores[i].masked) rewards.push_back(scores[i].reward), which.push_back(i);
    if (rewards.empty()) continue;
    const std::vector<double> a = group_advantages(rewards, recipe().grpo.deviation);
    for (size_t i = 0; i < which.size(); ++i)
      if (a[i] != 0) all[which[i]].assign(size_t(answers[which[i]].answer_tokens()), float(a[i]));
  }
  return all;
}

}  // namespace minke
