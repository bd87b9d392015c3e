// A pre-training run in a folder: recipe.toml (resolved), tokenizer/, data/ (token shards), log.jsonl, the same for
// TensorBoard (events.out.tfevents.…), report.html (rewritten at each evaluation), checkpoints/step-N (Hugging Face
// folders that also hold train/, the resumable state), latest (a link to the newest checkpoint), and skipped/ with the batch
// and norms of skipped steps. Puts the other layers together; PretrainRun::run shows the order of events.
// Test: tests/run/pretrain_run_test.cpp, tests/app/pretrain_test.sh.
#pragma once
#include <filesystem>
#include <optional>

#include "data/loader.h"
#include "data/tokenize_data.h"
#include "eval/held_out.h"
#include "report/console.h"
#include "report/recorder.h"
#include "run/memory_estimate.h"
#include "run/run_folder.h"
#include "run/settings.h"
#include "tokenize/tokenizer.h"
#include "train/trainer.h"

namespace minke {

// In pretrain_data.cpp. The tokenizer of the run: the one in the recipe, the one trained before, or a new one.
Tokenizer prepare_tokenizer(const Recipe& recipe, const RunFolder& run, int threads, Console& console);
// The token shards of the run, made once; with data.weights one training set per source, otherwise one in all. A run that
// has begun reads only its shards; the texts may have changed or disappeared.
Mixture prepare_data(const Recipe& recipe, const Tokenizer& tokenizer, const RunFolder& run, int threads,
                     Console& console);

// The machine that a run computes on.
struct RunMachine {
  Context ctx;                                                // its randomness is keyed by the recipe's seed instead
  std::string description;                                    // one line for people
  std::function<double(const Context&, DType)> product_peak;  // FLOP/s of a large product: shares of the peak are of it
  std::string note;                                           // another line, if there is something to note
};

class PretrainRun {
 public:
  // resume: continue the run in `folder` if there is one; otherwise an existing run there is a UserError.
  PretrainRun(Recipe recipe, fs::path folder, bool resume, const RunMachine& machine);

  // Trains to the end, or saves and stops at a signal. False if it was stopped.
  bool run();

 private:
  // pretrain_run.cpp
  void say_machine(const std::string& note);
  void announce();
  void decide_steps();
  // Makes model, trainer and loader for a phase, with new weights. Everything of the previous phase is freed first.
  void enter_phase(size_t index);
  // Loads the latest checkpoint and enters the phase in which it was saved.
  RunState load_latest();
  void load(const RunState& state, size_t phase);
  void next_phase();
  void save();
  StepReport train_step();
  void handle_skip(const StepReport& report);
  const Phase& phase() const { return phases_[phase_]; }
  int64_t total_steps() const { return phases_.back().last_step(); }
  static bool stop_is_requested();
  bool due(double every) const;  // the step just done completes another `every` share of the run
  const Context& ctx() const { return ctx_; }

  // pretrain_log.cpp
  // UserError if [log] asks for something that this tokenizer or these lengths do not allow; checked before training.
  void check_log() const;
  // On log.eval_tokens of the held-out text; the last one on all of it, or until a signal.
  HeldOutResult evaluate(bool last);
  void log_start();
  void log_step(const StepReport& report, double seconds);
  void log_load(const StepReport& report);
  // What is shown after certain steps, if the step just done is one. A run that goes on from there makes it again.
  void evaluate_if_due();
  // The last one takes long, so it can be stopped: then false, and nothing of it is written.
  bool log_evaluation(bool last);
  void log_needles();
  void show_samples();
  void show_balance();
  void refresh_report();
  // Writes batch and norms of a skipped step, so that the user can find the reason.
  void dump_skip(const StepReport& report);

  Recipe recipe_;
  RunFolder folder_;
  Context ctx_;
  std::string machine_;  // described in one line
  Console console_;
  Tokenizer tokenizer_;
  Mixture data_;
  Config config_;
  std::vector<Phase> phases_;
  size_t phase_ = 0, largest_phase_ = 0;  // the one under way; the one that takes the most memory
  MemoryEstimate memory_;                 // of the phase that takes the most
  std::optional<Arena> scratch_;          // of the size that the phases need
  std::optional<Loader> loader_;
  LoaderPosition position_;
  std::optional<Model> model_;
  std::optional<Trainer> trainer_;
  std::optional<Recorder> log_;
  std::vector<TokenBatch> micro_batches_;  // of the step under way
  int64_t skipped_in_a_row_ = 0, rollbacks_ = 0;
  bool save_due_ = false;
  double train_seconds_ = 0, recent_rate_ = 0;
  double peak_ = 0;  // FLOP/s of a large product
};

}  // namespace minke
