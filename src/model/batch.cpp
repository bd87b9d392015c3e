#include "model/batch.h"

namespace minke {

void dropout(const Context& ctx, const Batch& batch, std::string_view place, int64_t layer, const Operand& x) {
  const DropoutTerms& d = batch.dropout;
  if (d.rate > 0)
    ctx.backend->dropout(
        ctx, {.x = x, .key = d.key.at(place).at(uint64_t(layer)), .first_row = d.first_row, .rate = d.rate});
}

BatchBuffers::BatchBuffers(const Context& ctx, int64_t max_tokens, int64_t depths, RoutedLayers routes)
    : routes_(std::move(routes)), max_tokens_(max_tokens) {
  for (int64_t k = 0; k <= depths; ++k) {
    memory_.emplace_back(ctx.backend->memory(), DType::i32, std::initializer_list<int64_t>{kRows, max_tokens});
    floats_.emplace_back(ctx.backend->memory(), DType::f32,
                         std::initializer_list<int64_t>{k == 0 ? kFloatRows : kWeight + 1, max_tokens});
  }
  if (!routes_.layers.empty())
    experts_ = Tensor(ctx.backend->memory(), DType::i32, {int64_t(routes_.layers.size()), max_tokens, routes_.top_k});
  batches_.resize(size_t(depths) + 1);
  rows_.resize(size_t(depths) + 1);
  weights_.resize(size_t(depths) + 1);
}

const std::vector<Batch>& BatchBuffers::fill(const Context& ctx, const TokenBatch& host) {
  fill(ctx, host.tokens, host.targets, host.num_sequences, host.sequence_length, host.document_start, host.num_valid);
  Batch& main = batches_.front();
  const auto upload = [&](size_t depth, FloatRow row, const std::vector<float>& values) {
    if (values.empty()) return Operand{};
    check(int64_t(values.size()) == batches_[depth].num_tokens, "BatchBuffers::fill: one value for each target");
    const Operand o = floats_[depth].operand().at(0, row).slice(0, 0, batches_[depth].num_tokens);
    ctx.backend->upload(ctx, {.host = values.data(), .device = o});
    return o;
  };
  main.advantage = upload(0, kAdvantage, host.advantage);
  main.old_loss = upload(0, kOldLoss, host.old_loss);
  main.reference_loss = upload(0, kReferenceLoss, host.reference_loss);
  main.value_target = upload(0, kValueTarget, host.value_target);
  main.weight = upload(0, kWeight, host.weight);
  if (!host.rival.empty()) {
    check(int64_t(host.rival.size()) == main.num_tokens, "BatchBuffers::fill: one rival for each target");
    main.rival = memory_[0].operand().at(0, kRival).slice(0, 0, main.num_tokens);
    ctx.backend->upload(ctx, {.host = host.rival.data(), .device = main.rival});
  }
  if (host.num_soft > 0) {
    const int64_t n = main.num_tokens, k = host.num_soft;
    check(int64_t(host.soft_token.size()) == n * k && host.soft_probability.size() == host.soft_token.size(),
          "BatchBuffers::fill: soft targets of each position");
    if (!soft_token_ || soft_token_.operand().shape[1] != k) {
      soft_token_ = Tensor(ctx.backend->memory(), DType::i32, {max_tokens_, k});
      soft_probability_ = Tensor(ctx.backend->memory(), DType::f32, {max_tokens_, k});
    }
    main.soft_token = soft_token_.operand().slice(0, 0, n);
    main.soft_probability = soft_probability_.operand().slice(0, 0, n);
    ctx.backend->upload(ctx, {.host = host.soft_token.data(), .device = main.soft_token});
    ctx.backend->upload(ctx, {.host = host.soft_probability.data(), .device = main.soft_probability});
  }
  for (size_t depth = 1; depth < batches_.size(); ++depth) {
    std::vector<float>& weights = weights_[depth];
    weights.clear();
    for (int64_t s = 0; s < host.num_sequences && !host.weight.empty(); ++s)
      weights.insert(weights.end(), host.weight.begin() + s * host.sequence_length + int64_t(depth),
                     host.weight.begin() + (s + 1) * host.sequence_length);
    batches_[depth].weight = upload(depth, kWeight, weights);
  }
  if (host.experts.empty()) return batches_;
  const int64_t layers = int64_t(routes_.layers.size()), n = main.num_tokens, k = routes_.top_k;
  check(int64_t(host.experts.size()) == layers * n * k, "BatchBuffers::fill: experts of every layer and token");
  main.replay_experts.assign(layers > 0 ? size_t(routes_.layers.back()) + 1 : 0, {});
  for (int64_t l = 0; l < layers; ++l) {
    const Operand o = experts_.operand().at(0, l).slice(0, 0, n);
    ctx.backend->upload(ctx, {.host = host.experts.data() + l * n * k, .device = o});
    main.replay_experts[size_t(routes_.layers[size_t(l)])] = o;
  }
  return batches_;
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
    b.objective = {};
    b.weight = b.advantage = b.old_loss = b.reference_loss = b.entropy = b.flips = b.rival = {};
    b.soft_token = b.soft_probability = {};
    b.replay_experts.clear();
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
