// Tiny models for tests: every kind of layer at sizes that a finite-difference check can afford, and random token batches.
#pragma once
#include <vector>

#include "core/rng.h"
#include "spec/config.h"

namespace minke::test {

// V3-style: MLA with query compression, one dense layer, two MoE layers (6 experts in 3 groups keeping 2, top 2, one
// shared), `mtp` MTP modules. Sizes are odd on purpose.
inline Config tiny_v3(int64_t mtp = 0, bool query_compression = true) {
  Config c;
  c.model_type = ModelType::deepseek_v3;
  c.vocab_size = 23;
  c.hidden_size = 10;
  c.num_hidden_layers = 3;
  c.max_position_embeddings = 64;
  c.num_attention_heads = c.num_key_value_heads = 2;
  c.q_lora_rank = query_compression ? 7 : 0;
  c.kv_lora_rank = 5;
  c.qk_nope_head_dim = 3;
  c.qk_rope_head_dim = 4;
  c.v_head_dim = 5;
  c.intermediate_size = 11;
  c.n_routed_experts = 6;
  c.n_shared_experts = 1;
  c.num_experts_per_tok = 2;
  c.moe_intermediate_size = 6;
  c.first_k_dense_replace = 1;
  c.n_group = 3;
  c.topk_group = 2;
  c.scoring_func = ScoringFunc::sigmoid;
  c.topk_method = TopkMethod::noaux_tc;
  c.gate_bias = true;
  c.norm_topk_prob = true;
  c.routed_scaling_factor = 2.5;
  c.num_nextn_predict_layers = mtp;
  return c;
}

// V2-style: no query compression, softmax router, greedy, two shared experts.
inline Config tiny_v2() {
  Config c = tiny_v3(0, false);
  c.model_type = ModelType::deepseek_v2;
  c.scoring_func = ScoringFunc::softmax;
  c.topk_method = TopkMethod::greedy;
  c.n_group = c.topk_group = 1;
  c.gate_bias = c.norm_topk_prob = false;
  c.n_shared_experts = 2;
  c.routed_scaling_factor = 1;
  return c;
}

// Llama-style: GQA, tied head, split-half rotary; qwen options on demand.
inline Config tiny_llama(bool qkv_bias = false, bool qk_norm = false) {
  Config c;
  c.model_type = qk_norm ? ModelType::qwen3 : qkv_bias ? ModelType::qwen2 : ModelType::llama;
  c.attention = AttentionKind::gqa;
  c.vocab_size = 23;
  c.hidden_size = 12;
  c.num_hidden_layers = 2;
  c.max_position_embeddings = 64;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 6;
  c.intermediate_size = 9;
  c.rope_interleave = false;
  c.qkv_bias = qkv_bias;
  c.qk_norm = qk_norm;
  c.tie_word_embeddings = !qkv_bias;
  return c;
}

inline std::vector<int32_t> random_tokens(uint64_t seed, int64_t count, int64_t vocab) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  const RngKey key = RngKey{.seed = seed}.at("tokens");
  for (int64_t i = 0; i < count; ++i) ids[i] = int32_t(key.below(uint64_t(i), uint64_t(vocab)));
  return ids;
}

}  // namespace minke::test
