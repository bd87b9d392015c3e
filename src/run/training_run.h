// The life of a training run in a folder: recipe.toml (resolved), tokenizer/, data/ (token shards), log.jsonl, the same for
// TensorBoard (events.out.tfevents.…), report.html (rewritten at each evaluation), checkpoints/step-N (Hugging Face
// folders that also hold train/, the resumable state), latest (a link to the newest checkpoint), and skipped/ with the batch
// and norms of skipped steps. Phases, stopping and resuming, rollback, saving and logging are the same for every kind of
// training; its stage (stage.h) adds the rest. TrainingRun::run shows the order of events.
// Test: tests/run/pretrain_test.cpp, tests/app/pretrain_test.sh, run_life_test.sh.
#pragma once
#include <filesystem>
#include <optional>

#include "run/memory_estimate.h"
#include "run/run_folder.h"
#include "run/stage.h"
#include "spec/counts.h"

namespace minke {

// The machine that a run computes on.
struct RunMachine {
  Context ctx;                                                // its randomness is keyed by the recipe's seed instead
  std::string description;                                    // one line for people
  std::function<double(const Context&, DType)> product_peak;  // FLOP/s of a large product: shares of the peak are of it
  std::string note;                                           // another line, if there is something to note

  void say(Console& console) const;
};

// The recipe stored in the folder of a run that has begun: it is kept. UserError if another verb made the run.
std::optional<Recipe> stored_recipe(const fs::path& folder, RecipeOf kind);
// What a run may use of the machine, bytes.
double available_memory();

class TrainingRun {
 public:
  // All of it outlives the run.
  TrainingRun(Recipe recipe, const RunFolder& folder, Stage& stage, const RunMachine& machine, Console& console);

  // Trains to the end, or saves and stops at a signal. False if it was stopped.
  bool run();

 private:
  // training_run.cpp
  void announce();
  void decide_steps();
  // Makes model, trainer and batches for a phase, with new weights. Everything of the previous phase is freed first.
  void enter_phase(size_t index);
  TrainSettings settings(const Phase& phase) const;
  Counts counts() const;      // of the model's parameters
  double step_flops() const;  // of a token of a training step
  // Loads the latest checkpoint and enters the phase in which it was saved.
  RunState load_latest();
  void load(const RunState& state, size_t phase);
  void next_phase();
  std::vector<std::pair<std::string, Operand>> tensors() const;  // of a checkpoint's state
  void save();
  StepReport train_step();
  void handle_skip(const StepReport& report);
  // To the last checkpoint, if that may still be done: `what` has shown at `step` that the weights are bad.
  void roll_back(int64_t step, const std::string& what);
  bool survives(const std::function<void()>& f);  // or the run has been rolled back
  const Phase& phase() const { return phases_[phase_]; }
  int64_t total_steps() const { return phases_.back().last_step(); }
  bool due(double every) const;  // the step just done completes another `every` share of the run
  const Context& ctx() const { return ctx_; }

  // training_log.cpp
  RunView view();
  void log_start();
  void log_step(const StepReport& report, double scheduled_tokens, double seconds);
  void log_load(const StepReport& report);
  // What is shown after certain steps, if the step just done is one. A run that goes on from there makes it again.
  void evaluate_if_due();
  void show_balance();
  void refresh_report();
  // Writes batch and norms of a skipped step, so that the user can find the reason.
  void dump_skip(const StepReport& report);

  Recipe recipe_;
  const RunFolder& folder_;
  Stage& stage_;
  Console& console_;
  Context ctx_;
  std::string machine_;  // described in one line
  std::vector<Phase> phases_;
  size_t phase_ = 0, largest_phase_ = 0;  // the one under way; the one that takes the most memory
  MemoryEstimate memory_;                 // of the phase that takes the most
  std::optional<Arena> scratch_;          // of the size that the phases need
  LoaderPosition position_;
  std::optional<Model> model_;
  std::optional<Trainer> trainer_;
  std::optional<Recorder> log_;
  std::vector<TokenBatch> micro_batches_;  // of the step under way
  TokenLosses token_losses_;
  int64_t skipped_in_a_row_ = 0, rollbacks_ = 0;
  bool save_due_ = false;
  double train_seconds_ = 0;
  double recent_rate_ = 0, schedule_rate_ = 0;  // tokens per second, trained and of the schedule
  double peak_ = 0;                             // FLOP/s of a large product
};

}  // namespace minke
