#include "model/mtp.h"

namespace minke {

Mtp::Mtp(const Context& ctx, const Config& c, WeightStore& weights, int64_t depth, const Rope* rope,
         ExpertExchange* exchange)
    : embedding_(weights.get("embed_tokens")),
      block_(ctx, c, weights, c.num_hidden_layers + depth - 1, layer_prefix(c.num_hidden_layers + depth - 1), rope,
             exchange) {
  const std::string prefix = layer_prefix(c.num_hidden_layers + depth - 1);
  enorm_ = {weights.get(prefix + "enorm"), c.rms_norm_eps};
  hnorm_ = {weights.get(prefix + "hnorm"), c.rms_norm_eps};
  out_norm_ = {weights.get(prefix + "shared_head.norm"), c.rms_norm_eps};
  eh_proj_ = {weights.get(prefix + "eh_proj")};
}

MtpSaved Mtp::lay_out_saved(Arena& arena, const Precision& p, int64_t n, bool gradient) const {
  const int64_t d = embedding_->master().shape[1];
  MtpSaved s;
  s.embedding = arena.take(p.residual, {n, d});
  s.h_previous = arena.take(p.activation, {n, d});
  s.rstd_e = arena.take(p.high, {n});
  s.rstd_h = arena.take(p.high, {n});
  s.rstd_out = arena.take(p.high, {n});
  s.joined = arena.take(p.activation, {n, 2 * d});
  s.block = block_.lay_out_saved(arena, p, n);
  s.x_out = arena.take(p.residual, {n, d});
  s.h = arena.take(p.activation, {n, d});
  s.loss = arena.take(p.high, {n});
  if (gradient) s.dh = arena.take(p.residual, {n, d});
  return s;
}

void Mtp::forward(const Context& ctx, const Precision& p, const Batch& batch, const Operand& h_previous,
                  const MtpSaved& s) const {
  const int64_t n = batch.num_tokens, d = s.h.shape[1];
  ctx.backend->gather(ctx, {.src = embedding_->rows(), .index = batch.tokens, .dst = s.embedding});
  dropout(ctx, batch, "embedding", block_.layer(), s.embedding);
  ctx.backend->gather(ctx, {.src = h_previous, .index = batch.previous_row, .dst = s.h_previous});
  enorm_.forward(ctx, s.embedding, s.joined.slice(1, 0, d), s.rstd_e);  // (21), embedding first
  hnorm_.forward(ctx, s.h_previous, s.joined.slice(1, d, 2 * d), s.rstd_h);
  eh_proj_.forward(ctx, s.joined, s.block.x);
  const ArenaScope scope(*ctx.scratch);
  block_.forward(ctx, batch, s.x_out, s.block, block_.lay_out_forward_work(*ctx.scratch, p, n));  // (22)
  out_norm_.forward(ctx, s.x_out, s.h, s.rstd_out);
}

void Mtp::backward(const Context& ctx, const Precision& p, const Batch& batch, const Operand& dh_previous,
                   const MtpSaved& s) const {
  const int64_t n = batch.num_tokens, d = s.h.shape[1];
  const ArenaScope scope(*ctx.scratch);
  const Operand dx = ctx.scratch->take(p.residual, {n, d});
  out_norm_.backward_input(ctx, s.x_out, s.rstd_out, s.dh, dx);
  out_norm_.backward_weight(ctx, s.x_out, s.rstd_out, s.dh);
  {
    const ArenaScope block_scope(*ctx.scratch);
    const BlockWork work = block_.lay_out_work(*ctx.scratch, p, n);
    block_.backward_input(ctx, batch, dx, s.block, work);
    block_.backward_weight(ctx, s.block, work);
  }
  const Operand d_joined = ctx.scratch->take(p.activation, {n, 2 * d});
  const Operand d_rows = ctx.scratch->take(p.residual, {n, d});
  eh_proj_.backward_input(ctx, dx, d_joined);
  eh_proj_.backward_weight(ctx, s.joined, dx);
  const Operand d_e = d_joined.slice(1, 0, d), d_h = d_joined.slice(1, d, 2 * d);
  enorm_.backward_input(ctx, s.embedding, s.rstd_e, d_e, d_rows);
  enorm_.backward_weight(ctx, s.embedding, s.rstd_e, d_e);
  dropout(ctx, batch, "embedding", block_.layer(), d_rows);
  ctx.backend->scatter_add(ctx, {.src = d_rows, .index = batch.tokens, .dst = embedding_->grad()});
  hnorm_.backward_input(ctx, s.h_previous, s.rstd_h, d_h, d_rows);
  hnorm_.backward_weight(ctx, s.h_previous, s.rstd_h, d_h);
  ctx.backend->scatter_add(ctx, {.src = d_rows, .index = batch.previous_row, .dst = dh_previous});
}

void Mtp::step(const Context& ctx, const Precision& p, const Step& step, const Operand& h_previous,
               const LayerCache& cache, const Operand& h) const {
  const ArenaScope scope(*ctx.scratch);
  const int64_t n = step.num_tokens, d = h.shape[1];
  const Operand x = ctx.scratch->take(p.residual, {n, d});
  {
    const ArenaScope joining(*ctx.scratch);
    const Operand embedding = ctx.scratch->take(p.residual, {n, d}), previous = ctx.scratch->take(p.activation, {n, d}),
                  joined = ctx.scratch->take(p.activation, {n, 2 * d});
    ctx.backend->gather(ctx, {.src = embedding_->rows(), .index = step.tokens, .dst = embedding});
    ctx.backend->gather(ctx, {.src = h_previous, .index = step.previous_row, .dst = previous});
    enorm_.forward(ctx, embedding, joined.slice(1, 0, d));
    hnorm_.forward(ctx, previous, joined.slice(1, d, 2 * d));
    eh_proj_.forward(ctx, joined, x);
  }
  block_.step(ctx, p, step, x, cache, step.experts ? step.experts.at(0, 0) : Operand{});
  if (h.shape[0] == 0) return;
  const Operand last = ctx.scratch->take(p.residual, {h.shape[0], d});
  ctx.backend->gather(ctx, {.src = x, .index = step.sampled, .dst = last});
  out_norm_.forward(ctx, last, h);
}

}  // namespace minke
