#include "model/gqa.h"

namespace minke {

Gqa::Gqa(const Config& c, WeightStore& weights, const std::string& prefix, const Rope* rope, double softmax_scale)
    : scale_(softmax_scale), rope_(rope) {
  const auto linear = [&](const char* name) {
    return Linear{weights.get(prefix + name), weights.find(prefix + name + ".bias")};
  };
  q_ = linear("q_proj");
  k_ = linear("k_proj");
  v_ = linear("v_proj");
  o_ = linear("o_proj");
  if (c.qk_norm) {
    q_norm_ = {weights.get(prefix + "q_norm"), c.rms_norm_eps};
    k_norm_ = {weights.get(prefix + "k_norm"), c.rms_norm_eps};
  }
}

GqaSaved Gqa::lay_out_saved(Arena& arena, const Config& c, const Precision& p, int64_t n) {
  const int64_t h = c.num_attention_heads, hkv = c.num_key_value_heads, dh = c.head_dim;
  GqaSaved s;
  if (c.qk_norm) {
    s.q_raw = arena.take(p.activation, {n, h, dh});
    s.k_raw = arena.take(p.activation, {n, hkv, dh});
    s.rstd_q = arena.take(p.high, {n, h});
    s.rstd_k = arena.take(p.high, {n, hkv});
  }
  s.q = arena.take(p.activation, {n, h, dh});
  s.k = arena.take(p.activation, {n, hkv, dh});
  s.v = arena.take(p.activation, {n, hkv, dh});
  s.o = arena.take(p.activation, {n, h, dh});
  s.lse = arena.take(p.high, {n, h});
  return s;
}

GqaWork Gqa::lay_out_work(Arena& arena, const Config& c, const Precision& p, int64_t n) {
  const int64_t h = c.num_attention_heads, hkv = c.num_key_value_heads, dh = c.head_dim;
  GqaWork w;
  w.dy = arena.take(p.activation, {n, c.hidden_size});
  w.d_q = arena.take(p.activation, {n, h, dh});
  w.d_k = arena.take(p.activation, {n, hkv, dh});
  w.d_v = arena.take(p.activation, {n, hkv, dh});
  if (c.qk_norm) {
    w.d_q_raw = arena.take(p.activation, {n, h, dh});
    w.d_k_raw = arena.take(p.activation, {n, hkv, dh});
  }
  return w;
}

void Gqa::project(const Context& ctx, const Operand& positions, const Operand& x, const GqaSaved& s) const {
  if (q_norm_.gain) {
    q_.forward(ctx, x, s.q_raw.merged(1));
    k_.forward(ctx, x, s.k_raw.merged(1));
    q_norm_.forward(ctx, s.q_raw, s.q, s.rstd_q);
    k_norm_.forward(ctx, s.k_raw, s.k, s.rstd_k);
  } else {
    q_.forward(ctx, x, s.q.merged(1));
    k_.forward(ctx, x, s.k.merged(1));
  }
  v_.forward(ctx, x, s.v.merged(1));
  rope_->forward(ctx, s.q, positions);
  rope_->forward(ctx, s.k, positions);
}

AttentionArgs Gqa::attention_args(const Batch& batch, const GqaSaved& s) const {
  return {.q = s.q,
          .k = s.k,
          .v = s.v,
          .out = s.o,
          .lse = s.lse,
          .scale = scale_,
          .sequence_offsets = batch.sequence_offsets.data(),
          .num_sequences = batch.num_sequences(),
          .first_visible = batch.first_visible,
          .compute = q_.weight->compute()};
}

void Gqa::forward(const Context& ctx, const Batch& batch, const Operand& x, const Operand& y, const GqaSaved& s) const {
  project(ctx, batch.positions, x, s);
  ctx.backend->attention(ctx, attention_args(batch, s));
  o_.forward(ctx, s.o.merged(1), y);
}

void Gqa::backward_input(const Context& ctx, const Batch& batch, const Operand& dx, const GqaSaved& s,
                         const GqaWork& w) const {
  {
    const ArenaScope scope(*ctx.scratch);
    const Operand d_o = ctx.scratch->take(s.o.dtype, {s.o.shape[0], s.o.shape[1], s.o.shape[2]});
    o_.backward_input(ctx, w.dy, d_o.merged(1));
    ctx.backend->attention_backward(
        ctx, {.forward = attention_args(batch, s), .dout = d_o, .dq = w.d_q, .dk = w.d_k, .dk_rope = {}, .dv = w.d_v});
  }
  rope_->backward(ctx, w.d_q, batch.positions);
  rope_->backward(ctx, w.d_k, batch.positions);
  if (q_norm_.gain) {
    q_norm_.backward_input(ctx, s.q_raw, s.rstd_q, w.d_q, w.d_q_raw);
    k_norm_.backward_input(ctx, s.k_raw, s.rstd_k, w.d_k, w.d_k_raw);
  }
  q_.backward_input(ctx, (q_norm_.gain ? w.d_q_raw : w.d_q).merged(1), dx);
  k_.backward_input(ctx, (q_norm_.gain ? w.d_k_raw : w.d_k).merged(1), dx, true);
  v_.backward_input(ctx, w.d_v.merged(1), dx, true);
}

void Gqa::backward_weight(const Context& ctx, const Operand& x, const GqaSaved& s, const GqaWork& w) const {
  o_.backward_weight(ctx, s.o.merged(1), w.dy);
  if (q_norm_.gain) {
    q_norm_.backward_weight(ctx, s.q_raw, s.rstd_q, w.d_q);
    k_norm_.backward_weight(ctx, s.k_raw, s.rstd_k, w.d_k);
  }
  q_.backward_weight(ctx, x, (q_norm_.gain ? w.d_q_raw : w.d_q).merged(1));
  k_.backward_weight(ctx, x, (q_norm_.gain ? w.d_k_raw : w.d_k).merged(1));
  v_.backward_weight(ctx, x, w.d_v.merged(1));
}

void Gqa::step(const Context& ctx, const Step& step, const Operand& x, const Operand& y,
               const LayerCache& cache) const {
  const ArenaScope scope(*ctx.scratch);
  Arena& scratch = *ctx.scratch;
  const int64_t n = x.shape[0], prompt = step.num_prompt_tokens, hkv = cache.k.shape[1], dh = cache.k.shape[2],
                h = q_.weight->master().shape[0] / dh;
  GqaSaved s;
  if (q_norm_.gain) s.q_raw = scratch.take(x.dtype, {n, h, dh}), s.k_raw = scratch.take(x.dtype, {n, hkv, dh});
  s.q = scratch.take(x.dtype, {n, h, dh});
  s.k = scratch.take(x.dtype, {n, hkv, dh}), s.v = scratch.take(x.dtype, {n, hkv, dh});
  project(ctx, step.positions, x, s);
  ctx.backend->scatter(ctx, {.src = s.k.merged(1), .index = step.slots, .dst = cache.k.merged(1)});
  ctx.backend->scatter(ctx, {.src = s.v.merged(1), .index = step.slots, .dst = cache.v.merged(1)});
  const Operand o = scratch.take(x.dtype, {n, h, dh});
  if (prompt > 0) {
    const ArenaScope prompt_scope(scratch);
    const int64_t keys = step.key_offsets.back();
    const Operand k = scratch.take(x.dtype, {keys, hkv, dh}), v = scratch.take(x.dtype, {keys, hkv, dh});
    ctx.backend->gather(ctx, {.src = cache.k.merged(1), .index = step.key_slots, .dst = k.merged(1)});
    ctx.backend->gather(ctx, {.src = cache.v.merged(1), .index = step.key_slots, .dst = v.merged(1)});
    ctx.backend->attention(ctx, {.q = s.q.slice(0, 0, prompt),
                                 .k = k,
                                 .k_rope = {},
                                 .v = v,
                                 .out = o.slice(0, 0, prompt),
                                 .scale = scale_,
                                 .sequence_offsets = step.query_offsets.data(),
                                 .num_sequences = int64_t(step.query_offsets.size()) - 1,
                                 .key_offsets = step.key_offsets.data(),
                                 .compute = q_.weight->compute()});
  }
  if (prompt < n)
    ctx.backend->cached_attention(ctx, {.q = s.q.slice(0, prompt, n),
                                        .k = cache.k,
                                        .v = cache.v,
                                        .out = o.slice(0, prompt, n),
                                        .row_offsets = step.row_offsets,
                                        .length = step.length,
                                        .block_table = step.block_table,
                                        .page = step.page,
                                        .max_length = step.max_length,
                                        .scale = scale_,
                                        .compute = q_.weight->compute()});
  o_.forward(ctx, o.merged(1), y);
}

}  // namespace minke
