#include "model/lm_head.h"

#include <algorithm>

namespace minke {

int64_t LmHead::chunk_rows() const {
  constexpr int64_t kChunkElements = int64_t(2) << 20;  // 8 MiB of f32 logits: stays in the last-level cache
  const int64_t vocab = head_.weight->master().shape[0];
  return std::clamp<int64_t>(kChunkElements / vocab / 64 * 64, 64, 4096);
}

void LmHead::logits_to_host(const Context& ctx, const Operand& h, float* out) const {
  const int64_t n = h.shape[0], vocab = head_.weight->master().shape[0];
  for (int64_t begin = 0; begin < n; begin += kHostRows) {
    const int64_t end = std::min(n, begin + kHostRows);
    const ArenaScope scope(*ctx.scratch);
    const Operand rows = ctx.scratch->take(DType::f32, {end - begin, vocab});
    logits(ctx, h.slice(0, begin, end), rows);
    ctx.backend->download(ctx, {.device = rows, .host = out + begin * vocab});
  }
}

void LmHead::loss(const Context& ctx, const Operand& h, const Operand& target, const Operand& loss, double grad_scale,
                  const Operand& dh) const {
  const int64_t n = h.shape[0], vocab = head_.weight->master().shape[0], chunk = chunk_rows();
  for (int64_t begin = 0; begin < n; begin += chunk) {
    const int64_t end = std::min(n, begin + chunk);
    const ArenaScope scope(*ctx.scratch);
    const Operand logits = ctx.scratch->take(high_, {end - begin, vocab});
    const Operand rows = h.slice(0, begin, end);
    head_.forward(ctx, rows, logits);
    ctx.backend->cross_entropy(ctx, {.logits = logits,
                                     .target = target.slice(0, begin, end),
                                     .loss = loss.slice(0, begin, end),
                                     .gradient = bool(dh),
                                     .grad_scale = grad_scale});
    if (!dh) continue;
    head_.backward_input(ctx, logits, dh.slice(0, begin, end));
    head_.backward_weight(ctx, rows, logits);
  }
}

}  // namespace minke
