// GRPO as a stage of a run (V2 §4.2, R1-Zero §2.2; docs/recipe/post-training.md §3): a group of answers to each question, and what
// an answer is worth is how much better than its group it is; no critic. Test: tests/rl/grpo_test.cpp, tests/app/grpo_test.sh.
#pragma once
#include "rl/policy_stage.h"
#include "run/training_run.h"

namespace minke {

// As pretrain() of run/pretrain_stage.h, from the model at `model`, which a run with a checkpoint no longer needs.
bool grpo(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine);

class GrpoStage final : public PolicyStage {
 public:
  GrpoStage(const Recipe& recipe, const fs::path& model, const RunFolder& folder)
      : PolicyStage("grpo", recipe, model, folder) {}

 protected:
  std::vector<std::vector<float>> advantages(const Context& ctx, const std::vector<Rollout>& answers,
                                             const std::vector<Score>& scores) override;
};

}  // namespace minke
