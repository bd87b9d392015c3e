// The head of a critic or a reward model: v = w · h, one number for each position. A critic has its squared error ½(v − target)²
// (PPO, arXiv:1707.06347 §3, L^VF; docs/recipe/post-training.md §3), a reward model the pairwise one, −log σ(v − v of the rival)
// (R1 §2.3.4; docs/recipe/post-training.md §2). Held and multiplied in `high`, as the router. Test: tests/model/value_head_test.cpp.
#pragma once
#include "core/memory.h"
#include "model/batch.h"
#include "model/layers.h"

namespace minke {

class ValueHead {
 public:
  explicit ValueHead(Weight* weight) : head_{weight} {}  // [1,d]

  // h [N,d] → batch.value [N]; loss high [N]: the error of each position that has a target, 0 elsewhere. With dh [N,d]: the gradient
  // of grad_scale · Σ weight·loss (pairs have no weights); dh is written, and the head's gradient gets its share. With neither
  // batch.value_target nor batch.rival: values only.
  void loss(const Context& ctx, const Operand& h, const Batch& batch, const Operand& loss, double grad_scale = 0,
            const Operand& dh = {}) const {
    const int64_t n = h.shape[0];
    const ArenaScope scope(*ctx.scratch);
    head_.forward(ctx, h, as_column(batch.value));
    if (!batch.value_target && !batch.rival) return ctx.backend->fill(ctx, {.dst = loss, .value = 0});
    const Operand dv = dh ? ctx.scratch->take(loss.dtype, {n}) : Operand{};
    if (batch.rival)
      ctx.backend->pair_loss(ctx, {.value = batch.value,
                                   .target = batch.targets,
                                   .rival = batch.rival,
                                   .loss = loss,
                                   .gradient = dv,
                                   .grad_scale = grad_scale});
    else
      ctx.backend->value_loss(ctx, {.value = batch.value,
                                    .target = batch.targets,
                                    .value_target = batch.value_target,
                                    .weight = batch.weight,
                                    .loss = loss,
                                    .gradient = dv,
                                    .grad_scale = grad_scale});
    if (!dh) return;
    head_.backward_input(ctx, as_column(dv), dh);
    head_.backward_weight(ctx, h, as_column(dv));
  }

 private:
  static Operand as_column(const Operand& o) { return o.split(0, 1); }
  Linear head_;
};

}  // namespace minke
