// Load of the experts and V3's bias update (V3 §2.1.2, docs/recipe/training.md §4.3, §4.5). Counts cover the whole
// global batch of one optimizer step. MaxVio = max_i (load_i − mean) / mean. Test: tests/train/trainer_test.cpp.
#pragma once
#include <vector>

#include "model/model.h"

namespace minke {

struct LayerLoad {
  int64_t layer = 0;
  std::vector<int32_t> tokens;  // per expert; those dropped afterwards count
  int32_t dropped = 0;          // assignments (V2's token dropping)
  double max_over_mean() const;
  double max_violation() const { return max_over_mean() - 1; }
};

// MaxVio of every layer over the last 100 batches, because a single batch is noisy (Loss-Free paper §4.1). Part of the
// resumable state.
class LoadWindow {
 public:
  static constexpr size_t kBatches = 100;
  struct Layer {
    int64_t layer = 0;
    double max_violation = 0;  // mean over the batches
  };
  void add(const std::vector<LayerLoad>& batch);
  std::vector<Layer> layers() const;
  double mean() const;  // over layers; 0 without any
  Layer worst() const;

  size_t num_batches() const { return layer_.empty() ? 0 : rows_.size() / layer_.size(); }
  // One row per batch, oldest first: MaxVio of each layer.
  std::vector<std::vector<double>> batches() const;
  const std::vector<int64_t>& layer_numbers() const { return layer_; }
  void restore(std::vector<int64_t> layers, const std::vector<std::vector<double>>& batches);

 private:
  Layer layer(size_t index) const;
  std::vector<int64_t> layer_;
  std::vector<double> rows_;  // [batches, layers]
};

// Downloads the counters of every MoE layer into `load`.
void read_expert_load(const Context& ctx, const Model& model, std::vector<LayerLoad>& load);
// b_i += speed · sign(mean − load_i) in every MoE layer that has a bias. With speed 0 the bias does not change.
void update_bias(const Context& ctx, Model& model, double speed);
void clear_load(const Context& ctx, Model& model);

}  // namespace minke
