// Loss on held-out text: nats per token and bits per byte. The caller computes the losses (in a run, its executor does), so
// no memory is allocated here. Test: tests/eval/held_out_test.cpp.
#pragma once
#include <cstdint>
#include <functional>

#include "data/shards.h"
#include "model/batch.h"

namespace minke {

struct HeldOutSettings {
  int64_t sequence_length = 0, batch_size = 1;  // of a call of `losses`
  int64_t max_tokens = INT64_MAX;               // where to stop, rounded up to a whole batch
  bool mask_documents = false;
  int32_t start_token = 0;     // input before the first token: eos, as if a document had just ended
  std::function<bool()> stop;  // asked before each batch, if given
};

struct HeldOutResult {
  double nats_per_token = 0, bits_per_byte = 0;  // of the text the tokens stand for, in UTF-8
  int64_t tokens = 0;
};

// losses: Σ −ln p(target) over the targets of a batch that are not −1. All zero for a set without tokens.
HeldOutResult evaluate_held_out(const TokenSet& held_out, const HeldOutSettings& settings,
                                const std::function<double(const TokenBatch&)>& losses);

}  // namespace minke
