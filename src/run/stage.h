// Stage: what one kind of training (pre-training, SFT, …) adds to the life of a run (training_run.h): the weights it begins
// with, its batches, and what is looked at while it goes on. What is minimised is the trainer's (TrainSettings::objective).
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "data/loader.h"
#include "infer/engine.h"
#include "report/console.h"
#include "report/recorder.h"
#include "run/memory_estimate.h"
#include "run/phases.h"
#include "tokenize/tokenizer.h"
#include "train/trainer.h"

namespace minke {

// What a run shows its stage.
struct RunView {
  const Context& ctx;
  const Recipe& recipe;
  Console& console;
  Model& model;
  Trainer& trainer;
  Recorder& log;
  const Phase& phase;
  double train_seconds;
  bool (*stop)();  // whether a signal has asked the run to save and end

  int64_t step() const { return trainer.steps_done(); }
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual RecipeOf kind() const = 0;
  virtual const Tokenizer& tokenizer() const = 0;
  virtual const Config& config() const = 0;  // of the model in the first phase

  // The weights of step 0; those of a run that goes on are read afterwards.
  virtual void initialise(const Context& ctx, Model& model) = 0;

  // What a checkpoint holds beside weights and configuration.
  virtual void save_files(const fs::path& folder) const { tokenizer().save(folder); }

  // Batches are of this phase from now on.
  virtual void enter_phase(const Phase& phase) = 0;
  // What of the recipe's settings is another here: the objective, above all.
  virtual void adjust(TrainSettings&) const {}
  // What it takes beside weights, trainer and samples.
  virtual StageMemory memory() const { return {}; }
  // The `size` sequences from a position on, as micro-batches: a function of both, of the weights and of the stage's state alone.
  virtual std::vector<TokenBatch> batches(const Context& ctx, Trainer& trainer, LoaderPosition position,
                                          int64_t size) = 0;
  // A micro-batch that takes as much memory and time as any.
  virtual std::vector<TokenBatch> largest_batch(const Context& ctx, Trainer& trainer, int64_t size) {
    return batches(ctx, trainer, {}, size);
  }
  // What the stage has to remember in a checkpoint: tensors, which exist from initialise() on, beside the trainer's, and JSON.
  virtual std::vector<std::pair<std::string, Operand>> state() const { return {}; }
  virtual Json small_state() const { return nullptr; }
  // UserError if it is none of this stage.
  virtual void restore(const Json&) {}
  virtual LoaderPosition after(LoaderPosition position, int64_t size) const = 0;
  // What a step of `size` sequences moves the position by, at most.
  virtual int64_t most_sequences(int64_t size) const { return size; }
  // Whether the run may be saved after the step just done, or end there: not if what it was made for is still to come, such as the
  // other mini-batches of what was drawn at once.
  virtual bool may_save() const { return true; }
  // Where the data goes on, after `position`, when the run has gone back to a checkpoint: what was made before is dropped.
  virtual LoaderPosition after_rollback(LoaderPosition position) { return position; }
  // Where a phase goes on that follows one that ended there: its sequences have another length.
  virtual LoaderPosition in_next_phase(LoaderPosition position) const = 0;
  virtual bool has(LoaderPosition position) const = 0;
  virtual double epochs(LoaderPosition position) const = 0;  // for the log

  // What was made of the batches: adds to the record of the step, and returns what its line says besides. Only a stage that
  // asks is given the losses of the tokens.
  virtual bool asks_token_losses() const { return false; }
  virtual std::string after_step(const StepReport&, const TokenLosses&, Json&) { return ""; }

  // The evaluation after certain steps, and the last one, which takes long and can be stopped: false then, with nothing written.
  virtual bool evaluate(const RunView& run, bool last) = 0;
  // Whether there is an evaluation before the first step, too.
  virtual bool evaluates_untrained() const { return false; }
  virtual void show_samples(const RunView&) {}
  virtual void phase_has_ended(const RunView&) {}
};

}  // namespace minke
