// Supervised fine-tuning as a stage of a run (V3 §5.1, R1 §2.3.3; docs/recipe/post-training.md §1): a model's weights at the start,
// conversations packed so that none sees another, and only what the assistant wrote as targets. What is needed of the model
// besides its weights is kept in the run's folder `base`, the tokens in `data`. With sft.soft_targets = a above 0 a target that a teacher
// speaks of has the loss (1 − a)·(its own) + a·(that of the teacher's distribution; SoftCrossEntropyArgs of kernels/ops.h says which);
// MTP modules learn the targets alone. Test: tests/run/sft_test.cpp, tests/app/sft_test.sh, tests/app/soft_targets_test.sh.
#pragma once
#include <optional>

#include "data/conversations.h"
#include "run/base_model.h"
#include "run/training_run.h"

namespace minke {

// UserError for what the recipe alone shows to be wrong.
void check_sft_recipe(const Recipe& recipe);
// As pretrain() of pretrain_stage.h, from the model at `model`, which a run with a checkpoint no longer needs.
bool sft(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine);

class SftStage final : public Stage {
 public:
  // Sets recipe.train.steps if it is to come from sft.epochs. The folder outlives the stage.
  SftStage(Recipe& recipe, const fs::path& model, const RunFolder& folder, Console& console);
  RecipeOf kind() const override { return RecipeOf::sft; }
  const Tokenizer& tokenizer() const override { return base_.tokenizer(); }
  const Config& config() const override { return base_.config(); }
  void initialise(const Context& ctx, Model& model) override { base_.initialise(ctx, model); }
  void save_files(const fs::path& folder) const override;
  void enter_phase(const Phase& phase) override;
  void adjust(TrainSettings& settings) const override { settings.objective.soft_share = soft_share_; }
  StageMemory memory() const override;
  std::vector<TokenBatch> batches(const Context&, Trainer&, LoaderPosition position, int64_t size) override;
  LoaderPosition after(LoaderPosition position, int64_t size) const override;
  LoaderPosition in_next_phase(LoaderPosition position) const override { return {position.epoch + 1, 0}; }
  bool has(LoaderPosition position) const override;
  double epochs(LoaderPosition position) const override { return packed_->tokens.epochs(position); }
  bool evaluate(const RunView& run, bool last) override;
  void show_samples(const RunView& run) override;

 private:
  // Tokens, their marks, and which row of a teacher's they have, packed by the same plan. The set outlives it.
  struct Packed {
    Loader tokens, is_target;
    std::optional<Loader> soft;
    const SoftSet& rows;
    int64_t num_soft;  // 0: no teacher
    Packed(const ConversationSet& set, const PackingOptions& options, int32_t padding, int64_t num_soft);
    std::vector<TokenBatch> batches(LoaderPosition position, int64_t size, int64_t micro_batch_size) const;
  };
  // Of held-out targets that a teacher speaks of: the KL divergence from its distribution, summed.
  struct Distance {
    double nats = 0;
    int64_t targets = 0;
  };
  void add_distance(const RunView& run, TokenBatch batch, Distance& sum) const;
  PackingOptions packing(int64_t sequence_length, bool shuffle) const;

  uint64_t seed_;
  BaseModel base_;
  ChatTemplate template_;
  ConversationData data_;
  std::optional<Packed> packed_, held_out_;
  int64_t micro_batch_size_ = 0;
  double soft_share_, step_tokens_;
  int64_t num_soft_ = 0;
};

}  // namespace minke
