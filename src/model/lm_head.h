// The LM head and its loss: logits = W_head h; mean next-token cross-entropy in nats. Logits of all tokens are never
// held: the loss runs over chunks of rows, whose logits become their own gradient in place and are spent at once on both
// dh and the head's weight gradient (so B and W are one here). Test: tests/model/layers_test.cpp.
#pragma once
#include "core/memory.h"
#include "model/batch.h"
#include "model/layers.h"
#include "model/precision.h"

namespace minke {

class LmHead {
 public:
  LmHead(Weight* weight, const Precision& precision) : head_{weight}, high_(precision.high) {}

  // h [n,d] → out [n,V] (high or f32).
  void logits(const Context& ctx, const Operand& h, const Operand& out) const { head_.forward(ctx, h, out); }

  // Logits of all rows of h on the host: f32 [n,V]; on the device kHostRows at a time, in scratch.
  static constexpr int64_t kHostRows = 64;
  void logits_to_host(const Context& ctx, const Operand& h, float* out) const;

  // h [N,d] → loss high [N]: −log probability of each of the batch's targets, or its mean with that of a teacher's distribution
  // (objective.soft_share), 0 where there is no target; entropy if the batch has a place for it. With dh [N,d]: the gradient of grad_scale · Σ of what the batch's objective makes of the losses; dh is
  // written, and the head's gradient gets its share.
  void loss(const Context& ctx, const Operand& h, const Batch& batch, const Operand& loss, double grad_scale = 0,
            const Operand& dh = {}) const;

  // Rows per chunk: a function of the vocabulary alone, so that the order of additions is, too.
  int64_t chunk_rows() const;

 private:
  Linear head_;
  DType high_;
};

}  // namespace minke
