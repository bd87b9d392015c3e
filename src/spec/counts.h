// Exact sizes and costs of a model, from the Config alone. Nothing is allocated, even for the largest model.
// Source: docs/recipe/architecture.md §2.3, §2.4, §8 and docs/recipe/training.md §8. Test: tests/spec/counts_test.cpp,
// tests/expected/.
#pragma once
#include <cstdint>

#include "core/types.h"
#include "spec/config.h"

namespace minke {

// Parameters. "Active" are those that one token uses: num_experts_per_tok + shared experts instead of all experts.
struct Counts {
  // one of each
  int64_t embedding = 0;        // = head; a tied head counts once
  int64_t head = 0;             // 0 when tied
  int64_t attention_layer = 0;  // with inner norms and biases
  int64_t dense_ffn_layer = 0;
  int64_t moe_layer_total = 0, moe_layer_active = 0;  // with router and its bias; 0 without experts
  int64_t dense_layers = 0, moe_layers = 0;
  // the main model, MTP left out
  int64_t total = 0;
  int64_t active_with_embedding_and_head = 0;  // (a): the papers' for MoE-16B
  int64_t active_head_only = 0;                // (b): the papers' for V2-Lite, V3
  int64_t active_no_embedding_no_head = 0;     // (c)
  int64_t matmul_active = 0;                   // weights that a token is multiplied with: (b) less norms and biases
  // the MTP modules together, embedding and head shared with the main model not counted
  int64_t mtp_unique = 0, mtp_active = 0;
  int64_t mtp_matmul_active =
      0;  // weights that a token is multiplied with there, each module's use of the head included
  // a file as published: main model, MTP modules and their copies of embedding and head
  int64_t file_weights = 0;
  int64_t file_fp8_scales =
      0;  // block scales if the matrices of attention and feed-forward are FP8 (0 if fp8_block is 0)
};
Counts count_parameters(const Config& config);

// Number of sets of `chosen` experts out of `experts`: C(16, 2) = 120; with each expert cut in four, C(64, 8) =
// 4,426,165,368 (MoE §3.1). At most 2^63 − 1.
int64_t expert_combinations(int64_t experts, int64_t chosen);

// Elements cached per token: MLA (kv_lora_rank + qk_rope_head_dim) per layer, else 2 · kv heads · head_dim.
// with_mtp adds the layer of every MTP module. Bytes beyond 2^63 are given as 2^63 − 1.
int64_t kv_elements_per_token(const Config& config, bool with_mtp = false);
int64_t kv_bytes(const Config& config, int64_t tokens, int64_t bytes_per_element, bool with_mtp = false);
// Of one token in such a cache; f8_e4m3 is MLA's FP8 cache (core/latent_row.h), which others do not have: 0.
int64_t kv_bytes_per_token(const Config& config, DType cache, bool with_mtp = false);

// FLOPs of attention's two products per head, query and key (2 FLOPs a multiply-add): scores and values.
struct AttentionPairFlops {
  int64_t naive = 0;     // 2 (qk_head_dim + v_head_dim)
  int64_t absorbed = 0;  // 2 (kv_lora_rank + qk_rope_head_dim + kv_lora_rank); 0 without MLA
  // Queries per cached key from which expanding the latent once is cheaper than absorbing every query; 0 without MLA.
  double break_even_queries = 0;
};
AttentionPairFlops attention_pair_flops(const Config& config);

// FLOPs per token of the main model at a sequence length: 2 per active matmul weight plus attention over the keys seen
// (sequence/2 on average when causal). Training is three forward passes' worth. double: the products pass 2^63.
double forward_flops_per_token(const Config& config, int64_t sequence, bool causal = true);
double training_flops_per_token(const Config& config, int64_t sequence, bool causal = true);

// What a token of causal training costs with its MTP modules: backward twice the forward.
struct TrainingFlops {
  int64_t active_matmul_parameters = 0;  // the head included, the embedding not
  double products = 0, attention = 0;
  double all() const { return products + attention; }
};
TrainingFlops training_flops(const Config& config, int64_t sequence);

// Tokens that one decoding step yields when every one of `drafts` drafted tokens is accepted with the given probability
// and the first refusal ends the step: 1 + p + p² + … (V3 §5.4.3 has one draft: 1.85 to 1.9).
double tokens_per_step(double acceptance, int64_t drafts = 1);

}  // namespace minke
