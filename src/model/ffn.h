// SwiGLU feed-forward: y = W_down( silu(W_gate x) ⊙ W_up x ) (docs/recipe/architecture.md §1). W_gate and W_up are one
// matrix [2F,d], gate rows first, so one product reads x once. Used by dense layers and by the shared experts.
// Test: tests/model/layers_test.cpp.
#pragma once
#include "core/memory.h"
#include "model/layers.h"
#include "model/precision.h"
#include "model/weight_store.h"

namespace minke {

struct FfnSaved {
  Operand gate_up, h;  // [N,2F], [N,F] = silu(gate)·up
};
struct FfnWork {
  Operand d_gate_up;  // [N,2F]
};

struct Ffn {
  Linear gate_up, down;

  Ffn(WeightStore& weights, const std::string& prefix)
      : gate_up{weights.get(prefix + "gate_up")}, down{weights.get(prefix + "down")} {}

  static FfnSaved lay_out_saved(Arena& arena, int64_t width, const Precision& p, int64_t n) {
    return {arena.take(p.activation, {n, 2 * width}), arena.take(p.activation, {n, width})};
  }
  static FfnWork lay_out_work(Arena& arena, int64_t width, const Precision& p, int64_t n) {
    return {arena.take(p.activation, {n, 2 * width})};
  }

  void forward(const Context& ctx, const Operand& x, const Operand& y, const FfnSaved& s) const {
    gate_up.forward(ctx, x, s.gate_up);
    ctx.backend->swiglu(ctx, {.gate_up = s.gate_up, .y = s.h});
    down.forward(ctx, s.h, y);
  }
  void backward_input(const Context& ctx, const Operand& dy, const Operand& dx, const FfnSaved& s,
                      const FfnWork& w) const {
    const ArenaScope scope(*ctx.scratch);
    const Operand dh = ctx.scratch->take(s.h.dtype, {s.h.shape[0], s.h.shape[1]});
    down.backward_input(ctx, dy, dh);
    ctx.backend->swiglu_backward(ctx, {.gate_up = s.gate_up, .dy = dh, .d_gate_up = w.d_gate_up, .d_row_weight = {}});
    gate_up.backward_input(ctx, w.d_gate_up, dx);
  }
  void backward_weight(const Context& ctx, const Operand& x, const Operand& dy, const FfnSaved& s,
                       const FfnWork& w) const {
    down.backward_weight(ctx, s.h, dy);
    gate_up.backward_weight(ctx, x, w.d_gate_up);
  }
};

}  // namespace minke
