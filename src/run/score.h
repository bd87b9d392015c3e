// What `minke score` computes: logits, losses and gradients of a checkpoint on given tokens, so that anyone can check minke
// against another implementation. Test: tests/app/score_test.cpp; what it takes: tests/app/memory_test.sh.
#pragma once
#include <string>
#include <vector>

#include "model/batch.h"
#include "model/checkpoint.h"
#include "run/memory_estimate.h"

namespace minke {

struct ScoreSettings {
  Precision precision;
  double mtp_weight = 0.3;  // of the MTP loss in the total loss
  bool gradients = false;
};

// Nats per token, means over the positions that have a target.
struct ScoredLosses {
  double main = 0, mtp = 0, total = 0;  // mtp: the mean of the modules
  std::vector<double> of_module;
  int64_t tokens = 0;  // that main is the mean of
};

// "tokens" (int32 [B,T]) of a safetensors file; the target of each is the next one of its sequence. UserError if the model
// has no such token, or the sequences are too short for its MTP modules.
TokenBatch tokens_to_score(const std::string& file, const Config& config);

// What `score` will take: a dry run of it.
MemoryEstimate score_memory(const Context& ctx, const Config& config, const TokenBatch& batch,
                            const ScoreSettings& settings);

// Writes logits, losses and grad.* to the safetensors file `out`. UserError, and no file, if a loss or a logit is not finite.
ScoredLosses score(const Context& ctx, CheckpointFiles checkpoint, const TokenBatch& batch,
                   const ScoreSettings& settings, const std::string& out);

}  // namespace minke
