// PPO as a stage of a run, the comparison that explains GRPO (V2 §4.2, eq. 31; docs/recipe/post-training.md §3): what a token is worth
// is how much better the answer has become with it, by the judgement of a critic that is as large as the policy and is trained
// beside it. Questions, answers and rewards are as [grpo] says. Test: tests/rl/ppo_test.cpp, tests/app/ppo_test.sh.
#pragma once
#include "rl/critic.h"
#include "rl/policy_stage.h"
#include "run/training_run.h"

namespace minke {

// UserError for what the recipe alone shows to be wrong.
void check_ppo_recipe(const Recipe& recipe);
// As grpo() of rl/grpo_stage.h.
bool ppo(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine);

class PpoStage : public PolicyStage {
 public:
  PpoStage(const Recipe& recipe, const fs::path& model, const RunFolder& folder)
      : PolicyStage("ppo", recipe, model, folder) {}
  RecipeOf kind() const override { return RecipeOf::ppo; }
  void initialise(const Context& ctx, Model& model) override;
  void enter_phase(const Phase& phase) override;
  StageMemory memory() const override;
  std::vector<std::pair<std::string, Operand>> state() const override { return critic_->state(); }
  Json small_state() const override;
  void restore(const Json& saved) override;
  std::string after_step(const StepReport& report, const TokenLosses& tokens, Json& record) override;

 protected:
  std::vector<std::vector<float>> advantages(const Context& ctx, const std::vector<Rollout>& answers,
                                             const std::vector<Score>& scores) override;
  // The critic's step. While it warms up, the policy has none.
  void complete(const Context& ctx, Trainer& trainer, PolicyBatches& made) override;

 private:
  TrainSettings critic_settings() const;

  std::optional<Critic> critic_;
  std::vector<std::vector<float>> returns_;  // of each answer that was drawn, of each of its tokens
  Json judged_;                              // how well the critic judged them, for the log
  StepReport critic_step_;
};

}  // namespace minke
