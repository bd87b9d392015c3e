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

RoutedLayers routes_of(const Model& model) {
  RoutedLayers routes{.layers = {}, .top_k = model.config().num_experts_per_tok};
  for (size_t l = 0; l < model.blocks().size(); ++l)
    if (model.blocks()[l].moe()) routes.layers.push_back(int64_t(l));
  return routes;
}

}  // namespace

size_t PlainExecutor::activation_bytes(const Model& model, int64_t num_sequences, int64_t sequence_length,
                                       bool with_mtp) {
  return model.saved_bytes(Model::tokens_per_batch(model.config(), num_sequences, sequence_length, with_mtp), true);
}

PlainExecutor::PlainExecutor(const Context& ctx, Model& model, int64_t num_sequences, int64_t sequence_length,
                             bool with_routes, bool with_mtp)
    : model_(&model),
      arena_(ctx.backend->memory(), activation_bytes(model, num_sequences, sequence_length, with_mtp)),
      buffers_(ctx, num_sequences * sequence_length, model.config().num_nextn_predict_layers,
               with_routes ? routes_of(model) : RoutedLayers{}),
      balance_loss_(ctx.backend->memory(), model.precision().high, {1}) {}

const ModelSaved& PlainExecutor::layout(const TokenBatch& b, bool with_mtp, bool gradient) {
  for (const Layout& l : layouts_)
    if (l.num_sequences == b.num_sequences && l.sequence_length == b.sequence_length && l.with_mtp == with_mtp &&
        l.gradient == gradient)
      return l.saved;
  const ArenaScope scope(arena_);
  const auto tokens = Model::tokens_per_batch(model_->config(), b.num_sequences, b.sequence_length, with_mtp);
  layouts_.push_back(
      {b.num_sequences, b.sequence_length, with_mtp, gradient, model_->lay_out_saved(arena_, tokens, gradient)});
  return layouts_.back().saved;
}

double PlainExecutor::sum_of(const Context& ctx, const Operand& values) {
  double sum = 0;
  const auto add = [&](auto& host) {
    host.resize(size_t(values.size()));
    ctx.backend->download(ctx, {.device = values, .host = host.data()});
    for (const auto v : host) sum += double(v);
  };
  if (values.dtype == DType::f64) add(host64_);
  else add(host32_);
  return sum;
}

void PlainExecutor::clear_sums(size_t depths) {
  sums_.nats.assign(depths, 0);
  sums_.targets.assign(depths, 0);
  sums_.balance = 0;
}

void PlainExecutor::place_outputs(const Context& ctx, Batch& batch, bool wanted) {
  if (wanted && !batch.replay_experts.empty()) {
    if (!flips_) flips_ = Tensor(ctx.backend->memory(), DType::i32, {buffers_.max_tokens()});
    batch.flips = flips_.operand().slice(0, 0, batch.num_tokens);
    ctx.backend->fill(ctx, {.dst = batch.flips, .value = 0});
  }
  if (!wanted && !model_->is_critic()) return;
  if (!outputs_) outputs_ = Tensor(ctx.backend->memory(), model_->precision().high, {buffers_.max_tokens()});
  (model_->is_critic() ? batch.value : batch.entropy) = outputs_.operand().slice(0, 0, batch.num_tokens);
}

void PlainExecutor::add_losses(const Context& ctx, const ModelSaved& saved, const TokenBatch& host,
                               TokenLosses* tokens) {
  const auto sum = [&](const Operand& values, std::vector<float>* all) {
    const double result = sum_of(ctx, values);  // leaves the values on the host
    if (all && values.dtype == DType::f64) all->insert(all->end(), host64_.begin(), host64_.end());
    else if (all) all->insert(all->end(), host32_.begin(), host32_.end());
    return result;
  };
  const Batch& batch = buffers_.batches().front();
  if (tokens && model_->is_critic()) sum(batch.value, &tokens->value);
  else if (tokens) sum(batch.entropy, &tokens->entropy);
  if (tokens && batch.flips) {
    host_flips_.resize(size_t(batch.num_tokens));
    ctx.backend->download(ctx, {.device = batch.flips, .host = host_flips_.data()});
    tokens->flips.insert(tokens->flips.end(), host_flips_.begin(), host_flips_.end());
  }
  for (size_t k = 0; k <= saved.mtp.size(); ++k) {
    sums_.nats[k] += k == 0 ? sum(saved.loss, tokens ? &tokens->loss : nullptr) : sum(saved.mtp[k - 1].loss, nullptr);
    sums_.targets[k] += count_targets(host, int64_t(k));
  }
}

// Every token of the step weighs the same, however it is cut into micro-batches, unless it has a weight.
LossScales& PlainExecutor::scales_of(std::span<const TokenBatch> micro_batches, double mtp_weight) {
  const int64_t depths = model_->config().num_nextn_predict_layers;
  targets_.assign(size_t(depths) + 1, 0);
  bool weighted = false;
  for (const TokenBatch& b : micro_batches) {
    for (int64_t k = 0; k <= depths; ++k) targets_[size_t(k)] += count_targets(b, k);
    weighted |= !b.weight.empty();
  }
  const auto per_target = [&](int64_t k) {
    return weighted ? 1 : 1 / double(std::max<int64_t>(targets_[size_t(k)], 1));
  };
  scales_.main = per_target(0);
  scales_.mtp.clear();
  for (int64_t k = 1; k <= depths; ++k) scales_.mtp.push_back(mtp_weight / double(depths) * per_target(k));
  return scales_;
}

const LossSums& PlainExecutor::gradients(const Context& ctx, std::span<const TokenBatch> micro_batches,
                                         const StepSettings& settings, TokenLosses* tokens) {
  const bool with_mtp = model_->config().num_nextn_predict_layers > 0 && settings.mtp_weight > 0;
  const LossScales& scales = scales_of(micro_batches, settings.mtp_weight);
  clear_sums(with_mtp ? targets_.size() : 1);
  if (tokens) tokens->clear();
  const bool balanced = settings.balance.terms.any();
  if (balanced) ctx.backend->fill(ctx, {.dst = balance_loss_, .value = 0});
  const RngKey dropout_key = ctx.rng.at("dropout").at(uint64_t(settings.step));
  const RngKey drop_key = ctx.rng.at("token dropping").at(uint64_t(settings.step));
  int64_t first_sequence = 0;
  for (const TokenBatch& host : micro_batches) {
    is_protected_.clear();
    if (settings.drop.capacity > 0)
      for (int64_t s = 0; s < host.num_sequences; ++s)
        is_protected_.push_back(drop_key.uniform(uint64_t(first_sequence + s)) < settings.drop.protected_fraction);
    buffers_.fill(ctx, host);
    buffers_.batches().front().objective = settings.objective;
    place_outputs(ctx, buffers_.batches().front(), tokens != nullptr);
    for (Batch& batch : buffers_.batches()) {
      batch.count_load = true;
      batch.drop = settings.drop;
      batch.is_protected = is_protected_;
      batch.dropout = {.rate = settings.dropout,
                       .key = dropout_key,
                       .first_row = first_sequence * (batch.num_tokens / host.num_sequences)};
      batch.balance = settings.balance;
      batch.balance_grad_scale = 1 / double(micro_batches.size());
      batch.balance_loss = balanced ? balance_loss_.operand() : Operand{};
    }
    const ModelSaved& saved = layout(host, with_mtp, true);
    model_->forward(ctx, buffers_.batches(), saved);
    model_->loss_and_backward(ctx, buffers_.batches(), saved, scales);
    add_losses(ctx, saved, host, tokens);
    first_sequence += host.num_sequences;
  }
  if (balanced && !micro_batches.empty()) sums_.balance = sum_of(ctx, balance_loss_) / double(micro_batches.size());
  return sums_;
}

const LossSums& PlainExecutor::losses(const Context& ctx, const TokenBatch& host, bool with_mtp,
                                      const Objective& objective, TokenLosses* tokens) {
  buffers_.fill(ctx, host);
  buffers_.batches().front().objective = objective;
  place_outputs(ctx, buffers_.batches().front(), tokens != nullptr);
  for (Batch& batch : buffers_.batches()) {
    batch.count_load = false;
    batch.drop = {};  // nothing is dropped in evaluations
    batch.dropout = {};
  }
  const ModelSaved& saved = layout(host, with_mtp, false);
  model_->forward(ctx, buffers_.batches(), saved);
  model_->loss(ctx, buffers_.batches(), saved);
  clear_sums(saved.mtp.size() + 1);
  add_losses(ctx, saved, host, tokens);
  return sums_;
}

}  // namespace minke
