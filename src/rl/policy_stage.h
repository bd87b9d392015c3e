// What GRPO and PPO have in common as stages of a run: questions → answers by the policy as it is → rewards → advantages → the
// batches of an update. They differ in the advantages. There is one copy of the policy: the engine that answers reads the weights
// that are trained. Tests: tests/rl/policy_stage_test.cpp, tests/rl/grpo_test.cpp,
// tests/app/grpo_test.sh.
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
  void save_files(const fs::path& folder) const override { base_.save_files(folder); }
  void adjust(TrainSettings& settings) const override;
  StageMemory memory() const override;
  void enter_phase(const Phase& phase) override;
  std::vector<TokenBatch> batches(const Context& ctx, Trainer& trainer, LoaderPosition position, int64_t size) override;
  std::vector<TokenBatch> largest_batch(const Context& ctx, Trainer& trainer, int64_t size) override;
  // In answers that were asked for, which may be more than are used (grpo.dynamic).
  LoaderPosition after(LoaderPosition position, int64_t size) const override;
  int64_t most_sequences(int64_t size) const override {
    const auto& g = recipe_.grpo;
    return (g.mini_batches > 1 ? 2 : 1) * size * g.dynamic;  // twice: a rollback drops what is left
  }
  bool may_save() const override { return drawn_.used == drawn_.order.size(); }
  LoaderPosition after_rollback(LoaderPosition position) override;
  LoaderPosition in_next_phase(LoaderPosition position) const override { return position; }
  bool has(LoaderPosition position) const override { return position.epoch == 0; }
  double epochs(LoaderPosition) const override { return 0; }
  Json small_state() const override;
  void restore(const Json& saved) override;
  // What the step asks that takes `size` answers from a position on.
  std::vector<std::string> prompts(LoaderPosition position, int64_t size) const;
  bool asks_token_losses() const override { return true; }
  std::string after_step(const StepReport& report, const TokenLosses& tokens, Json& record) override;
  bool evaluate(const RunView& run, bool last) override;
  bool evaluates_untrained() const override { return true; }  // what the base can do: the figure to compare with
  void show_samples(const RunView& run) override;

 protected:
  // The recipe has passed check_policy_recipe. The folder outlives the stage.
  PolicyStage(std::string_view verb, const Recipe& recipe, const fs::path& model, const RunFolder& folder);

  // Of each answer: the advantage of each of its tokens, or nothing: then it teaches nothing and is not computed. Answers come in
  // groups to the same question, one after another; those that are masked are given none.
  virtual std::vector<std::vector<float>> advantages(const Context& ctx, const std::vector<Rollout>& answers,
                                                     const std::vector<Score>& scores) = 0;
  // `group` answers to each question by the model as it is; the first of them is sample `first_sample` of the run.
  virtual std::vector<Rollout> answers(const Context& ctx, Model& model, const std::vector<Question>& questions,
                                       int64_t group, uint64_t first_sample);
  // What else the objective reads of the micro-batches of an update, which is of samples().
  virtual void complete(const Context&, Trainer&, PolicyBatches&) {}
  PolicyBatches in_batches(const std::vector<PolicySample>& samples, bool with_experts) const;
  virtual PolicyTerms terms() const;
  const Recipe& recipe() const { return recipe_; }
  // Of the step under way; the batches themselves are gone.
  const std::vector<PolicySample>& samples() const { return samples_; }
  const PolicyBatches& made() const { return made_; }

 private:
  RolloutSettings rollout_settings(int64_t group, uint64_t first_sample) const;
  // Questions from a position on for so many answers, by the rates of the levels as they are now.
  std::vector<Question> questions_at(uint64_t position, int64_t size) const;
  void draw(const Context& ctx, Model& model, uint64_t position, int64_t size);
  Rewards::Judging judging(const Context& ctx);  // the judge is opened when it is first asked; empty: none is needed
  EngineSettings engine_settings() const;
  int64_t experts_per_token() const;  // of all layers
  void log_mtp_acceptance(const RunView& run, const std::vector<Question>& questions);
  void log_shown(const RunView& run, const std::vector<Question>& questions, const std::vector<Rollout>& made,
                 const std::vector<Score>& scores);

  Recipe recipe_;
  BaseModel base_;
  Questions questions_;
  Rewards rewards_;
  std::unique_ptr<Judge> judge_;
  std::optional<LevelRates> rates_;  // with grpo.levels = "edge"
  int64_t micro_tokens_ = 0;         // of a micro-batch at most
  std::optional<Engine> engine_;

  // Answers that were drawn at once, and in which order they are used: so many of them have been.
  struct Drawn {
    Answers answers;
    std::vector<std::vector<float>> advantages;
    std::vector<size_t> order;
    size_t used = 0;
    uint64_t end = 0;  // the position after them
    Json record;       // for the log
    std::string note;  // for the lines of their steps
  };
  Drawn drawn_;
  // Of the step under way.
  bool is_first_ = false;  // of these answers: the policy is still the one that gave them
  std::vector<PolicySample> samples_;
  PolicyBatches made_;
};

}  // namespace minke
