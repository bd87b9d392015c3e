#include "model/block.h"

#include "spec/rope.h"

namespace minke {
namespace {

std::variant<Mla, Gqa> make_attention(const Config& c, WeightStore& weights, const std::string& prefix,
                                      const Rope* rope) {
  const double scale = softmax_scale(c);
  if (c.attention == AttentionKind::mla) return Mla(c, weights, prefix, rope, scale);
  return Gqa(c, weights, prefix, rope, scale);
}

}  // namespace

Block::Block(const Context& ctx, const Config& c, WeightStore& weights, int64_t layer, const std::string& prefix,
             const Rope* rope, ExpertExchange* exchange)
    : config_(&c),
      layer_(layer),
      attention_norm_{weights.get(prefix + "input_layernorm"), c.rms_norm_eps},
      ffn_norm_{weights.get(prefix + "post_attention_layernorm"), c.rms_norm_eps},
      attention_(make_attention(c, weights, prefix, rope)),
      exchange_(exchange) {
  if (c.is_moe_layer(layer)) moe_.emplace(ctx, c, weights, prefix, exchange);
  else ffn_.emplace(weights, prefix);
}

BlockSaved Block::lay_out_saved(Arena& arena, const Precision& p, int64_t n, const BlockSaved* attention_like,
                                const BlockSaved* ffn_like) const {
  const Config& c = *config_;
  BlockSaved s;
  s.x = arena.take(p.residual, {n, c.hidden_size});
  s.x_mid = arena.take(p.residual, {n, c.hidden_size});
  s.rstd_attention = arena.take(p.high, {n});
  s.rstd_ffn = arena.take(p.high, {n});
  s.a = arena.take(p.activation, {n, c.hidden_size});
  s.u = arena.take(p.activation, {n, c.hidden_size});
  if (attention_like) s.mla = attention_like->mla, s.gqa = attention_like->gqa;
  else if (c.attention == AttentionKind::mla) s.mla = Mla::lay_out_saved(arena, c, p, n);
  else s.gqa = Gqa::lay_out_saved(arena, c, p, n);
  if (moe_) s.moe = Moe::lay_out_saved(arena, c, p, n, *exchange_, ffn_like ? &ffn_like->moe : nullptr);
  else if (ffn_like) s.ffn = ffn_like->ffn;
  else s.ffn = Ffn::lay_out_saved(arena, c.intermediate_size, p, n);
  return s;
}

BlockWork Block::lay_out_forward_work(Arena& arena, const Precision& p, int64_t n) const {
  const auto take = [&] { return arena.take(p.activation, {n, config_->hidden_size}); };
  BlockWork w;
  w.attention_out = take(), w.ffn_out = take();
  if (!moe_) return w;
  w.routed_out = take();
  w.moe.rows_out = Moe::lay_out_rows_out(arena, *config_, p, n, *exchange_);
  return w;
}

BlockWork Block::lay_out_work(Arena& arena, const Precision& p, int64_t n) const {
  const Config& c = *config_;
  BlockWork w = lay_out_forward_work(arena, p, n);
  for (Operand* o : {&w.dy, &w.du, &w.da}) *o = arena.take(p.activation, {n, c.hidden_size});
  if (moe_) w.du_routed = arena.take(p.activation, {n, c.hidden_size});
  if (c.attention == AttentionKind::mla) w.mla = Mla::lay_out_work(arena, c, p, n);
  else w.gqa = Gqa::lay_out_work(arena, c, p, n);
  if (moe_) w.moe = Moe::lay_out_work(arena, c, p, n, *exchange_, w.moe.rows_out);
  else w.ffn = Ffn::lay_out_work(arena, c.intermediate_size, p, n);
  return w;
}

// ---- F --------------------------------------------------------------------------------------------------------------

void Block::attention_forward(const Context& ctx, const Batch& batch, const BlockSaved& s, const BlockWork& w) const {
  attention_norm_.forward(ctx, s.x, s.a, s.rstd_attention);
  if (const Mla* mla = std::get_if<Mla>(&attention_)) mla->forward(ctx, batch, s.a, w.attention_out, s.mla);
  else std::get<Gqa>(attention_).forward(ctx, batch, s.a, w.attention_out, s.gqa);
  dropout(ctx, batch, "attention", layer_, w.attention_out);
  ctx.backend->copy(ctx, {.src = s.x, .dst = s.x_mid});
  ctx.backend->add(ctx, {.x = w.attention_out, .y = s.x_mid});
  ffn_norm_.forward(ctx, s.x_mid, s.u, s.rstd_ffn);
  if (moe_) {
    const bool replay = size_t(layer_) < batch.replay_experts.size();
    moe_->route(ctx, batch, s.u, s.moe, replay ? batch.replay_experts[layer_] : Operand{});
  }
}

void Block::dispatch_forward(const Context& ctx, const BlockSaved& s) const {
  if (moe_) moe_->begin_dispatch(ctx, s.u, s.moe);
}

void Block::experts_forward(const Context& ctx, const BlockSaved& s, const BlockWork& w) const {
  if (moe_) moe_->experts(ctx, s.u, w.ffn_out, s.moe, w.moe);
  else ffn_->forward(ctx, s.u, w.ffn_out, s.ffn);
}

void Block::combine_forward(const Context& ctx, const BlockSaved& s, const BlockWork& w) const {
  if (moe_) moe_->begin_combine(ctx, w.routed_out, s.moe, w.moe);
}

void Block::finish_forward(const Context& ctx, const Batch& batch, const Operand& x_out, const BlockSaved& s,
                           const BlockWork& w) const {
  ctx.backend->copy(ctx, {.src = s.x_mid, .dst = x_out});
  const auto add = [&](const Operand& out) {  // dropout of the sum: both parts have one mask
    dropout(ctx, batch, "ffn", layer_, out);
    ctx.backend->add(ctx, {.x = out, .y = x_out});
  };
  if (!moe_ || config_->n_shared_experts > 0) add(w.ffn_out);
  if (!moe_) return;
  moe_->finish_combine(ctx, s.moe);
  add(w.routed_out);
}

void Block::forward(const Context& ctx, const Batch& batch, const Operand& x_out, const BlockSaved& s,
                    const BlockWork& w) const {
  attention_forward(ctx, batch, s, w);
  dispatch_forward(ctx, s);
  experts_forward(ctx, s, w);
  combine_forward(ctx, s, w);
  finish_forward(ctx, batch, x_out, s, w);
}

void Block::step(const Context& ctx, const Precision& p, const Step& step, const Operand& x, const LayerCache& cache,
                 const Operand& experts) const {
  const ArenaScope scope(*ctx.scratch);
  const int64_t n = step.num_tokens, d = config_->hidden_size;
  const Operand normed = ctx.scratch->take(p.activation, {n, d}), out = ctx.scratch->take(p.activation, {n, d});
  attention_norm_.forward(ctx, x, normed);
  std::visit([&](const auto& attention) { attention.step(ctx, step, normed, out, cache); }, attention_);
  ctx.backend->add(ctx, {.x = out, .y = x});
  ffn_norm_.forward(ctx, x, normed);
  if (moe_) return moe_->step(ctx, *config_, p, normed, out, x, experts);
  ffn_->forward(ctx, normed, out, Ffn::lay_out_saved(*ctx.scratch, config_->intermediate_size, p, n));
  ctx.backend->add(ctx, {.x = out, .y = x});
}

void Block::recompute(const Context& ctx, const Batch& batch, Recompute what, const BlockSaved& s,
                      const BlockWork& w) const {
  if (what.attention) {
    if (const Mla* mla = std::get_if<Mla>(&attention_)) mla->forward(ctx, batch, s.a, w.attention_out, s.mla);
    else std::get<Gqa>(attention_).forward(ctx, batch, s.a, w.attention_out, s.gqa);
  }
  if (what.ffn) {
    dispatch_forward(ctx, s);
    experts_forward(ctx, s, w);
  }
}

// ---- B --------------------------------------------------------------------------------------------------------------

void Block::combine_backward(const Context& ctx, const Batch& batch, const Operand& dx, const BlockSaved& s,
                             const BlockWork& w) const {
  ctx.backend->copy(ctx, {.src = dx, .dst = w.dy});
  dropout(ctx, batch, "ffn", layer_, w.dy);
  if (moe_) moe_->begin_combine_backward(ctx, w.dy, s.moe, w.moe);
}

void Block::experts_backward_input(const Context& ctx, const BlockSaved& s, const BlockWork& w) const {
  if (moe_) moe_->experts_backward_input(ctx, w.dy, w.du, s.moe, w.moe);
  else ffn_->backward_input(ctx, w.dy, w.du, s.ffn, w.ffn);
}

void Block::dispatch_backward(const Context& ctx, const BlockSaved& s, const BlockWork& w) const {
  if (moe_) moe_->begin_dispatch_backward(ctx, w.du_routed, s.moe, w.moe);
}

void Block::attention_backward_input(const Context& ctx, const Batch& batch, const Operand& dx, const BlockSaved& s,
                                     const BlockWork& w) const {
  if (moe_) moe_->route_backward_input(ctx, batch, w.du_routed, w.du, s.moe, w.moe);
  ffn_norm_.backward_input(ctx, s.x_mid, s.rstd_ffn, w.du, dx, true);
  ctx.backend->copy(ctx, {.src = dx, .dst = attention_dy(w)});
  dropout(ctx, batch, "attention", layer_, attention_dy(w));
  if (const Mla* mla = std::get_if<Mla>(&attention_)) mla->backward_input(ctx, batch, w.da, s.mla, w.mla);
  else std::get<Gqa>(attention_).backward_input(ctx, batch, w.da, s.gqa, w.gqa);
  attention_norm_.backward_input(ctx, s.x, s.rstd_attention, w.da, dx, true);
}

void Block::backward_input(const Context& ctx, const Batch& batch, const Operand& dx, const BlockSaved& s,
                           const BlockWork& w) const {
  combine_backward(ctx, batch, dx, s, w);
  experts_backward_input(ctx, s, w);
  dispatch_backward(ctx, s, w);
  attention_backward_input(ctx, batch, dx, s, w);
}

// ---- W --------------------------------------------------------------------------------------------------------------

void Block::experts_backward_weight(const Context& ctx, const BlockSaved& s, const BlockWork& w) const {
  if (moe_) moe_->experts_backward_weight(ctx, s.u, w.dy, s.moe, w.moe);
  else ffn_->backward_weight(ctx, s.u, w.dy, s.ffn, w.ffn);
}

void Block::attention_backward_weight(const Context& ctx, const BlockSaved& s, const BlockWork& w) const {
  if (moe_) moe_->route_backward_weight(ctx, s.u, w.moe);
  ffn_norm_.backward_weight(ctx, s.x_mid, s.rstd_ffn, w.du);
  if (const Mla* mla = std::get_if<Mla>(&attention_)) mla->backward_weight(ctx, s.a, s.mla, w.mla);
  else std::get<Gqa>(attention_).backward_weight(ctx, s.a, s.gqa, w.gqa);
  attention_norm_.backward_weight(ctx, s.x, s.rstd_attention, w.da);
}

void Block::backward_weight(const Context& ctx, const BlockSaved& s, const BlockWork& w) const {
  experts_backward_weight(ctx, s, w);
  attention_backward_weight(ctx, s, w);
}

}  // namespace minke
