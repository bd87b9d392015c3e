#include "model/mla.h"

namespace minke {

Mla::Mla(const Config& c, WeightStore& weights, const std::string& prefix, const Rope* rope, double softmax_scale)
    : heads_(c.num_attention_heads),
      dn_(c.qk_nope_head_dim),
      dr_(c.qk_rope_head_dim),
      dv_(c.v_head_dim),
      latent_(c.kv_lora_rank),
      scale_(softmax_scale),
      rope_(rope) {
  constexpr double kInnerEps = 1e-6;
  if (c.q_lora_rank > 0) {
    q_a_ = {weights.get(prefix + "q_a_proj"), weights.find(prefix + "q_a_proj.bias")};
    q_norm_ = {weights.get(prefix + "q_a_layernorm"), kInnerEps};
    q_b_ = {weights.get(prefix + "q_b_proj")};
  } else {
    q_b_ = {weights.get(prefix + "q_proj")};
  }
  kv_a_ = {weights.get(prefix + "kv_a_proj_with_mqa"), weights.find(prefix + "kv_a_proj_with_mqa.bias")};
  kv_norm_ = {weights.get(prefix + "kv_a_layernorm"), kInnerEps};
  kv_b_ = {weights.get(prefix + "kv_b_proj")};
  const int64_t dn = dn_, width = dn_ + dv_;
  w_uk_ = kv_b_.weight->multiplied_in(  // [H, dn, d_c]
      [=](const Operand& w) { return w.split(0, width).slice(1, 0, dn); });
  w_uv_ = kv_b_.weight->multiplied_in(  // [H, d_c, dv]
      [=](const Operand& w) { return w.split(0, width).slice(1, dn, width).transposed(1, 2); });
  o_ = {weights.get(prefix + "o_proj"), weights.find(prefix + "o_proj.bias")};
}

MlaSaved Mla::lay_out_saved(Arena& arena, const Config& c, const Precision& p, int64_t n) {
  MlaSaved s;
  if (c.q_lora_rank > 0) {
    s.q_a = arena.take(p.activation, {n, c.q_lora_rank});
    s.c_q = arena.take(p.activation, {n, c.q_lora_rank});
    s.rstd_q = arena.take(p.high, {n});
  }
  s.kv_a = arena.take(p.activation, {n, c.kv_lora_rank + c.qk_rope_head_dim});
  s.c_kv = arena.take(p.activation, {n, c.kv_lora_rank});
  s.rstd_kv = arena.take(p.high, {n});
  s.q = arena.take(p.activation, {n, c.num_attention_heads, c.qk_head_dim()});
  s.kv = arena.take(p.activation, {n, c.num_attention_heads, c.qk_nope_head_dim + c.v_head_dim});
  s.o = arena.take(p.activation, {n, c.num_attention_heads, c.v_head_dim});
  s.lse = arena.take(p.high, {n, c.num_attention_heads});
  return s;
}

MlaWork Mla::lay_out_work(Arena& arena, const Config& c, const Precision& p, int64_t n) {
  MlaWork w;
  w.dy = arena.take(p.activation, {n, c.hidden_size});
  w.d_q = arena.take(p.activation, {n, c.num_attention_heads, c.qk_head_dim()});
  if (c.q_lora_rank > 0) {
    w.d_c_q = arena.take(p.activation, {n, c.q_lora_rank});
    w.d_q_a = arena.take(p.activation, {n, c.q_lora_rank});
  }
  w.d_kv = arena.take(p.activation, {n, c.num_attention_heads, c.qk_nope_head_dim + c.v_head_dim});
  w.d_c_kv = arena.take(p.activation, {n, c.kv_lora_rank});
  w.d_kv_a = arena.take(p.activation, {n, c.kv_lora_rank + c.qk_rope_head_dim});
  return w;
}

// Equations are those of V2's appendix C; t runs over the rows.
void Mla::project(const Context& ctx, const Operand& positions, const Operand& x, const MlaSaved& s) const {
  const Operand q = s.q.merged(1);
  if (q_a_.weight) {
    q_a_.forward(ctx, x, s.q_a);                   // (37) W_DQ h_t
    q_norm_.forward(ctx, s.q_a, s.c_q, s.rstd_q);  //      c_t^Q, normalised
    q_b_.forward(ctx, s.c_q, q);                   // (38) q_t^C and (39) q_t^R before rotation
  } else {
    q_b_.forward(ctx, x, q);
  }
  rope_->forward(ctx, s.q.slice(2, dn_, dn_ + dr_), positions);  // (39) q_t^R = RoPE(W_QR c_t^Q)

  kv_a_.forward(ctx, x, s.kv_a);  // (41) W_DKV h_t and (43) W_KR h_t
  const Operand k_rope = s.kv_a.slice(1, latent_, latent_ + dr_);
  rope_->forward(ctx, k_rope.split(1, dr_), positions);                   // (43) k_t^R, shared by all heads
  kv_norm_.forward(ctx, s.kv_a.slice(1, 0, latent_), s.c_kv, s.rstd_kv);  // (41) c_t^KV, normalised
}

AttentionArgs Mla::attention_args(const Batch& batch, const MlaSaved& s) const {
  return {.q = s.q,
          .k = s.kv.slice(2, 0, dn_),
          .k_rope = s.kv_a.slice(1, latent_, latent_ + dr_),
          .v = s.kv.slice(2, dn_, dn_ + dv_),
          .out = s.o,
          .lse = s.lse,
          .scale = scale_,
          .sequence_offsets = batch.sequence_offsets.data(),
          .num_sequences = batch.num_sequences(),
          .first_visible = batch.first_visible,
          .compute = kv_b_.weight->compute()};
}

void Mla::forward(const Context& ctx, const Batch& batch, const Operand& x, const Operand& y, const MlaSaved& s) const {
  project(ctx, batch.positions, x, s);
  kv_b_.forward(ctx, s.c_kv, s.kv.merged(1));             // (42) k_t^C = W_UK c, (45) v_t^C = W_UV c
  ctx.backend->attention(ctx, attention_args(batch, s));  // (40, 44, 46) o_{t,i}
  o_.forward(ctx, s.o.merged(1), y);                      // (47) u_t = W_O [o_{t,1}; …]
}

void Mla::backward_input(const Context& ctx, const Batch& batch, const Operand& dx, const MlaSaved& s,
                         const MlaWork& w) const {
  const Operand d_k_rope = w.d_kv_a.slice(1, latent_, latent_ + dr_);
  {
    const ArenaScope scope(*ctx.scratch);
    const Operand d_o = ctx.scratch->take(s.o.dtype, {s.o.shape[0], heads_, dv_});
    o_.backward_input(ctx, w.dy, d_o.merged(1));
    ctx.backend->attention_backward(ctx, {.forward = attention_args(batch, s),
                                          .dout = d_o,
                                          .dq = w.d_q,
                                          .dk = w.d_kv.slice(2, 0, dn_),
                                          .dk_rope = d_k_rope,
                                          .dv = w.d_kv.slice(2, dn_, dn_ + dv_)});
  }
  rope_->backward(ctx, w.d_q.slice(2, dn_, dn_ + dr_), batch.positions);
  rope_->backward(ctx, d_k_rope.split(1, dr_), batch.positions);

  kv_b_.backward_input(ctx, w.d_kv.merged(1), w.d_c_kv);
  kv_norm_.backward_input(ctx, s.kv_a.slice(1, 0, latent_), s.rstd_kv, w.d_c_kv, w.d_kv_a.slice(1, 0, latent_));
  kv_a_.backward_input(ctx, w.d_kv_a, dx);
  if (q_a_.weight) {
    q_b_.backward_input(ctx, w.d_q.merged(1), w.d_c_q);
    q_norm_.backward_input(ctx, s.q_a, s.rstd_q, w.d_c_q, w.d_q_a);
    q_a_.backward_input(ctx, w.d_q_a, dx, true);
  } else {
    q_b_.backward_input(ctx, w.d_q.merged(1), dx, true);
  }
}

void Mla::backward_weight(const Context& ctx, const Operand& x, const MlaSaved& s, const MlaWork& w) const {
  o_.backward_weight(ctx, s.o.merged(1), w.dy);
  kv_b_.backward_weight(ctx, s.c_kv, w.d_kv.merged(1));
  kv_norm_.backward_weight(ctx, s.kv_a.slice(1, 0, latent_), s.rstd_kv, w.d_c_kv);
  kv_a_.backward_weight(ctx, x, w.d_kv_a);
  if (q_a_.weight) {
    q_b_.backward_weight(ctx, s.c_q, w.d_q.merged(1));
    q_norm_.backward_weight(ctx, s.q_a, s.rstd_q, w.d_c_q);
    q_a_.backward_weight(ctx, x, w.d_q_a);
  } else {
    q_b_.backward_weight(ctx, x, w.d_q.merged(1));
  }
}

}  // namespace minke
