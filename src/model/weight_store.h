// WeightStore: every weight of a model by the name of its storage (spec/parameters.h). Layers borrow from it by name;
// the checkpoint, the optimizer and the initialiser walk it. Test: tests/model/checkpoint_test.cpp.
#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "model/precision.h"
#include "model/weight.h"

namespace minke {

// What a model says at each position: the next token's distribution, or, as a critic or a reward model, one number
// (model/value_head.h).
enum class Head : uint8_t { tokens, value };

// "layers.3.": where the weights of layer 3 begin.
inline std::string layer_prefix(int64_t layer) { return "layers." + std::to_string(layer) + "."; }

class WeightStore {
 public:
  // All storages of the config, zero-filled. The router is held and multiplied in `high`, gains and biases are held in it; so is
  // a value head ("value_head"), which takes the place of lm_head.
  WeightStore(const Context& ctx, const Config& config, const Precision& precision, Head head = Head::tokens);

  Weight* find(std::string_view storage_name) { return lookup(storage_name); }  // null if the config has none such
  const Weight* find(std::string_view storage_name) const { return lookup(storage_name); }
  Weight* get(std::string_view storage_name) { return existing(storage_name); }  // BugError if there is none
  const Weight* get(std::string_view storage_name) const { return existing(storage_name); }
  std::deque<Weight>& all() { return weights_; }
  const std::deque<Weight>& all() const { return weights_; }

  // Normal(0, stddev) by (seed, storage name, element), ones and zeros as the table says.
  void initialise(const Context& ctx, double stddev);
  void with_gradients(const Context& ctx);
  // In the order in which they are loaded: while a weight is packed it is in memory twice, and best there is little else then.
  std::vector<Weight*> largest_first();

 private:
  Weight* lookup(std::string_view storage_name) const;
  Weight* existing(std::string_view storage_name) const;
  std::deque<Weight> weights_;  // a deque: layers keep pointers
  std::unordered_map<std::string, Weight*> by_name_;
};

}  // namespace minke
