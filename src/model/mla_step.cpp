// MLA in a step of inference, in both forms (V2 appendix C, last paragraph; docs/recipe/architecture.md §2.3). Naive: keys
// and values are expanded from the latents. Absorbed:
//   q̃_i = W_UK_iᵀ q_i^C,  score = scale·(q̃_i·c_j + q_i^R·k_j^R),  o_i = W_UV_i Σ_j p_j c_j.
// It reads d_c + dr values a cached token, where the naive form would read H(dn+dv) + dr.
#include "model/mla.h"

namespace minke {
namespace {

void store_keys(const Context& ctx, const Operand& latent, const Operand& rope, const Operand& slots,
                const Operand& cache) {
  if (cache.dtype == DType::u8)
    return ctx.backend->store_latents(ctx, {.latent = latent, .rope = rope, .index = slots, .cache = cache});
  const int64_t channels = latent.shape[1], width = cache.shape[1];
  ctx.backend->scatter(ctx, {.src = latent, .index = slots, .dst = cache.slice(1, 0, channels)});
  ctx.backend->scatter(ctx, {.src = rope, .index = slots, .dst = cache.slice(1, channels, width)});
}

// to [keys, channels + rotary]
void load_keys(const Context& ctx, const Operand& cache, const Operand& slots, int64_t channels, const Operand& to) {
  if (cache.dtype == DType::u8)
    return ctx.backend->load_latents(ctx, {.cache = cache,
                                           .index = slots,
                                           .latent = to.slice(1, 0, channels),
                                           .rope = to.slice(1, channels, to.shape[1])});
  ctx.backend->gather(ctx, {.src = cache, .index = slots, .dst = to});
}

}  // namespace

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
  store_keys(ctx, s.c_kv, s.kv_a.slice(1, latent_, latent_ + dr_), step.slots, cache.latent);
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
  load_keys(ctx, cache.latent, step.key_slots, latent_, cached);
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
  const Operand w_uk = kv_b_.weight->form(ctx, w_uk_), w_uv = kv_b_.weight->form(ctx, w_uv_);

  const Operand absorbed = ctx.scratch->take(q.dtype, {n, heads_, width});
  ctx.backend->gemm(ctx, {.a = q.slice(2, 0, dn_).transposed(0, 1),
                          .b = w_uk,
                          .c = absorbed.slice(2, 0, latent_).transposed(0, 1),
                          .compute = compute,
                          .grouping = Grouping::batch});  // q̃_i = W_UK_iᵀ q_i^C
  ctx.backend->copy(ctx, {.src = q.slice(2, dn_, dn_ + dr_), .dst = absorbed.slice(2, latent_, width)});

  const Operand keys = cache.latent.split(1, cache.latent.shape[1]);  // one "kv head" of d_c + dr
  const Operand z = ctx.scratch->take(q.dtype, {n, heads_, latent_});
  ctx.backend->cached_attention(ctx, {.q = absorbed,
                                      .k = keys,
                                      .v = keys.dtype == DType::u8 ? Operand{} : keys.slice(2, 0, latent_),
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
