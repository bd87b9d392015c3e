// Stage: what one kind of training (pre-training, SFT, …) adds to the life of a run (training_run.h): the weights it begins
// with, its batches, and what is looked at while it goes on. What is minimised is the trainer's (TrainSettings::objective).
#pragma once
#include <filesystem>
#include <vector>

#include "data/loader.h"
#include "report/console.h"
#include "report/recorder.h"
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
  virtual const Tokenizer& tokenizer() const = 0;
  virtual const Config& config() const = 0;  // of the model in the first phase

  // The weights of step 0; those of a run that goes on are read afterwards.
  virtual void initialise(const Context& ctx, Model& model) = 0;

  // What a checkpoint holds beside weights and configuration.
  virtual void save_files(const fs::path& folder) const { tokenizer().save(folder); }

  // Batches are of this phase from now on.
  virtual void enter_phase(const Phase& phase) = 0;
  // The `size` sequences from a position on, as micro-batches: a function of both alone.
  virtual std::vector<TokenBatch> batches(LoaderPosition position, int64_t size) = 0;
  virtual LoaderPosition after(LoaderPosition position, int64_t size) const = 0;
  // Where a phase goes on that follows one that ended there: its sequences have another length.
  virtual LoaderPosition in_next_phase(LoaderPosition position) const = 0;
  virtual bool has(LoaderPosition position) const = 0;
  virtual double epochs(LoaderPosition position) const = 0;  // for the log

  // The evaluation after certain steps, and the last one, which takes long and can be stopped: false then, with nothing written.
  virtual bool evaluate(const RunView& run, bool last) = 0;
  virtual void show_samples(const RunView&) {}
  virtual void phase_has_ended(const RunView&) {}
};

}  // namespace minke
