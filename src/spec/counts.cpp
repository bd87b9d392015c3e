#include "spec/counts.h"

#include <algorithm>
#include <limits>

#include "core/latent_row.h"

namespace minke {
namespace {

int64_t cached_layers(const Config& c, bool with_mtp) {
  return c.num_hidden_layers + (with_mtp ? c.num_nextn_predict_layers : 0);
}

int64_t attention_matrices(const Config& c) {
  const int64_t d = c.hidden_size, heads = c.num_attention_heads;
  if (c.attention == AttentionKind::gqa) return 2 * d * heads * c.head_dim + 2 * d * c.num_key_value_heads * c.head_dim;
  const int64_t query = heads * c.qk_head_dim(), qr = c.q_lora_rank, kr = c.kv_lora_rank;
  return (qr > 0 ? d * qr + qr * query : d * query) + d * (kr + c.qk_rope_head_dim) +
         kr * heads * (c.qk_nope_head_dim + c.v_head_dim) + heads * c.v_head_dim * d;
}

int64_t attention_vectors(const Config& c) {
  if (c.attention == AttentionKind::mla) return c.q_lora_rank + c.kv_lora_rank;
  return (c.qkv_bias ? (c.num_attention_heads + 2 * c.num_key_value_heads) * c.head_dim : 0) +
         (c.qk_norm ? 2 * c.head_dim : 0);
}

// Block scales of one [rows, columns] matrix.
int64_t scales(const Config& c, int64_t rows, int64_t columns) {
  const int64_t b = c.fp8_block;
  return (rows + b - 1) / b * ((columns + b - 1) / b);
}

int64_t swiglu_scales(const Config& c, int64_t width) {
  return 2 * scales(c, width, c.hidden_size) + scales(c, c.hidden_size, width);
}

// The matrices a published FP8 file quantises: attention and feed-forward, not router, embedding, head or eh_proj.
int64_t layer_scales(const Config& c, bool moe) {
  const int64_t d = c.hidden_size, heads = c.num_attention_heads, query = heads * c.qk_head_dim();
  int64_t n = scales(c, d, heads * c.value_head_dim());
  if (c.attention == AttentionKind::gqa) {
    n += scales(c, query, d) + 2 * scales(c, c.num_key_value_heads * c.head_dim, d);
  } else {
    n += c.q_lora_rank > 0 ? scales(c, c.q_lora_rank, d) + scales(c, query, c.q_lora_rank) : scales(c, query, d);
    n += scales(c, c.kv_lora_rank + c.qk_rope_head_dim, d);
    n += scales(c, heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank);
  }
  if (!moe) return n + swiglu_scales(c, c.intermediate_size);
  n += c.n_routed_experts * swiglu_scales(c, c.moe_intermediate_size);
  return n + (c.n_shared_experts > 0 ? swiglu_scales(c, c.n_shared_experts * c.moe_intermediate_size) : 0);
}

// Attention scores and values of `layers` layers, forward; half of the keys on average when causal.
double attention_flops(const Config& c, int64_t layers, int64_t sequence, bool causal) {
  return double(layers) * double(c.num_attention_heads) * double(attention_pair_flops(c).naive) * double(sequence) *
         (causal ? 0.5 : 1.0);
}

}  // namespace

Counts count_parameters(const Config& c) {
  const int64_t d = c.hidden_size, experts = c.n_routed_experts, mtp = c.num_nextn_predict_layers;
  Counts n;
  n.embedding = c.vocab_size * d;
  n.head = c.tie_word_embeddings ? 0 : n.embedding;
  n.attention_layer = attention_matrices(c) + attention_vectors(c);
  n.dense_ffn_layer = 3 * d * c.intermediate_size;
  const int64_t expert = 3 * d * c.moe_intermediate_size, bias = c.gate_bias ? experts : 0, router = experts * d + bias;
  if (experts > 0) {
    n.moe_layer_total = (experts + c.n_shared_experts) * expert + router;
    n.moe_layer_active = (c.num_experts_per_tok + c.n_shared_experts) * expert + router;
  }
  for (int64_t l = 0; l < c.num_hidden_layers; ++l) ++(c.is_moe_layer(l) ? n.moe_layers : n.dense_layers);

  const int64_t everywhere = d + c.num_hidden_layers * (n.attention_layer + 2 * d) + n.dense_layers * n.dense_ffn_layer;
  n.total = n.embedding + n.head + everywhere + n.moe_layers * n.moe_layer_total;
  n.active_no_embedding_no_head = everywhere + n.moe_layers * n.moe_layer_active;
  n.active_head_only = n.active_no_embedding_no_head + n.embedding;  // a tied head is multiplied with all the same
  n.active_with_embedding_and_head = n.active_head_only + n.head;
  n.matmul_active = n.active_head_only - d - c.num_hidden_layers * (attention_vectors(c) + 2 * d) - n.moe_layers * bias;

  // enorm, hnorm, shared_head.norm, eh_proj and a block
  const int64_t module = 3 * d + 2 * d * d + n.attention_layer + 2 * d;
  n.mtp_unique = mtp * (module + (experts > 0 ? n.moe_layer_total : n.dense_ffn_layer));
  n.mtp_active = mtp * (module + (experts > 0 ? n.moe_layer_active : n.dense_ffn_layer));
  n.mtp_matmul_active = n.mtp_active + mtp * (n.embedding - 5 * d - attention_vectors(c) - (experts > 0 ? bias : 0));
  n.file_weights = n.total + n.mtp_unique + mtp * 2 * n.embedding;
  if (c.fp8_block > 0)
    n.file_fp8_scales = n.dense_layers * layer_scales(c, false) + n.moe_layers * layer_scales(c, true) +
                        mtp * layer_scales(c, experts > 0);
  return n;
}

int64_t expert_combinations(int64_t experts, int64_t chosen) {
  unsigned __int128 n = 1;
  for (int64_t i = 1; i <= std::min(chosen, experts - chosen); ++i) {
    n = n * (unsigned __int128)(experts - i + 1) / (unsigned __int128)(i);  // C(experts, i): divides exactly
    if (n > (unsigned __int128)(std::numeric_limits<int64_t>::max())) return std::numeric_limits<int64_t>::max();
  }
  return int64_t(n);
}

int64_t kv_elements_per_token(const Config& c, bool with_mtp) {
  return cached_layers(c, with_mtp) * (c.attention == AttentionKind::mla ? c.kv_lora_rank + c.qk_rope_head_dim
                                                                         : 2 * c.num_key_value_heads * c.head_dim);
}

int64_t kv_bytes_per_token(const Config& c, DType cache, bool with_mtp) {
  if (cache != DType::f8_e4m3) return kv_bytes(c, 1, int64_t(size_of(cache)), with_mtp);
  if (c.attention != AttentionKind::mla) return 0;
  return cached_layers(c, with_mtp) * LatentRow{c.kv_lora_rank, c.qk_rope_head_dim}.bytes();
}

int64_t kv_bytes(const Config& c, int64_t tokens, int64_t bytes_per_element, bool with_mtp) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(kv_elements_per_token(c, with_mtp), bytes_per_element, &bytes) ||
      __builtin_mul_overflow(bytes, tokens, &bytes))
    return std::numeric_limits<int64_t>::max();
  return bytes;
}

AttentionPairFlops attention_pair_flops(const Config& c) {
  AttentionPairFlops f;
  f.naive = 2 * (c.qk_head_dim() + c.value_head_dim());
  if (c.attention == AttentionKind::mla) {
    f.absorbed = 2 * (2 * c.kv_lora_rank + c.qk_rope_head_dim);
    // Per head, expanding a key or absorbing a query costs the same 2 · kr · (dn + dv).
    const int64_t expand = 2 * c.kv_lora_rank * (c.qk_nope_head_dim + c.v_head_dim);
    if (f.absorbed > f.naive) f.break_even_queries = double(expand) / double(f.absorbed - f.naive);
  }
  return f;
}

double forward_flops_per_token(const Config& c, int64_t sequence, bool causal) {
  return 2 * double(count_parameters(c).matmul_active) + attention_flops(c, c.num_hidden_layers, sequence, causal);
}

double training_flops_per_token(const Config& c, int64_t sequence, bool causal) {
  return 3 * forward_flops_per_token(c, sequence, causal);
}

TrainingFlops training_flops(const Config& c, int64_t sequence) {
  const Counts counts = count_parameters(c);
  TrainingFlops f;
  f.active_matmul_parameters = counts.matmul_active + counts.mtp_matmul_active;
  f.products = 3 * 2 * double(f.active_matmul_parameters);
  f.attention = 3 * attention_flops(c, c.num_hidden_layers + c.num_nextn_predict_layers, sequence, true);
  return f;
}

double tokens_per_step(double acceptance, int64_t drafts) {
  double tokens = 1, reached = 1;
  for (int64_t d = 0; d < drafts; ++d) tokens += reached *= acceptance;
  return tokens;
}

}  // namespace minke
