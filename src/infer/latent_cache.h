// The memory of the KV cache of one sequence: for MLA kv_lora_rank + qk_rope_head_dim values per token and layer (V2
// §2.1.4, docs/recipe/architecture.md §2.4), for GQA keys and values. Test: tests/infer/generate_test.cpp.
#pragma once
#include <span>
#include <vector>

#include "model/model.h"

namespace minke {

class LatentCache {
 public:
  LatentCache(const Context& ctx, const Model& model, int64_t max_tokens);

  std::span<LayerCache> layers() { return layers_; }
  int64_t length() const { return layers_.empty() ? 0 : layers_[0].length; }
  int64_t capacity() const { return max_tokens_; }
  size_t bytes() const;
  // Keeps the first `length` tokens and drops the others.
  void truncate(int64_t length);

 private:
  std::vector<Tensor> memory_;
  std::vector<LayerCache> layers_;
  int64_t max_tokens_;
};

}  // namespace minke
