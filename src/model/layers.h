// The two basic layers. A layer is a plain struct that does not own its weights; the caller passes what forward saved to
// backward. backward_input overwrites dx (or adds, where stated); backward_weight adds to the gradients.
// Tests: tests/model/layers_test.cpp.
#pragma once
#include "model/weight.h"

namespace minke {

// y = x Wᵀ (+ b): x [N,in] → y [N,out]. Grouped over experts: W [E,out,in], rows sorted by expert, offsets i32 [E+1].
struct Linear {
  Weight* weight = nullptr;
  Weight* bias = nullptr;

  void forward(const Context& ctx, const Operand& x, const Operand& y, const Operand& offsets = {}) const {
    ctx.backend->gemm(ctx, {.a = x,
                            .b = weight->forward(ctx),
                            .c = y,
                            .compute = weight->products(),
                            .grouping = offsets ? Grouping::rows : Grouping::none,
                            .offsets = offsets});
    if (bias) ctx.backend->add_bias(ctx, {.y = y, .bias = bias->master()});
  }
  void backward_input(const Context& ctx, const Operand& dy, const Operand& dx, bool accumulate = false,
                      const Operand& offsets = {}) const {
    ctx.backend->gemm(ctx, {.a = dy,
                            .b = weight->backward(),
                            .c = dx,
                            .compute = weight->compute(),
                            .accumulate = accumulate,
                            .grouping = offsets ? Grouping::rows : Grouping::none,
                            .offsets = offsets});
  }
  void backward_weight(const Context& ctx, const Operand& x, const Operand& dy, const Operand& offsets = {}) const {
    ctx.backend->gemm(ctx, {.a = dy.transposed(),
                            .b = x,
                            .c = weight->grad(),
                            .compute = weight->compute(),
                            .accumulate = true,
                            .grouping = offsets ? Grouping::inner : Grouping::none,
                            .offsets = offsets});
    if (bias) ctx.backend->bias_grad(ctx, {.dy = dy, .dbias = bias->grad()});
  }
};

// y = x / sqrt(mean(x²) + eps) ⊙ g over the last axis; x [N,D] or [N,H,D], rstd [N] or [N,H].
struct RmsNorm {
  Weight* gain = nullptr;
  double eps = 1e-6;

  void forward(const Context& ctx, const Operand& x, const Operand& y, const Operand& rstd = {}) const {
    ctx.backend->rms_norm(ctx, {.x = x, .gain = gain->master(), .y = y, .rstd = rstd, .eps = eps});
  }
  void backward_input(const Context& ctx, const Operand& x, const Operand& rstd, const Operand& dy, const Operand& dx,
                      bool accumulate = false) const {
    ctx.backend->rms_norm_backward(
        ctx, {.x = x, .gain = gain->master(), .rstd = rstd, .dy = dy, .dx = dx, .accumulate = accumulate});
  }
  void backward_weight(const Context& ctx, const Operand& x, const Operand& rstd, const Operand& dy) const {
    ctx.backend->rms_norm_gain(ctx, {.x = x, .rstd = rstd, .dy = dy, .dgain = gain->grad()});
  }
};

}  // namespace minke
