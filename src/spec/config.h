// Config: the architecture of one model, with the names of config.json where they exist. Attention, FFN and router are
// independent choices. model_type is only a set of defaults (one table in config.cpp); choices that no standard model_type
// has are stored under "minke". Sources: docs/recipe/architecture.md §1–§7.
// Test: tests/spec/config_test.cpp.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/enum_names.h"
#include "core/json.h"

namespace minke {

// The choices of a config.json, with their names there.
enum class ModelType : uint8_t { llama, qwen2, qwen3, deepseek, deepseek_v2, deepseek_v3 };
template <> struct EnumNames<ModelType> {
  static constexpr EnumName<ModelType> all[] = {{ModelType::llama, "llama"},
                                                {ModelType::qwen2, "qwen2"},
                                                {ModelType::qwen3, "qwen3"},
                                                {ModelType::deepseek, "deepseek"},
                                                {ModelType::deepseek_v2, "deepseek_v2"},
                                                {ModelType::deepseek_v3, "deepseek_v3"}};
};
// MHA and MQA are gqa with num_key_value_heads = num_attention_heads or 1.
enum class AttentionKind : uint8_t { gqa, mla };
template <> struct EnumNames<AttentionKind> {
  static constexpr EnumName<AttentionKind> all[] = {{AttentionKind::gqa, "gqa"}, {AttentionKind::mla, "mla"}};
};
enum class ScoringFunc : uint8_t { softmax, sigmoid };
template <> struct EnumNames<ScoringFunc> {
  static constexpr EnumName<ScoringFunc> all[] = {{ScoringFunc::softmax, "softmax"}, {ScoringFunc::sigmoid, "sigmoid"}};
};
enum class TopkMethod : uint8_t { greedy, group_limited_greedy, noaux_tc };
template <> struct EnumNames<TopkMethod> {
  static constexpr EnumName<TopkMethod> all[] = {{TopkMethod::greedy, "greedy"},
                                                 {TopkMethod::group_limited_greedy, "group_limited_greedy"},
                                                 {TopkMethod::noaux_tc, "noaux_tc"}};
};
enum class RopeType : uint8_t { none, linear, llama3, yarn };  // none = plain frequencies
template <> struct EnumNames<RopeType> {
  static constexpr EnumName<RopeType> all[] = {{RopeType::none, "default"},
                                               {RopeType::linear, "linear"},
                                               {RopeType::llama3, "llama3"},
                                               {RopeType::yarn, "yarn"}};
};

struct RopeScaling {
  RopeType type = RopeType::none;
  double factor = 1;
  int64_t original_max_position_embeddings = 0;
  double beta_fast = 32, beta_slow = 1;              // yarn
  double mscale = 0, mscale_all_dim = 0;             // yarn; 0 = not given (spec/rope.h says what then)
  double attention_factor = 0;                       // yarn; 0 = not given
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  bool operator==(const RopeScaling&) const = default;
};

struct Config {
  ModelType model_type = ModelType::deepseek_v3;
  int64_t vocab_size = 0, hidden_size = 0, num_hidden_layers = 0, max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  bool tie_word_embeddings = false;
  double initializer_range = 0.02;
  int64_t bos_token_id = -1;
  std::vector<int64_t> eos_token_ids;

  // attention
  AttentionKind attention = AttentionKind::mla;
  int64_t num_attention_heads = 0, num_key_value_heads = 0;
  int64_t head_dim = 0;                    // gqa
  bool qkv_bias = false, qk_norm = false;  // qwen2; qwen3
  int64_t q_lora_rank = 0;                 // mla; 0 = no query compression
  int64_t kv_lora_rank = 0, qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  double rope_theta = 10000;
  bool rope_interleave = true;  // pairs (2i,2i+1); false: (i, i+D/2)
  RopeScaling rope_scaling;

  // feed-forward
  int64_t intermediate_size = 0;  // dense layers
  int64_t n_routed_experts = 0;   // 0 = every layer is dense
  int64_t n_shared_experts = 0, num_experts_per_tok = 0, moe_intermediate_size = 0;
  int64_t first_k_dense_replace = 0, moe_layer_freq = 1;
  int64_t n_group = 1, topk_group = 1;
  ScoringFunc scoring_func = ScoringFunc::sigmoid;
  TopkMethod topk_method = TopkMethod::noaux_tc;
  bool gate_bias = false;  // e_score_correction_bias exists
  bool norm_topk_prob = false;
  double routed_scaling_factor = 1;

  int64_t num_nextn_predict_layers = 0;  // MTP modules

  // FP8 checkpoints: quantization_config.weight_block_size, 0 = not quantised
  int64_t fp8_block = 0;
  int64_t scale_block() const { return fp8_block > 0 ? fp8_block : 128; }  // of FP8 tensors, also where it is not said

  bool is_moe_layer(int64_t layer) const {  // MTP modules (layer ≥ num_hidden_layers) are MoE if the model is
    return n_routed_experts > 0 &&
           (layer >= num_hidden_layers || (layer >= first_k_dense_replace && layer % moe_layer_freq == 0));
  }
  int64_t qk_head_dim() const {
    return attention == AttentionKind::mla ? qk_nope_head_dim + qk_rope_head_dim : head_dim;
  }
  int64_t rope_dim() const { return attention == AttentionKind::mla ? qk_rope_head_dim : head_dim; }
  int64_t value_head_dim() const { return attention == AttentionKind::mla ? v_head_dim : head_dim; }
  bool operator==(const Config&) const = default;
};

// The same model without its MTP modules: a critic and a reward model have none.
inline Config without_mtp(Config c) {
  c.num_nextn_predict_layers = 0;
  return c;
}

// Reads the text of a config.json; messages name `where`. A missing field gets the default of the model_type. A missing
// field without default, an unknown model_type or a contradiction is a UserError with field, values and what to do.
Config parse_config(std::string_view json_text, std::string_view where);
Config load_config(const std::filesystem::path& folder_or_file);
// A config.json from which parse_config reads an equal Config, and which the usual libraries accept.
Json config_to_json(const Config& config, std::string_view torch_dtype = "bfloat16");
// Throws UserError unless sizes agree with each other (experts divisible by groups, even rotary size, …).
void validate(const Config& config, std::string_view where);

}  // namespace minke
