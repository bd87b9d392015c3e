// Rotary position embedding: the table of angles of a config (docs/recipe/architecture.md §5) on the device, and its
// application in place. Pairs are adjacent (MLA) or split halves (Llama, Qwen folders): Config::rope_interleave.
// Test: tests/spec/rope_test.cpp.
#pragma once
#include "kernels/backend.h"
#include "spec/config.h"

namespace minke {

class Rope {
 public:
  Rope() = default;
  Rope(const Context& ctx, const Config& config, int64_t max_positions, DType dtype);

  // x [N,H,D] rotated in place by its positions i32 [N].
  void forward(const Context& ctx, const Operand& x, const Operand& positions) const {
    apply(ctx, x, positions, false);
  }
  void backward(const Context& ctx, const Operand& dx, const Operand& positions) const {
    apply(ctx, dx, positions, true);
  }
  int64_t max_positions() const { return table_.operand().shape[0]; }

 private:
  void apply(const Context& ctx, const Operand& x, const Operand& positions, bool inverse) const {
    ctx.backend->rope(
        ctx, {.x = x, .positions = positions, .table = table_, .interleaved = interleaved_, .inverse = inverse});
  }
  Tensor table_;  // [P,D]: cos of the D/2 angles, then sin
  bool interleaved_ = true;
};

}  // namespace minke
