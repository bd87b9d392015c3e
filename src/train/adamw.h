// AdamW over all trainable weights of a model, with the global gradient-norm clip (docs/recipe/training.md §1: β
// 0.9/0.95, decay 0.1, clip 1.0; decay only where the parameter table says). FP32 masters; the moments' dtype is a
// setting. Test: tests/train/trainer_test.cpp.
#pragma once
#include <deque>
#include <string>
#include <vector>

#include "model/model.h"

namespace minke {

struct AdamWSettings {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
  double clip = 1.0;           // of the global norm; 0 = off
  DType moments = DType::f32;  // or bf16 (V3 §3.3)
};

class AdamW {
 public:
  AdamW(const Context& ctx, WeightStore& weights, const AdamWSettings& settings);

  // Norm of all gradients together. It downloads the result and so waits for all work before it.
  double gradient_norm(const Context& ctx);
  // One update from the gradients, whose norm is given (finite), scaled to the clip; marks the weights changed.
  void step(const Context& ctx, double lr, int64_t step, double norm);

  void clear_gradients(const Context& ctx) const;
  // Everything to save, by name: "m.<storage>", "v.<storage>".
  std::vector<std::pair<std::string, Operand>> state() const;

 private:
  AdamWSettings settings_;
  std::vector<Weight*> weights_;
  std::deque<Tensor> moments_;  // m, v per weight
  std::vector<AdamTensor> tensors_;
  std::vector<Operand> grads_;
  Tensor squares_;
  std::vector<double> host_squares_;
};

}  // namespace minke
