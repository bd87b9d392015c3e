// Closed forms against sums over the parameter table; the published figures are in tests/expected/.
#include "spec/counts.h"

#include <gtest/gtest.h>

#include <limits>

#include "spec/parameters.h"

namespace minke {
namespace {

Config small_v3() {
  Config c;
  c.vocab_size = 320;
  c.hidden_size = 64;
  c.num_hidden_layers = 5;
  c.max_position_embeddings = 512;
  c.num_attention_heads = c.num_key_value_heads = 4;
  c.q_lora_rank = 48;
  c.kv_lora_rank = 32;
  c.qk_nope_head_dim = 24;
  c.qk_rope_head_dim = 16;
  c.v_head_dim = 20;
  c.intermediate_size = 160;
  c.n_routed_experts = 8;
  c.n_shared_experts = 2;
  c.num_experts_per_tok = 3;
  c.moe_intermediate_size = 40;
  c.first_k_dense_replace = 1;
  c.gate_bias = true;
  c.num_nextn_predict_layers = 2;
  return c;
}

std::vector<Config> variants() {
  std::vector<Config> v(6, small_v3());
  v[1].q_lora_rank = 0;
  v[1].gate_bias = false;
  v[2].attention = AttentionKind::gqa;
  v[2].num_key_value_heads = 2;
  v[2].head_dim = 18;
  v[2].qkv_bias = v[2].qk_norm = true;
  v[3].n_routed_experts = 0;
  v[3].tie_word_embeddings = true;
  v[4].moe_layer_freq = 2;
  v[4].n_shared_experts = 0;
  v[5].first_k_dense_replace = 5;
  return v;
}

TEST(Counts, AgreeWithTheParameterTable) {
  for (const Config& c : variants()) {
    validate(c, "test");
    const Counts n = count_parameters(c);
    int64_t total = 0, active = 0, embedding = 0, head = 0, matmul = 0, mtp = 0, file = 0, attention_0 = 0;
    for (const Parameter& p : parameters(c)) {
      file += p.size();
      if (p.optional_duplicate) continue;
      if (p.mtp) mtp += p.size();
      if (p.mtp) continue;
      total += p.size();
      if (p.part == Part::embedding) embedding += p.size();
      if (p.part == Part::head) head += p.size();
      if (p.part == Part::attention && p.layer == 0) attention_0 += p.size();
      const bool used = p.part != Part::routed_expert || p.group < c.num_experts_per_tok;
      if (used) active += p.size();
      if (used && p.shape.size() == 2 && p.part != Part::embedding) matmul += p.size();
    }
    if (c.tie_word_embeddings) matmul += embedding;
    EXPECT_EQ(n.total, total);
    EXPECT_EQ(n.embedding, embedding);
    EXPECT_EQ(n.head, head);
    EXPECT_EQ(n.attention_layer, attention_0);
    EXPECT_EQ(n.active_with_embedding_and_head, active);
    EXPECT_EQ(n.active_no_embedding_no_head, active - embedding - head);
    EXPECT_EQ(n.active_head_only, active - head);  // the two are of one size; a tied one is both
    EXPECT_EQ(n.matmul_active, matmul);
    EXPECT_EQ(n.mtp_unique, mtp);
    EXPECT_EQ(n.file_weights, file);
  }
}

// docs/recipe/architecture.md §2.4; FP8: 512 + 16 + 128 = 656 bytes a layer.
TEST(Counts, CacheOfV3) {
  const Config c =
      parse_config(R"({"model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168, "num_hidden_layers": 61,
    "intermediate_size": 18432, "num_attention_heads": 128, "num_nextn_predict_layers": 1})",
                   "test");
  EXPECT_EQ(kv_bytes_per_token(c, DType::bf16), 70272);
  EXPECT_EQ(kv_bytes_per_token(c, DType::bf16, true), 71424);
  EXPECT_EQ(kv_bytes_per_token(c, DType::f8_e4m3), 40016);
  EXPECT_EQ(kv_bytes_per_token(c, DType::f8_e4m3, true), 40016 + 656);
}

TEST(Counts, CacheOfBothAttentions) {
  Config c = small_v3();
  EXPECT_EQ(kv_elements_per_token(c), 5 * (32 + 16));
  EXPECT_EQ(kv_elements_per_token(c, true), 7 * (32 + 16));
  EXPECT_EQ(kv_bytes(c, 100, 2), 100 * 2 * 5 * 48);
  EXPECT_EQ(kv_bytes_per_token(c, DType::f32), 4 * 5 * 48);
  EXPECT_EQ(kv_bytes_per_token(c, DType::f8_e4m3), 5 * (32 + 4 + 2 * 16));
  c.attention = AttentionKind::gqa;
  c.num_key_value_heads = 2;
  c.head_dim = 18;
  EXPECT_EQ(kv_elements_per_token(c), 5 * 2 * 2 * 18);
  EXPECT_EQ(kv_bytes_per_token(c, DType::f8_e4m3), 0);
  EXPECT_EQ(kv_bytes(c, std::numeric_limits<int64_t>::max() / 2, 8), std::numeric_limits<int64_t>::max());
}

TEST(Counts, Combinations) {
  EXPECT_EQ(expert_combinations(5, 0), 1);
  EXPECT_EQ(expert_combinations(5, 5), 1);
  EXPECT_EQ(expert_combinations(6, 4), 15);
  EXPECT_EQ(expert_combinations(62, 31), 465428353255261088);
  EXPECT_EQ(expert_combinations(256, 128), std::numeric_limits<int64_t>::max());
}

TEST(Counts, Fp8ScalesCountPartialBlocks) {
  Config c = small_v3();
  c.num_nextn_predict_layers = 0;
  c.num_hidden_layers = 1;
  c.fp8_block = 48;
  // Layer 0 is dense. Blocks of 48 over 64 columns: 2. q_a 48×64: 1·2; q_b 160×48: 4·1; kv_a 48×64: 1·2; kv_b 176×32:
  // 4·1; o 64×80: 2·2; gate, up 160×64: 4·2 each; down 64×160: 2·4.
  EXPECT_EQ(count_parameters(c).file_fp8_scales, 2 + 4 + 2 + 4 + 4 + 8 + 8 + 8);
}

}  // namespace
}  // namespace minke
