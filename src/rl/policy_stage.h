// What GRPO and PPO have in common as stages of a run: questions → answers by the policy as it is → rewards → advantages → the
// batches of an update. They differ in the advantages. There is one copy of the policy: the engine that answers reads the weights
// that are trained. Tests: tests/rl/grpo_test.cpp, tests/app/grpo_test.sh.
#pragma once
#include <optional>
#include <span>

#include "rl/policy_batches.h"
#include "rl/questions.h"
#include "rl/rewards.h"
#include "run/base_model.h"
#include "run/stage.h"

namespace minke {

// UserError, which names the verb, if a recipe is none for reinforcement learning, or has a key that has no effect there: any of
// `unread`, too.
void check_policy_recipe(const Recipe& recipe, std::string_view verb, std::span<const std::string_view> unread = {});

class PolicyStage : public Stage {
 public:
  const Tokenizer& tokenizer() const override { return base_.tokenizer(); }
  const Config& config() const override { return base_.config(); }
  void initialise(const Context& ctx, Model& model) override { base_.initialise(ctx, model); }
  void adjust(TrainSettings& settings) const override;
  std::optional<EngineSettings> engine_settings() const override;
  bool replays_experts() const override { return recipe_.grpo.replay; }
  void enter_phase(const Phase& phase) override;
  std::vector<TokenBatch> batches(const Context& ctx, Model& model, LoaderPosition position, int64_t size) override;
  std::vector<TokenBatch> largest_batch(const Context& ctx, Model& model, int64_t size) override;
  LoaderPosition after(LoaderPosition p, int64_t size) const override { return {0, p.sequence_index + uint64_t(size)}; }
  LoaderPosition in_next_phase(LoaderPosition position) const override { return position; }
  bool has(LoaderPosition position) const override { return position.epoch == 0; }
  double epochs(LoaderPosition) const override { return 0; }
  // What the step asks that takes `size` answers from a position on.
  std::vector<std::string> prompts(LoaderPosition position, int64_t size) const;
  bool asks_token_losses() const override { return true; }
  std::string after_step(const StepReport& report, const TokenLosses& tokens, Json& record) override;
  bool evaluate(const RunView& run, bool last) override;
  void show_samples(const RunView& run) override;

 protected:
  // The recipe has passed check_policy_recipe. The folder outlives the stage.
  PolicyStage(std::string_view verb, const Recipe& recipe, const fs::path& model, const RunFolder& folder);

  // Of each answer: the advantage of each of its tokens, or nothing: then it teaches nothing and is not computed. Answers come in
  // groups to the same question, one after another; those that are masked are given none.
  virtual std::vector<std::vector<float>> advantages(const Context& ctx, const std::vector<Rollout>& answers,
                                                     const std::vector<Score>& scores) = 0;
  virtual PolicyTerms terms() const;
  const Recipe& recipe() const { return recipe_; }

 private:
  std::vector<Rollout> answers(const Context& ctx, Model& model, const std::vector<Question>& questions, int64_t group,
                               uint64_t first_sample);
  std::vector<Question> questions_at(LoaderPosition position, int64_t size) const;

  Recipe recipe_;
  BaseModel base_;
  Questions questions_;
  int64_t micro_tokens_ = 0;  // of a micro-batch at most
  std::optional<Engine> engine_;

  // Of the step under way.
  std::vector<Question> asked_;
  std::vector<Rollout> rollouts_;
  std::vector<Score> scores_;
  std::vector<PolicySample> samples_;
  PolicyBatches made_;
  double rollout_seconds_ = 0;
};

}  // namespace minke
