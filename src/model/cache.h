// LayerCache: the keys and values of one sequence in one layer, as one device view. MLA caches the normalised latent and
// the rotated shared key: kv_lora_rank + qk_rope_head_dim values a token (docs/recipe/architecture.md §2.4), GQA keys
// and values. The memory belongs to infer/latent_cache.h.
#pragma once
#include "core/operand.h"

namespace minke {

struct LayerCache {
  Operand latent;      // MLA: [T, kv_lora_rank + qk_rope_head_dim]
  Operand k, v;        // GQA: [T, Hkv, dh]
  int64_t length = 0;  // tokens already in it
};

}  // namespace minke
