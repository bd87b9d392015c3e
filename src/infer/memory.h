// What inference will take of memory, before anything is taken: a dry run (kernels/dry_run.h) of the largest steps that an
// engine can be asked for. Tests: tests/infer/memory_test.cpp, tests/app/memory_test.sh (against the process's own peak).
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "infer/engine.h"

namespace minke {

// What computes beside the engine and in the same scratch, with its model or with another one.
struct BesideEngine {
  const char* name;  // for people
  // On a dry run: makes and uses it; what it returns holds what it takes.
  std::function<std::shared_ptr<void>(const Context& dry, Model& model)> make;
};

// Bytes.
struct InferenceMemory {
  double weights = 0, cache = 0;
  double buffers = 0;  // of the engine: a step's indices, logits here and on the host
  double scratch = 0;
  std::vector<std::pair<const char*, double>> beside;
  double loading = 0;  // weights, and one of them twice: before there are a cache, buffers and scratch
  int64_t cache_tokens = 0;
  // Weights that are read where they lie in a mapped file, and those of them that are routed experts: of these a token needs
  // few, and what does not fit beside the rest is read from the disk again.
  double in_file = 0, experts_in_file = 0;
  double sum() const;
  double must_fit() const { return sum() - experts_in_file; }
  // "257.0 MiB weights + 90.0 MiB cache of 4096 tokens + 21.0 MiB buffers and scratch = 368.0 MiB"; weights in the file are
  // named apart.
  std::string text() const;
};

// UserError if the backend cannot compute this model in this precision.
InferenceMemory inference_memory(const Context& ctx, const Config& config, const Precision& precision,
                                 const EngineSettings& settings, const std::vector<BesideEngine>& beside = {});

// Whether what must fit at this context is at most `available` bytes.
bool fits(const Context& ctx, const Config& config, const Precision& precision, EngineSettings settings,
          int64_t context, double available, const std::vector<BesideEngine>& beside = {});

// UserError if what must fit is more than `available` bytes: with the largest context that would fit, if one does, and what
// `other_weights` says: a format of the weights that would, or "". Else a line for people if not all experts fit, or "".
std::string check_fits(const Context& ctx, const Config& config, const Precision& precision,
                       const EngineSettings& settings, const InferenceMemory& needed, double available,
                       const std::function<std::string()>& other_weights = {},
                       const std::vector<BesideEngine>& beside = {});

}  // namespace minke
