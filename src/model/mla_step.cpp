// MLA in a step of inference, in both forms (V2 appendix C, last paragraph; docs/recipe/architecture.md §2.3). Naive: keys
// and values are expanded from the latents. Absorbed:
//   q̃_i = W_UK_iᵀ q_i^C,  score = scale·(q̃_i·c_j + q_i^R·k_j^R),  o_i = W_UV_i Σ_j p_j c_j.
// It reads d_c + dr values a cached token, where the naive form would read H(dn+dv) + dr.
#include "model/mla.h"

namespace minke {

void Mla::step(const Context& ctx, const Step& step, const Operand& x, const Operand& y,
               const LayerCache& cache) const {
  const ArenaScope scope(*ctx.scratch);
  Arena& scratch = *ctx.scratch;
  const int64_t n = x.shape[0], prompt = step.num_prompt_tokens;
  MlaSaved s;
  if (q_a_.weight) {
    const int64_t rank = q_a_.weight->master().shape[0];
    s.q_a = scratch.take(x.dtype, {n, rank}), s.c_q = scratch.take(x.dtype, {n, rank});
  }
  s.kv_a = scratch.take(x.dtype, {n, latent_ + dr_}), s.c_kv = scratch.take(x.dtype, {n, latent_});
  s.q = scratch.take(x.dtype, {n, heads_, dn_ + dr_});
  project(ctx, step.positions, x, s);
  ctx.backend->scatter(ctx, {.src = s.c_kv, .index = step.slots, .dst = cache.latent.slice(1, 0, latent_)});
  ctx.backend->scatter(ctx, {.src = s.kv_a.slice(1, latent_, latent_ + dr_),
                             .index = step.slots,
                             .dst = cache.latent.slice(1, latent_, latent_ + dr_)});
  const Operand o = scratch.take(x.dtype, {n, heads_, dv_});
  if (prompt > 0) attend_prompts(ctx, step, s.q.slice(0, 0, prompt), o.slice(0, 0, prompt), cache);
  if (prompt < n) attend_answers(ctx, step, s.q.slice(0, prompt, n), o.slice(0, prompt, n), cache);
  o_.forward(ctx, o.merged(1), y);
}

void Mla::attend_prompts(const Context& ctx, const Step& step, const Operand& q, const Operand& o,
                         const LayerCache& cache) const {
  const ArenaScope scope(*ctx.scratch);
  const int64_t keys = step.key_offsets.back(), width = latent_ + dr_;
  const Operand cached = ctx.scratch->take(q.dtype, {keys, width});
  ctx.backend->gather(ctx, {.src = cache.latent, .index = step.key_slots, .dst = cached});
  const Operand kv = ctx.scratch->take(q.dtype, {keys, heads_, dn_ + dv_});
  kv_b_.forward(ctx, cached.slice(1, 0, latent_), kv.merged(1));
  ctx.backend->attention(ctx, {.q = q,
                               .k = kv.slice(2, 0, dn_),
                               .k_rope = cached.slice(1, latent_, width),
                               .v = kv.slice(2, dn_, dn_ + dv_),
                               .out = o,
                               .scale = scale_,
                               .sequence_offsets = step.query_offsets.data(),
                               .num_sequences = int64_t(step.query_offsets.size()) - 1,
                               .key_offsets = step.key_offsets.data(),
                               .compute = kv_b_.weight->compute()});
}

void Mla::attend_answers(const Context& ctx, const Step& step, const Operand& q, const Operand& o,
                         const LayerCache& cache) const {
  const ArenaScope scope(*ctx.scratch);
  const int64_t n = q.shape[0], width = latent_ + dr_;
  const DType compute = kv_b_.weight->compute();
  const Operand up = kv_b_.weight->master().split(0, dn_ + dv_);                                  // [H, dn+dv, d_c]
  const Operand w_uk = kv_b_.weight->form(ctx, 1, up.slice(1, 0, dn_));                           // [H, dn, d_c]
  const Operand w_uv = kv_b_.weight->form(ctx, 2, up.slice(1, dn_, dn_ + dv_).transposed(1, 2));  // [H, d_c, dv]

  const Operand absorbed = ctx.scratch->take(q.dtype, {n, heads_, width});
  ctx.backend->gemm(ctx, {.a = q.slice(2, 0, dn_).transposed(0, 1),
                          .b = w_uk,
                          .c = absorbed.slice(2, 0, latent_).transposed(0, 1),
                          .compute = compute,
                          .grouping = Grouping::batch});  // q̃_i = W_UK_iᵀ q_i^C
  ctx.backend->copy(ctx, {.src = q.slice(2, dn_, dn_ + dr_), .dst = absorbed.slice(2, latent_, width)});

  const Operand keys = cache.latent.split(1, width);  // one "kv head" of d_c + dr
  const Operand z = ctx.scratch->take(q.dtype, {n, heads_, latent_});
  ctx.backend->cached_attention(ctx, {.q = absorbed,
                                      .k = keys,
                                      .v = keys.slice(2, 0, latent_),
                                      .out = z,
                                      .row_offsets = step.row_offsets,
                                      .length = step.length,
                                      .block_table = step.block_table,
                                      .page = step.page,
                                      .max_length = step.max_length,
                                      .scale = scale_,
                                      .compute = compute});  // z_i = Σ_j p_j c_j
  ctx.backend->gemm(ctx, {.a = z.transposed(0, 1),
                          .b = w_uv,
                          .c = o.transposed(0, 1),
                          .compute = compute,
                          .grouping = Grouping::batch});  // o_i = W_UV_i z_i
}

}  // namespace minke
