// The run of a stage that learns by rewards, as pretrain() of run/pretrain_stage.h: the same for GRPO and PPO.
#pragma once
#include "rl/policy_stage.h"
#include "run/training_run.h"

namespace minke {

template <class S>
bool run_policy(RecipeOf kind, void (*check_recipe)(const Recipe&), Recipe recipe, const fs::path& model,
                const fs::path& folder, bool resume, const RunMachine& machine) {
  if (std::optional<Recipe> stored = stored_recipe(folder, kind)) {
    // The judge of a pipeline's stage stands in the pipeline's folder, which may have been moved since.
    if (!stored->grpo.judge.empty() && !recipe.grpo.judge.empty()) stored->grpo.judge = recipe.grpo.judge;
    recipe = with_kept_questions(std::move(*stored), folder);
  }
  check_recipe(recipe);  // also what was edited in the folder
  const RunFolder run_folder(folder, resume);
  Console console;
  machine.say(console);
  S stage(recipe, model, run_folder);
  return TrainingRun(recipe, run_folder, stage, machine, console).run();
}

}  // namespace minke
