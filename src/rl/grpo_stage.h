// GRPO as a stage of a run (V2 §4.2, R1-Zero §2.2; docs/recipe/post-training.md §3): a group of answers to each question, and what
// an answer is worth is how much better than its group it is; no critic. With grpo.beta it is held near a reference policy, the
// weights of some steps ago. Test: tests/rl/grpo_test.cpp, tests/app/grpo_test.sh.
#pragma once
#include "rl/policy_stage.h"
#include "run/training_run.h"
#include "train/weight_copy.h"

namespace minke {

// UserError for what the recipe alone shows to be wrong.
void check_grpo_recipe(const Recipe& recipe);
// As pretrain() of run/pretrain_stage.h, from the model at `model`, which a run with a checkpoint no longer needs.
bool grpo(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine);

class GrpoStage : public PolicyStage {
 public:
  GrpoStage(const Recipe& recipe, const fs::path& model, const RunFolder& folder)
      : PolicyStage("grpo", recipe, model, folder) {}
  RecipeOf kind() const override { return RecipeOf::grpo; }
  void initialise(const Context& ctx, Model& model) override;
  StageMemory memory() const override;
  std::vector<std::pair<std::string, Operand>> state() const override;
  std::string after_step(const StepReport& report, const TokenLosses& tokens, Json& record) override;

 protected:
  std::vector<std::vector<float>> advantages(const Context& ctx, const std::vector<Rollout>& answers,
                                             const std::vector<Score>& scores) override;
  void complete(const Context& ctx, Trainer& trainer, PolicyBatches& made) override;
  PolicyTerms terms() const override;

 private:
  std::optional<WeightCopy> reference_;  // if grpo.beta > 0
  std::vector<float> reference_losses_;  // of the step under way, in the order of its batches
};

}  // namespace minke
