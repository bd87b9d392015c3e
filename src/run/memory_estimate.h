// What a run will take, before anything is taken: a dry run (kernels/dry_run.h) of the very code that will take it, so that
// nothing is said twice. Tests: tests/run/memory_estimate_test.cpp, tests/app/memory_test.sh (against the process's own peak).
#pragma once
#include <algorithm>
#include <string>

#include "recipe/recipe.h"
#include "run/phases.h"

namespace minke {

struct Context;
struct EngineSettings;

// Bytes.
struct MemoryEstimate {
  double process = 0;  // what is held before: the program, its libraries, the tokenizer, the data's maps
  double in_file = 0;  // weights that are read where they lie in a mapped file
  double parameters = 0, forms = 0, gradients = 0, moments = 0, average = 0;
  double activations = 0, scratch = 0;
  double evaluation = 0;  // beside the training: the cache of the samples, the batches of questions
  double host = 0;        // batches of tokens; a tensor that is being saved
  double reached = 0;     // the most that is held before this, while data are prepared or weights loaded
  double sum() const {
    return process + in_file + parameters + forms + gradients + moments + average + activations + scratch + evaluation +
           host;
  }
  double all() const { return std::max(sum(), reached); }
  // "41 MiB parameters + … = 501 MiB", without what is 0.
  std::string text() const;
};

// Training in a phase with micro-batches of so many sequences, samples and saving included; process is left 0.
// engine: of the batches' engine, if there is one.
MemoryEstimate training_memory(const Context& ctx, const Config& config, const Recipe& recipe, const Phase& phase,
                               int64_t sequences, const EngineSettings* engine = nullptr);

// Weights, gradients and moments alone, without a backend to ask: for a recipe that no machine here can hold.
double weight_bytes(const Config& config, const Recipe& recipe);

}  // namespace minke
