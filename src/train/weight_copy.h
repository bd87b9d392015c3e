// A second set of a model's weights, in the masters' dtype, that can take their place for a while: the average of pre-training, the
// reference policy of RL. Test: tests/train/trainer_test.cpp.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "model/model.h"

namespace minke {

class WeightCopy {
 public:
  // Of the weights as they are now. The model outlives the copy.
  WeightCopy(const Context& ctx, Model& model);
  void refresh(const Context& ctx);  // as they are now
  // Runs f while the copy replaces the weights, and they it.
  void with(const Context& ctx, const std::function<void()>& f);
  // In the order of the model's weights.
  const std::deque<Tensor>& tensors() const { return copies_; }
  // To save and load, by name: prefix + storage.
  std::vector<std::pair<std::string, Operand>> state(const std::string& prefix) const;

 private:
  Model* model_;
  std::deque<Tensor> copies_;
};

}  // namespace minke
