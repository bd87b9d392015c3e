// Optimizer steps as in pre-training: data loading, forward, backward, clipping, AdamW, bias update. The model is that of
// the recipe; the tokens are random, in a real token shard. Test: tests/bench/train_bench_test.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "bench/timed_backend.h"
#include "core/files.h"
#include "run/memory_estimate.h"
#include "spec/counts.h"

namespace minke {

struct TrainBenchOptions {
  Recipe recipe;  // [train] is measured; of [data] only packing and mask_documents are used
  int64_t steps = 10, warmup_steps = 2;
  double ceiling_seconds = 0.3;       // for each way to find the peak
  double available_bytes = INFINITY;  // a model that needs more is a UserError
  fs::path folder;                    // for a file of tokens that is removed once it is open
};

struct StepPart {
  std::string name;
  double seconds = 0, flops = 0;  // per step, mean over the timed ones
};

struct TrainBenchResult {
  int64_t parameters = 0, tokens_per_step = 0;
  TrainingFlops flops;
  std::vector<double> step_seconds;
  double peak_flops = 0;  // of products in the recipe's precision
  std::string peak_how;
  double core_seconds = 0;         // processor time of a step, mean; a thread that waits for the others spins
  double peak_flops_per_core = 0;  // per second of processor time
  std::vector<StepPart> parts;     // their seconds add up to the mean of step_seconds
  MemoryEstimate memory;
  double peak_rss_bytes = 0;
  double loss = 0;  // of the last step

  double tokens_per_second() const;  // of the median step
  double slowest() const;            // tokens per second of the slowest step
  double fastest() const;
  // Shares of the peak that the median step reaches.
  double product_share() const { return tokens_per_second() * flops.products / peak_flops; }
  double attention_share() const { return tokens_per_second() * flops.attention / peak_flops; }
  // The same with seconds of processor time, which other programs affect least.
  double tokens_per_core_second() const { return double(tokens_per_step) / core_seconds; }
  double core_share() const { return tokens_per_core_second() * flops.all() / peak_flops_per_core; }
  double bytes_per_parameter() const {
    return (memory.parameters + memory.forms + memory.gradients + memory.moments + memory.average) / double(parameters);
  }
};

TrainBenchResult train_bench(const Context& ctx, const TrainBenchOptions& options);

}  // namespace minke
