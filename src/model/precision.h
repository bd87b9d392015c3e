// Precision: the number format of each kind of tensor, decided in this one place.
// f64 exists for gradient checks of the whole model on the reference backend.
#pragma once
#include "core/types.h"

namespace minke {

struct BlockWeights;  // model/block_weights.h

struct Precision {
  DType master = DType::f32;      // parameters, their gradients
  DType residual = DType::f32;    // residual stream and its gradient: small models lose digits in a bf16 sum
  DType activation = DType::f32;  // what linear layers read and write, and what is saved for the backward
  DType compute = DType::f32;     // format in which matrix products multiply (sums are f32)
  DType high = DType::f32;        // router, norm statistics, softmax sums, losses; norms' gains and biases
  // The weights do not change: there are no gradients, and of each weight there is one copy (Weight::keep_packed).
  bool frozen = false;
  // Which weights are held in quantised blocks, if frozen; null = none.
  const BlockWeights* blocks = nullptr;
  // Products with those of them whose values are integers with scales round activations to 8 bits (GemmArgs::compute = i8),
  // of prompts and of answers alike; else all products are in `compute`.
  bool integer_products = false;

  static constexpr Precision f32() { return {}; }
  static constexpr Precision bf16() { return {.activation = DType::bf16, .compute = DType::bf16}; }
  // The same for a model whose weights do not change: one copy of each, in the format in which it is multiplied.
  constexpr Precision for_inference() const {
    Precision p = *this;
    p.master = compute;
    p.frozen = true;
    return p;
  }
  static constexpr Precision f64() { return {DType::f64, DType::f64, DType::f64, DType::f64, DType::f64}; }
};

}  // namespace minke
