#include "model/model.h"

#include "kernels/dry_run.h"

namespace minke {
Model::Model(const Context& ctx, Config config, const Precision& precision, int64_t max_positions,
             std::unique_ptr<ExpertExchange> exchange, Head head)
    : Model{ask_backend(ctx, config, precision, head),
            ctx,
            std::move(config),
            precision,
            max_positions,
            std::move(exchange),
            head} {}

Model::Model(Unasked, const Context& ctx, Config config, const Precision& precision, int64_t max_positions,
             std::unique_ptr<ExpertExchange> exchange, Head head)
    : config_(std::move(config)),
      precision_(precision),
      weights_(ctx, config_, precision, head),
      rope_(ctx, config_, max_positions, precision.high),
      exchange_(exchange ? std::move(exchange) : std::make_unique<LocalExchange>()),
      embedding_(weights_.get("embed_tokens")),
      final_norm_{weights_.get("norm"), config_.rms_norm_eps} {
  check(head == Head::tokens || config_.num_nextn_predict_layers == 0, "Model: a critic has no MTP modules");
  if (head == Head::value) value_head_.emplace(weights_.get("value_head"));
  else head_.emplace(weights_.get(config_.tie_word_embeddings ? "embed_tokens" : "lm_head"), precision);
  for (int64_t l = 0; l < config_.num_hidden_layers; ++l)
    blocks_.emplace_back(ctx, config_, weights_, l, layer_prefix(l), &rope_, exchange_.get());
  for (int64_t k = 1; k <= config_.num_nextn_predict_layers; ++k)
    mtp_.emplace_back(ctx, config_, weights_, k, &rope_, exchange_.get());
  if (config_.tie_word_embeddings && head_) embedding_->also_head();
  const auto add = [this](const Block& b) {
    if (b.moe()) moe_layers_.emplace_back(b.layer(), b.moe());
  };
  for (const Block& b : blocks_) add(b);
  for (const Mtp& m : mtp_) add(m.block());
}

// A forward and a backward of the smallest batch that has every part, dry: what the backend does not support is said now.
// Frozen weights have no backward. The steps of inference are asked for by infer/memory.h.
Model::Unasked Model::ask_backend(const Context& ctx, const Config& config, const Precision& precision, Head head) {
  validate(config, "model");
  DryRun dry(ctx);
  const Context& d = dry.ctx();
  const int64_t depths = config.num_nextn_predict_layers, sequences = 2, length = depths + 2;
  Model model(Unasked{}, d, config, precision, length, nullptr, head);
  const bool gradients = !precision.frozen;
  if (gradients) model.weights().with_gradients(d);
  const auto num_tokens = tokens_per_batch(config, sequences, length, true);
  Arena arena(dry.memory(), model.saved_bytes(num_tokens, gradients));
  const ModelSaved saved = model.lay_out_saved(arena, num_tokens, gradients);
  const Tensor balance_loss(dry.memory(), precision.high, {1});
  BatchBuffers buffers(d, sequences * length, depths);
  const std::vector<int32_t> zeros(size_t(sequences * length));
  buffers.fill(d, zeros, zeros, sequences, length, zeros, std::vector<int32_t>(size_t(sequences), int32_t(length)));
  const Tensor values(dry.memory(), precision.high, {sequences * length});
  const Tensor value_targets(dry.memory(), DType::f32, {sequences * length});
  for (Batch& batch : buffers.batches()) {
    if (head == Head::value) batch.value = values, batch.value_target = value_targets;
    batch.count_load = true;
    batch.balance_loss = balance_loss;
    batch.drop.capacity = 1;
    batch.dropout.rate = 0.5;
    batch.is_protected.assign(size_t(sequences), 0);
  }
  model.forward(d, buffers.batches(), saved);
  model.loss(d, buffers.batches(), saved);
  if (gradients)
    model.loss_and_backward(d, buffers.batches(), saved, {.main = 1, .mtp = std::vector<double>(size_t(depths), 1)});
  if (head == Head::tokens && gradients) {
    const Tensor soft_token(dry.memory(), DType::i32, {sequences * length, 1});
    const Tensor soft_probability(dry.memory(), DType::f32, {sequences * length, 1});
    Batch& batch = buffers.batches().front();
    batch.soft_token = soft_token, batch.soft_probability = soft_probability, batch.objective.soft_share = 0.5;
    model.loss(d, buffers.batches(), saved);
  }
  if (head == Head::value) {
    buffers.batches().front().rival = buffers.batches().front().targets;
    model.loss(d, buffers.batches(), saved);
  }
  return {};
}

std::vector<int64_t> Model::tokens_per_batch(const Config& config, int64_t num_sequences, int64_t sequence_length,
                                             bool with_mtp) {
  std::vector<int64_t> n{num_sequences * sequence_length};
  for (int64_t k = 1; with_mtp && k <= config.num_nextn_predict_layers; ++k)
    n.push_back(num_sequences * (sequence_length - k));
  return n;
}

ModelSaved Model::lay_out_saved(Arena& arena, std::span<const int64_t> num_tokens, bool gradient) const {
  const int64_t n = num_tokens[0], d = config_.hidden_size;
  ModelSaved s;
  const BlockSaved *first = nullptr, *first_dense = nullptr, *first_moe = nullptr;
  for (const Block& b : blocks_) {
    const BlockSaved*& first_ffn = b.moe() ? first_moe : first_dense;
    s.blocks.push_back(b.lay_out_saved(arena, precision_, n, recompute_.attention ? first : nullptr,
                                       recompute_.ffn ? first_ffn : nullptr));
    if (!first) first = &s.blocks.back();
    if (!first_ffn) first_ffn = &s.blocks.back();
  }
  s.x_final = arena.take(precision_.residual, {n, d});
  s.rstd_final = arena.take(precision_.high, {n});
  s.h = arena.take(precision_.activation, {n, d});
  s.loss = arena.take(precision_.high, {n});
  if (gradient) s.dh = arena.take(precision_.residual, {n, d});
  for (size_t k = 1; k < num_tokens.size(); ++k)
    s.mtp.push_back(mtp_[k - 1].lay_out_saved(arena, precision_, num_tokens[k], gradient));
  return s;
}

void Model::forward(const Context& ctx, const std::vector<Batch>& batches, const ModelSaved& s) const {
  const Batch& batch = batches[0];
  ctx.backend->gather(ctx, {.src = embedding_->rows(), .index = batch.tokens, .dst = s.blocks[0].x});
  dropout(ctx, batch, "embedding", 0, s.blocks[0].x);
  for (size_t l = 0; l < blocks_.size(); ++l) {
    const ArenaScope scope(*ctx.scratch);
    const Operand& x_out = l + 1 < blocks_.size() ? s.blocks[l + 1].x : s.x_final;
    blocks_[l].forward(ctx, batch, x_out, s.blocks[l],
                       blocks_[l].lay_out_forward_work(*ctx.scratch, precision_, batch.num_tokens));
  }
  final_norm_.forward(ctx, s.x_final, s.h, s.rstd_final);
  for (size_t k = 0; k < s.mtp.size(); ++k)
    mtp_[k].forward(ctx, precision_, batches[k + 1], k == 0 ? s.h : s.mtp[k - 1].h, s.mtp[k]);
}

void Model::head_loss(const Context& ctx, const Operand& h, const Batch& batch, const Operand& loss, double grad_scale,
                      const Operand& dh) const {
  if (value_head_) value_head_->loss(ctx, h, batch, loss, grad_scale, dh);
  else head_->loss(ctx, h, batch, loss, grad_scale, dh);
}

void Model::loss(const Context& ctx, const std::vector<Batch>& batches, const ModelSaved& s) const {
  head_loss(ctx, s.h, batches[0], s.loss);
  for (size_t k = 0; k < s.mtp.size(); ++k) head_loss(ctx, s.mtp[k].h, batches[k + 1], s.mtp[k].loss);
}

void Model::loss_and_backward(const Context& ctx, const std::vector<Batch>& batches, const ModelSaved& s,
                              const LossScales& scales) const {
  const Batch& batch = batches[0];
  head_loss(ctx, s.h, batch, s.loss, scales.main, s.dh);
  for (size_t k = 0; k < s.mtp.size(); ++k)
    head_loss(ctx, s.mtp[k].h, batches[k + 1], s.mtp[k].loss, scales.mtp[k], s.mtp[k].dh);
  for (size_t k = s.mtp.size(); k-- > 0;)
    mtp_[k].backward(ctx, precision_, batches[k + 1], k == 0 ? s.dh : s.mtp[k - 1].dh, s.mtp[k]);

  const ArenaScope scope(*ctx.scratch);
  const Operand dx = ctx.scratch->take(precision_.residual, {batch.num_tokens, config_.hidden_size});
  final_norm_.backward_input(ctx, s.x_final, s.rstd_final, s.dh, dx);
  final_norm_.backward_weight(ctx, s.x_final, s.rstd_final, s.dh);
  for (size_t l = blocks_.size(); l-- > 0;) {
    const ArenaScope block_scope(*ctx.scratch);
    const BlockWork work = blocks_[l].lay_out_work(*ctx.scratch, precision_, batch.num_tokens);
    blocks_[l].recompute(ctx, batch, recompute_, s.blocks[l], work);
    blocks_[l].backward_input(ctx, batch, dx, s.blocks[l], work);
    blocks_[l].backward_weight(ctx, s.blocks[l], work);
  }
  dropout(ctx, batch, "embedding", 0, dx);
  ctx.backend->scatter_add(ctx, {.src = dx, .index = batch.tokens, .dst = embedding_->grad()});
}

void Model::step(const Context& ctx, const Step& step, std::span<const LayerCache> caches, const Operand& logits,
                 const Operand& h) const {
  const int64_t d = config_.hidden_size;
  const ArenaScope scope(*ctx.scratch);
  const Operand x = ctx.scratch->take(precision_.residual, {step.num_tokens, d});
  ctx.backend->gather(ctx, {.src = embedding_->rows(), .index = step.tokens, .dst = x});
  int64_t moe_layer = 0;
  for (size_t l = 0; l < blocks_.size(); ++l) {
    const bool wanted = step.experts && blocks_[l].moe();
    blocks_[l].step(ctx, precision_, step, x, caches[l], wanted ? step.experts.at(0, moe_layer++) : Operand{});
  }
  if (h) final_norm_.forward(ctx, x, h);
  const int64_t rows = step.sampled.shape[0];
  if (rows == 0) return;
  const Operand h_sampled = ctx.scratch->take(precision_.activation, {rows, d});
  if (h) {
    ctx.backend->gather(ctx, {.src = h, .index = step.sampled, .dst = h_sampled});
  } else {
    const Operand last = ctx.scratch->take(precision_.residual, {rows, d});
    ctx.backend->gather(ctx, {.src = x, .index = step.sampled, .dst = last});
    final_norm_.forward(ctx, last, h_sampled);
  }
  head_->logits(ctx, h_sampled, logits);
}

void Model::draft(const Context& ctx, const Step& step, const Operand& h_previous, const LayerCache& cache,
                  const Operand& h, const Operand& logits) const {
  mtp_.front().step(ctx, precision_, step, h_previous, cache, h);
  if (h.shape[0] > 0) head_->logits(ctx, h, logits);
}

}  // namespace minke
