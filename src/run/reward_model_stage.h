// Training a reward model as a stage of a run (R1 §2.3.4, V2 §4.2; docs/recipe/post-training.md §2): the body of a model without
// its MTP modules, a head that gives one number, the score of a text at its last token, and pairs of answers of which one is
// better. Minimised is the mean of −log σ(score of the chosen − score of the rejected) over the pairs of a step. The folder is as
// that of sft_stage.h; what it leaves is read by rl/reward_model.h. Test: tests/rl/reward_model_test.cpp,
// tests/app/reward_model_test.sh.
#pragma once
#include <optional>

#include "data/pairs.h"
#include "run/base_model.h"
#include "run/pair_batches.h"
#include "run/training_run.h"

namespace minke {

// UserError for what the recipe alone shows to be wrong.
void check_reward_model_recipe(const Recipe& recipe);
// As sft() of sft_stage.h.
bool train_reward_model(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume,
                        const RunMachine& machine);

// What a checkpoint says beside its weights: {"midpoint": …}. The loss leaves it open which score is in the middle: it sees differences
// alone. It is the mean score of the training pairs of the last steps, good and bad ones, a moving average.
inline constexpr const char* kRewardModelFile = "reward_model.json";
double score_midpoint(const fs::path& folder);  // UserError if the file is damaged; 0 without it

// −log σ(margin): the loss of a pair whose chosen answer scores so much more than the other, without overflow.
double preference_loss(double margin);
// How right that is: 1, or ½ for a tie.
inline double won(double margin) { return margin > 0 ? 1 : margin == 0 ? 0.5 : 0; }

class RewardModelStage final : public Stage {
 public:
  // Sets recipe.train.steps if it is to come from reward_model.epochs. The folder outlives the stage.
  RewardModelStage(Recipe& recipe, const fs::path& model, const RunFolder& folder, Console& console);
  RecipeOf kind() const override { return RecipeOf::reward_model; }
  const Tokenizer& tokenizer() const override { return base_.tokenizer(); }
  const Config& config() const override { return config_; }
  void initialise(const Context& ctx, Model& model) override { base_.initialise(ctx, model); }
  void save_files(const fs::path& folder) const override;
  Json small_state() const override { return {{"midpoint", midpoint_}}; }
  void restore(const Json& saved) override;
  void enter_phase(const Phase& phase) override;
  StageMemory memory() const override;
  // A position is that of a pair; a step of `size` sequences has half as many pairs.
  std::vector<TokenBatch> batches(const Context&, Trainer&, LoaderPosition position, int64_t size) override;
  std::vector<TokenBatch> largest_batch(const Context&, Trainer&, int64_t size) override;
  LoaderPosition after(LoaderPosition position, int64_t size) const override;
  LoaderPosition in_next_phase(LoaderPosition position) const override { return {position.epoch + 1, 0}; }
  bool has(LoaderPosition position) const override { return position.sequence_index < data_.train.size(); }
  double epochs(LoaderPosition position) const override;
  bool asks_token_losses() const override { return true; }
  std::string after_step(const StepReport& report, const TokenLosses& tokens, Json& record) override;
  // Held-out pairs: the share whose chosen answer scores more (a tie is half of one), and their mean loss.
  bool evaluate(const RunView& run, bool last) override;
  bool evaluates_untrained() const override { return true; }
  // After the last evaluation: the pairs that the model has most wrong, with their scores.
  void show_samples(const RunView& run) override;

 private:
  struct Judged {
    uint64_t pair = 0;
    double chosen = 0, rejected = 0;
    double margin() const { return chosen - rejected; }
  };
  PreferencePair next(LoaderPosition& position) const;

  uint64_t seed_;
  BaseModel base_;
  Config config_;
  ChatTemplate template_;
  PairData data_;
  int64_t micro_batch_size_ = 0, sequence_length_ = 0;
  double step_tokens_ = 0;
  double midpoint_ = 0;         // between the scores of both sides, over the last steps
  std::vector<int64_t> last_;   // of each text of the step under way, the place of its last token in all its batches
  std::vector<Judged> judged_;  // in the last evaluation of all
};

}  // namespace minke
