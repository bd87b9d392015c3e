// Absorbed MLA (V2 appendix C, last paragraph; docs/recipe/architecture.md §2.3), beside the naive one of mla.cpp:
//   q̃_i = W_UK_iᵀ q_i^C,  score = scale·(q̃_i·c_j + q_i^R·k_j^R),  o_i = W_UV_i Σ_j p_j c_j.
// It reads d_c + dr values a cached token, where naive MLA would read H(dn+dv) + dr.
#include "model/mla.h"

namespace minke {

void Mla::forward_cached(const Context& ctx, const Batch& batch, const Operand& x, const Operand& y, const MlaSaved& s,
                         const LayerCache& cache) const {
  const int64_t n = x.shape[0];
  check(cache.length + n <= cache.latent.shape[0], "Mla::forward_cached: the cache is full");
  project(ctx, batch, x, s);
  const Operand rows = cache.latent.slice(0, cache.length, cache.length + n);
  ctx.backend->copy(ctx, {.src = s.c_kv, .dst = rows.slice(1, 0, latent_)});
  ctx.backend->copy(ctx,
                    {.src = s.kv_a.slice(1, latent_, latent_ + dr_), .dst = rows.slice(1, latent_, latent_ + dr_)});
  // Nothing cached before: every key is one of these tokens, and expanding them costs less than absorbing (§2.3).
  if (cache.length == 0 && n > 1) attend_naive(ctx, batch, y, s);
  else attend_absorbed(ctx, y, s, cache);
}

void Mla::attend_absorbed(const Context& ctx, const Operand& y, const MlaSaved& s, const LayerCache& cache) const {
  const ArenaScope scope(*ctx.scratch);
  const int64_t n = s.q.shape[0], width = latent_ + dr_;
  const DType compute = kv_b_.weight->compute();
  const Operand up = kv_b_.weight->master().split(0, dn_ + dv_);                                  // [H, dn+dv, d_c]
  const Operand w_uk = kv_b_.weight->form(ctx, 1, up.slice(1, 0, dn_));                           // [H, dn, d_c]
  const Operand w_uv = kv_b_.weight->form(ctx, 2, up.slice(1, dn_, dn_ + dv_).transposed(1, 2));  // [H, d_c, dv]

  const Operand q = ctx.scratch->take(s.q.dtype, {n, heads_, width});
  ctx.backend->gemm(ctx, {.a = s.q.slice(2, 0, dn_).transposed(0, 1),
                          .b = w_uk,
                          .c = q.slice(2, 0, latent_).transposed(0, 1),
                          .compute = compute,
                          .grouping = Grouping::batch});  // q̃_i = W_UK_iᵀ q_i^C
  ctx.backend->copy(ctx, {.src = s.q.slice(2, dn_, dn_ + dr_), .dst = q.slice(2, latent_, width)});

  const int64_t cached = cache.length + n;
  const Operand keys = cache.latent.slice(0, 0, cached).split(1, width);  // one "kv head" of d_c + dr
  const Operand z = ctx.scratch->take(s.q.dtype, {n, heads_, latent_});
  ctx.backend->cached_attention(ctx, {.q = q,
                                      .k = keys,
                                      .v = keys.slice(2, 0, latent_),
                                      .out = z,
                                      .cached = cached,
                                      .scale = scale_,
                                      .compute = compute});  // z_i = Σ_j p_j c_j
  ctx.backend->gemm(ctx, {.a = z.transposed(0, 1),
                          .b = w_uv,
                          .c = s.o.transposed(0, 1),
                          .compute = compute,
                          .grouping = Grouping::batch});  // o_i = W_UV_i z_i
  o_.forward(ctx, s.o.merged(1), y);
}

}  // namespace minke
