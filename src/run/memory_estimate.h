// What a run will take, before anything is taken: a dry run (kernels/dry_run.h) of the very code that will take it, so that
// nothing is said twice. Tests: tests/run/memory_estimate_test.cpp, tests/app/memory_test.sh (against the process's own peak).
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "infer/engine.h"
#include "model/batch.h"
#include "model/weight_store.h"
#include "recipe/recipe.h"
#include "run/phases.h"

namespace minke {

// What a kind of training takes beside weights, trainer and samples (run/stage.h).
struct StageMemory {
  std::optional<EngineSettings> engine;         // of its batches
  std::optional<EngineSettings> second_engine;  // beside it, for a while
  Objective objective;
  Head head = Head::tokens;
  bool trains_mtp = true;          // the MTP modules, if there are any
  bool replays_experts = false;    // batches bring expert choices
  bool asks_token_losses = false;  // and the losses of their tokens are looked at
  int64_t num_soft = 0;            // batches bring so many tokens of a teacher's at each position
  int64_t weight_copies = 0;       // train/weight_copy.h
  // Make and use what it holds besides: a critic, for micro-batches of so many sequences, and what judges answers.
  std::function<std::shared_ptr<void>(const Context& dry, const Model& policy, int64_t sequences)> critic;
  std::function<std::shared_ptr<void>(const Context& dry)> judge;
  double host_bytes = 0;  // of what batches are made from
};

// Bytes.
struct MemoryEstimate {
  double process = 0;  // what is held before: the program, its libraries, the tokenizer, the data's maps
  double in_file = 0;  // weights that are read where they lie in a mapped file
  double parameters = 0, forms = 0, gradients = 0, moments = 0, average = 0, copies = 0, critic = 0, judge = 0;
  double activations = 0, scratch = 0;
  double evaluation = 0;  // beside the training: the cache of the samples, the batches of questions
  double host = 0;        // batches of tokens; a tensor that is being saved
  double reached = 0;     // the most that is held before this, while data are prepared or weights loaded
  double sum() const {
    return process + in_file + parameters + forms + gradients + moments + average + copies + critic + judge +
           activations + scratch + evaluation + host;
  }
  double all() const { return std::max(sum(), reached); }
  // "41 MiB parameters + … = 501 MiB", without what is 0.
  std::string text() const;
};

// Training in a phase with micro-batches of so many sequences, samples and saving included; process is left 0.
MemoryEstimate training_memory(const Context& ctx, const Config& config, const Recipe& recipe, const Phase& phase,
                               int64_t sequences, const StageMemory& stage = {});

// Weights, gradients and moments alone, without a backend to ask: for a recipe that no machine here can hold.
double weight_bytes(const Config& config, const Recipe& recipe);

}  // namespace minke
