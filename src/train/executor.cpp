#include "train/executor.h"

#include <algorithm>

namespace minke {
namespace {

// Targets that MTP depth k has: those whose position i+k still lies in the sequence.
int64_t count_targets(const TokenBatch& b, int64_t depth) {
  int64_t count = 0;
  for (int64_t s = 0; s < b.num_sequences; ++s)
    for (int64_t i = depth; i < b.sequence_length; ++i) count += b.targets[s * b.sequence_length + i] >= 0;
  return count;
}

double sum_of(const Context& ctx, const Operand& values) {
  double sum = 0;
  const auto add = [&]<class T>(std::vector<T> host) {
    host.resize(size_t(values.size()));
    ctx.kernels->download(ctx, {.device = values, .host = host.data()});
    for (T v : host) sum += double(v);
  };
  if (values.dtype == DType::f64) add(std::vector<double>());
  else add(std::vector<float>());
  return sum;
}

}  // namespace

size_t PlainExecutor::activation_bytes(const Model& model, int64_t num_sequences, int64_t sequence_length) {
  Arena measure;
  model.lay_out_saved(measure, Model::tokens_per_batch(model.config(), num_sequences, sequence_length, true), true);
  return measure.high_water();
}

PlainExecutor::PlainExecutor(const Context& ctx, Model& model, int64_t num_sequences, int64_t sequence_length)
    : model_(&model),
      arena_(*ctx.memory, activation_bytes(model, num_sequences, sequence_length)),
      buffers_(ctx, num_sequences * sequence_length, model.config().num_nextn_predict_layers),
      balance_loss_(*ctx.memory, model.precision().high, {1}) {}

void PlainExecutor::add_losses(const Context& ctx, const ModelSaved& saved, const TokenBatch& host,
                               LossSums& sums) const {
  const size_t depths = saved.mtp.size() + 1;
  sums.nats.resize(depths);
  sums.targets.resize(depths);
  for (size_t k = 0; k < depths; ++k) {
    sums.nats[k] += sum_of(ctx, k == 0 ? saved.loss : saved.mtp[k - 1].loss);
    sums.targets[k] += count_targets(host, int64_t(k));
  }
}

LossSums PlainExecutor::gradients(const Context& ctx, std::span<const TokenBatch> micro_batches,
                                  const StepSettings& settings) {
  const int64_t depths = model_->config().num_nextn_predict_layers;
  const bool with_mtp = depths > 0 && settings.mtp_weight > 0;
  // Every token of the step weighs the same, however it is cut into micro-batches.
  std::vector<int64_t> targets(size_t(depths) + 1);
  for (const TokenBatch& b : micro_batches)
    for (int64_t k = 0; k <= depths; ++k) targets[k] += count_targets(b, k);
  LossScales scales{.main = 1 / double(std::max<int64_t>(targets[0], 1)), .mtp = {}};
  for (int64_t k = 1; k <= depths; ++k)
    scales.mtp.push_back(settings.mtp_weight / double(depths) / double(std::max<int64_t>(targets[k], 1)));

  LossSums sums;
  const BalanceTerms& b = settings.balance;
  const bool balanced = b.alpha_expert > 0 || b.alpha_device > 0 || b.alpha_comm > 0;
  if (balanced) ctx.kernels->fill(ctx, {.dst = balance_loss_, .value = 0});
  const RngKey drop_key = ctx.rng.at("token dropping").at(uint64_t(settings.step));
  uint64_t sequence = 0;
  for (const TokenBatch& host : micro_batches) {
    std::vector<uint8_t> is_protected;
    if (settings.drop.capacity > 0)
      for (int64_t s = 0; s < host.num_sequences; ++s)
        is_protected.push_back(drop_key.uniform(sequence++) < settings.drop.protected_fraction);
    buffers_.fill(ctx, host.tokens, host.targets, host.num_sequences, host.sequence_length, host.document_start);
    for (Batch& batch : buffers_.batches()) {
      batch.count_load = true;
      batch.drop = settings.drop;
      batch.is_protected = is_protected;
      batch.balance = b;
      batch.balance_grad_scale = 1 / double(micro_batches.size());
      batch.balance_loss = balanced ? balance_loss_.operand() : Operand{};
    }
    const ArenaScope scope(arena_);
    const ModelSaved saved = model_->lay_out_saved(
        arena_, Model::tokens_per_batch(model_->config(), host.num_sequences, host.sequence_length, with_mtp), true);
    model_->forward(ctx, buffers_.batches(), saved);
    model_->loss_and_backward(ctx, buffers_.batches(), saved, scales);
    add_losses(ctx, saved, host, sums);
  }
  if (balanced) sums.balance = sum_of(ctx, balance_loss_) / double(micro_batches.size());
  return sums;
}

LossSums PlainExecutor::losses(const Context& ctx, const TokenBatch& host, bool with_mtp) {
  buffers_.fill(ctx, host.tokens, host.targets, host.num_sequences, host.sequence_length, host.document_start);
  for (Batch& batch : buffers_.batches()) {
    batch.count_load = false;
    batch.drop = {};  // nothing is dropped in evaluations
  }
  const ArenaScope scope(arena_);
  const ModelSaved saved = model_->lay_out_saved(
      arena_, Model::tokens_per_batch(model_->config(), host.num_sequences, host.sequence_length, with_mtp), false);
  model_->forward(ctx, buffers_.batches(), saved);
  model_->loss(ctx, buffers_.batches(), saved);
  LossSums sums;
  add_losses(ctx, saved, host, sums);
  return sums;
}

}  // namespace minke
