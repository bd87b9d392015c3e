#include "infer/latent_cache.h"

namespace minke {

LatentCache::LatentCache(const Context& ctx, const Model& model, int64_t max_tokens) : max_tokens_(max_tokens) {
  const Config& c = model.config();
  const DType dtype = model.precision().activation;
  for (int64_t l = 0; l < c.num_hidden_layers; ++l) {
    LayerCache layer;
    if (c.attention == AttentionKind::mla) {
      memory_.emplace_back(ctx.backend->memory(), dtype,
                           std::initializer_list<int64_t>{max_tokens, c.kv_lora_rank + c.qk_rope_head_dim});
      layer.latent = memory_.back();
    } else {
      memory_.emplace_back(ctx.backend->memory(), dtype,
                           std::initializer_list<int64_t>{max_tokens, c.num_key_value_heads, c.head_dim});
      layer.k = memory_.back();
      memory_.emplace_back(ctx.backend->memory(), dtype,
                           std::initializer_list<int64_t>{max_tokens, c.num_key_value_heads, c.head_dim});
      layer.v = memory_.back();
    }
    layers_.push_back(layer);
  }
}

size_t LatentCache::bytes() const {
  size_t bytes = 0;
  for (const Tensor& t : memory_) bytes += t.operand().bytes();
  return bytes;
}

void LatentCache::truncate(int64_t length) {
  check(0 <= length && length <= this->length(), "LatentCache::truncate");
  for (LayerCache& l : layers_) l.length = length;
}

}  // namespace minke
