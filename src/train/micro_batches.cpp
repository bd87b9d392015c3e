#include "train/micro_batches.h"

#include <algorithm>

namespace minke {

std::vector<TokenBatch> micro_batches(const SequenceBatch& b, int64_t micro_batch_size, bool mask_documents) {
  const int64_t t = b.sequence_length;
  std::vector<TokenBatch> all;
  for (int64_t begin = 0; begin < b.batch_size; begin += micro_batch_size) {
    const int64_t end = std::min(b.batch_size, begin + micro_batch_size);
    TokenBatch& out = all.emplace_back(TokenBatch{.num_sequences = end - begin, .sequence_length = t});
    bool padded = false;
    for (int64_t s = begin; s < end; ++s) {
      padded |= b.num_valid[s] < t;
      const int32_t* row = b.tokens.data() + s * (t + 1);
      out.tokens.insert(out.tokens.end(), row, row + t);
      for (int64_t i = 1; i <= t; ++i) out.targets.push_back(i < b.num_valid[s] ? row[i] : -1);
      if (mask_documents)
        out.document_start.insert(out.document_start.end(), b.document_start.begin() + s * t,
                                  b.document_start.begin() + (s + 1) * t);
    }
    for (int64_t s = begin; padded && s < end; ++s)
      out.num_valid.push_back(int32_t(std::min<int64_t>(b.num_valid[s], t)));
  }
  return all;
}

}  // namespace minke
