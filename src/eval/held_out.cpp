#include "eval/held_out.h"

#include <algorithm>
#include <numbers>

#include "data/loader.h"

namespace minke {

HeldOutResult evaluate_held_out(const TokenSet& held_out, const HeldOutSettings& s,
                                const std::function<double(const TokenBatch&)>& losses) {
  HeldOutResult result;
  if (held_out.num_tokens() == 0) return result;
  const EvalWindows windows(held_out, s.sequence_length, s.start_token);
  double nats = 0;
  uint64_t bytes = 0;
  for (uint64_t w = 0; w < windows.num_windows() && result.tokens < s.max_tokens && !(s.stop && s.stop());) {
    TokenBatch batch{.sequence_length = s.sequence_length};
    for (; w < windows.num_windows() && batch.num_sequences < s.batch_size; ++w, ++batch.num_sequences) {
      const EvalWindows::Window window = windows.window(w);
      batch.tokens.insert(batch.tokens.end(), window.tokens.begin(), window.tokens.end() - 1);
      for (int64_t i = 1; i <= s.sequence_length; ++i)
        batch.targets.push_back(i <= window.num_targets ? window.tokens[size_t(i)] : -1);
      if (s.mask_documents)
        batch.document_start.insert(batch.document_start.end(), window.document_start.begin(),
                                    window.document_start.end());
      bytes += window.text_bytes;
      result.tokens += window.num_targets;
    }
    nats += losses(batch);
  }
  if (result.tokens == 0) return result;
  result.nats_per_token = nats / double(result.tokens);
  result.bits_per_byte = nats / std::numbers::ln2 / double(std::max<uint64_t>(bytes, 1));
  return result;
}

}  // namespace minke
