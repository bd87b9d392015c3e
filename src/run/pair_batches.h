// Texts whose last token is judged, and pairs of them, as micro-batches of a model with a value head. Test:
// tests/run/pair_batches_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/pairs.h"
#include "model/batch.h"

namespace minke {

struct TextBatch {
  TokenBatch batch;           // a text a row, padded on the right; no targets
  std::vector<int64_t> last;  // of each text, the place in [B,T] of its last token
};
// The length of rows for a text of so many tokens: rounded up, so that there are few shapes, but not beyond `most`.
int64_t text_length(int64_t tokens, int64_t most);
// Rows are as long as the longest text needs.
TextBatch text_batch(std::span<const std::vector<int32_t>* const> texts, int64_t most, int32_t padding);

// Rows 2i and 2i + 1 are a pair: the last token of the chosen text has a target, and each of the two is the other's rival.
TextBatch pair_batch(std::span<const PreferencePair> pairs, int64_t most, int32_t padding);

// All pairs in micro-batches of up to `sequences` texts (an even number). Pairs of similar length come together, so that there is
// little padding.
std::vector<TextBatch> pair_batches(std::vector<PreferencePair> pairs, int64_t sequences, int64_t most,
                                    int32_t padding);

}  // namespace minke
