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

void LmHead::loss(const Context& ctx, const Operand& h, const Batch& batch, const Operand& loss, double grad_scale,
                  const Operand& dh) const {
  const int64_t n = h.shape[0], vocab = head_.weight->master().shape[0], chunk = chunk_rows();
  const Objective& objective = batch.objective;
  const bool by_policy = dh && objective.policy, by_teacher = batch.soft_token && objective.soft_share > 0;
  check(!by_teacher || (!objective.policy && objective.inverse_temperature == 1 && !batch.entropy),
        "LmHead::loss: a teacher's distribution is learned at temperature 1, and without a policy");
  const auto backward = [&](const Operand& rows, const Operand& logits, int64_t begin, int64_t end) {
    if (!dh) return;
    head_.backward_input(ctx, logits, dh.slice(0, begin, end));
    head_.backward_weight(ctx, rows, logits);
  };
  for (int64_t begin = 0; begin < n; begin += chunk) {
    const int64_t end = std::min(n, begin + chunk);
    const auto part = [&](const Operand& o) { return o ? o.slice(0, begin, end) : Operand{}; };
    const ArenaScope scope(*ctx.scratch);
    const Operand logits = ctx.scratch->take(high_, {end - begin, vocab});
    const Operand rows = part(h);
    head_.forward(ctx, rows, logits);
    if (by_teacher) {
      ctx.backend->soft_cross_entropy(ctx, {.logits = logits,
                                            .target = part(batch.targets),
                                            .soft_token = part(batch.soft_token),
                                            .probability = part(batch.soft_probability),
                                            .share = objective.soft_share,
                                            .loss = part(loss),
                                            .weight = part(batch.weight),
                                            .gradient = bool(dh),
                                            .grad_scale = grad_scale});
      backward(rows, logits, begin, end);
      continue;
    }
    CrossEntropyArgs args{.logits = logits,
                          .target = part(batch.targets),
                          .loss = part(loss),
                          .weight = part(batch.weight),
                          .entropy = part(batch.entropy),
                          .inverse_temperature = objective.inverse_temperature,
                          .gradient = dh && !by_policy,
                          .grad_scale = grad_scale};
    ctx.backend->cross_entropy(ctx, args);
    if (by_policy) {  // what a token weighs depends on its probability
      args.weight = ctx.scratch->take(high_, {end - begin});
      args.entropy = {};
      args.gradient = true;
      ctx.backend->policy_weight(ctx, {.loss = args.loss,
                                       .token_weight = part(batch.weight),
                                       .advantage = part(batch.advantage),
                                       .old_loss = part(batch.old_loss),
                                       .reference_loss = part(batch.reference_loss),
                                       .terms = *objective.policy,
                                       .weight = args.weight});
      ctx.backend->cross_entropy(ctx, args);
    }
    backward(rows, logits, begin, end);
  }
}

}  // namespace minke
