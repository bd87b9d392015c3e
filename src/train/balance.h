// Load of the experts and V3's bias update (V3 §2.1.2, recipe/training.md §4.3, §4.5). Counts cover the whole global
// batch of one optimizer step. MaxVio = max_i (load_i − mean) / mean. Test: tests/train/trainer_test.cpp.
#pragma once
#include <vector>

#include "model/model.h"

namespace minke {

struct LayerLoad {
  int64_t layer = 0;
  std::vector<int32_t> tokens;  // per expert
  double max_over_mean() const;
  double max_violation() const { return max_over_mean() - 1; }
};

// Downloads the counters of every MoE layer.
std::vector<LayerLoad> expert_load(const Context& ctx, const Model& model);
// b_i += speed · sign(mean − load_i) in every MoE layer that has a bias. speed 0 leaves it.
void update_bias(const Context& ctx, Model& model, double speed);
void clear_load(const Context& ctx, Model& model);

}  // namespace minke
