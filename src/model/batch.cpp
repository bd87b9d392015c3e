#include "model/batch.h"

namespace minke {

void dropout(const Context& ctx, const Batch& batch, std::string_view place, int64_t layer, const Operand& x) {
  const DropoutTerms& d = batch.dropout;
  if (d.rate > 0)
    ctx.backend->dropout(
        ctx, {.x = x, .key = d.key.at(place).at(uint64_t(layer)), .first_row = d.first_row, .rate = d.rate});
}

BatchBuffers::BatchBuffers(const Context& ctx, int64_t max_tokens, int64_t depths) : max_tokens_(max_tokens) {
  for (int64_t k = 0; k <= depths; ++k)
    memory_.emplace_back(ctx.backend->memory(), DType::i32, std::initializer_list<int64_t>{kRows, max_tokens});
  batches_.resize(size_t(depths) + 1);
  rows_.resize(size_t(depths) + 1);
}

const std::vector<Batch>& BatchBuffers::fill(const Context& ctx, std::span<const int32_t> tokens,
                                             std::span<const int32_t> targets, int64_t num_sequences,
                                             int64_t sequence_length, std::span<const int32_t> document_start,
                                             std::span<const int32_t> num_valid) {
  const int64_t total = num_sequences * sequence_length;
  check(int64_t(tokens.size()) == total && targets.size() == tokens.size() && total <= max_tokens_,
        "BatchBuffers::fill");
  check(document_start.empty() || document_start.size() == tokens.size(), "BatchBuffers::fill: document_start");
  check(num_valid.empty() || int64_t(num_valid.size()) == num_sequences, "BatchBuffers::fill: num_valid");
  ctx.backend->synchronize(ctx);  // the last batch has been uploaded: its rows may go
  for (int64_t depth = 0; depth < int64_t(batches_.size()); ++depth) {
    const int64_t length = sequence_length - depth;
    check(length > 0, "BatchBuffers::fill: sequences shorter than the number of MTP modules");
    const int64_t n = num_sequences * length;
    auto& rows = rows_[size_t(depth)];
    for (auto& r : rows) r.resize(size_t(n));
    for (int64_t s = 0; s < num_sequences; ++s) {
      for (int64_t i = 0; i < length; ++i) {
        const int64_t to = s * length + i, from = s * sequence_length + i;
        // Depth k reads at position i the embedding of token i+k and predicts the target of position i+k (V3 eq. 21–24).
        rows[kTokens][to] = tokens[from + depth];
        rows[kTargets][to] = targets[from + depth];
        rows[kPositions][to] = int32_t(i);
        rows[kVisible][to] = int32_t(s * length + (document_start.empty() ? 0 : document_start[from]));
        rows[kValid][to] = num_valid.empty() || i + depth < num_valid[s];
        rows[kPrevious][to] = int32_t(s * (length + 1) + i);
      }
    }
    Batch& b = batches_[depth];
    b.num_tokens = n;
    b.sequence_offsets.resize(size_t(num_sequences) + 1);
    for (int64_t s = 0; s <= num_sequences; ++s) b.sequence_offsets[s] = s * length;
    const auto upload = [&](Row row) {
      const Operand o = memory_[depth].operand().at(0, row).slice(0, 0, n);
      ctx.backend->upload(ctx, {.host = rows[row].data(), .device = o});
      return o;
    };
    b.tokens = upload(kTokens);
    b.targets = upload(kTargets);
    b.positions = upload(kPositions);
    b.first_visible = document_start.empty() ? Operand{} : upload(kVisible);
    b.valid = num_valid.empty() ? Operand{} : upload(kValid);
    b.previous_row = depth > 0 ? upload(kPrevious) : Operand{};
  }
  return batches_;
}

}  // namespace minke
