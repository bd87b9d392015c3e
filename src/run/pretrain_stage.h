// Pre-training as a stage of a run: text → tokenizer and token shards, made once and kept in the run's folder; batches of all
// the text; held-out text, questions and needles to evaluate on. Test: tests/run/pretrain_test.cpp, tests/app/pretrain_test.sh.
#pragma once
#include <optional>

#include "data/tokenize_data.h"
#include "eval/held_out.h"
#include "run/training_run.h"

namespace minke {

// UserError for what the recipe alone shows to be wrong: its questions, its sources, its model.
void check_pretrain_recipe(const Recipe& recipe);
// Trains to the end, or saves and stops at a signal: false then. resume: goes on with the run in `folder` if there is one, by
// the recipe stored there; otherwise an existing run there is a UserError.
bool pretrain(Recipe recipe, const fs::path& folder, bool resume, const RunMachine& machine);

// In pretrain_data.cpp. The tokenizer of the run: the one in the recipe, the one trained before, or a new one.
Tokenizer prepare_tokenizer(const Recipe& recipe, const RunFolder& run, int threads, Console& console);
// The token shards of the run, made once; with data.weights one training set per source, otherwise one in all. A run that
// has begun reads only its shards; the texts may have changed or disappeared.
Mixture prepare_data(const Recipe& recipe, const Tokenizer& tokenizer, const RunFolder& run, int threads,
                     Console& console);

class PretrainStage final : public Stage {
 public:
  PretrainStage(const Recipe& recipe, const RunFolder& folder, int threads, Console& console);
  RecipeOf kind() const override { return RecipeOf::pretraining; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const Config& config() const override { return config_; }
  void initialise(const Context& ctx, Model& model) override;
  void enter_phase(const Phase& phase) override;
  std::vector<TokenBatch> batches(const Context&, Trainer&, LoaderPosition position, int64_t size) override;
  LoaderPosition after(LoaderPosition position, int64_t size) const override;
  LoaderPosition in_next_phase(LoaderPosition position) const override;
  bool has(LoaderPosition position) const override;
  double epochs(LoaderPosition position) const override;
  bool evaluate(const RunView& run, bool last) override;
  void show_samples(const RunView& run) override;
  void phase_has_ended(const RunView& run) override;

 private:
  // UserError if [log] asks for something that this tokenizer or these lengths do not allow; checked before training.
  void check_log() const;
  // On log.eval_tokens of the held-out text; the last one on all of it, or until a signal.
  HeldOutResult held_out(const RunView& run, bool last);

  Recipe recipe_;
  Tokenizer tokenizer_;
  Mixture data_;
  Config config_;
  std::optional<Loader> loader_;
  int64_t micro_batch_size_ = 0;  // of the phase
};

}  // namespace minke
