// Do the sizes of a Config agree with each other? Bounds are far beyond any model, and low enough that products of
// sizes (parameters, FLOPs, bytes) cannot overflow 64 bits.
#include <cmath>

#include "core/error.h"
#include "spec/config.h"

namespace minke {
namespace {

constexpr double kMaxParameters = 1e15;
constexpr int64_t kMaxExpertsOfAllLayers = int64_t(1) << 18;  // bounds the parameter table (DeepSeek-V3: 15,616)

class Checker {
 public:
  explicit Checker(std::string_view where) : where_(where) {}

  void range(const char* field, int64_t value, int64_t low, int64_t high) const {
    if (value < low || value > high)
      user_error("{}: {} is {}; it must be between {} and {}", where_, field, value, low, high);
  }
  void positive(const char* field, double value, double high) const {
    if (!(value > 0 && value <= high))
      user_error("{}: {} is {}; it must be positive and at most {}", where_, field, value, high);
  }
  template <class... Args> void require(bool ok, fmt::format_string<Args...> format, Args&&... args) const {
    if (!ok) user_error("{}: {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  std::string_view where_;
};

void validate_attention(const Config& c, const Checker& is) {
  is.range("num_attention_heads", c.num_attention_heads, 1, 1 << 16);
  if (c.attention == AttentionKind::mla) {
    is.range("q_lora_rank", c.q_lora_rank, 0, 1 << 18);
    is.range("kv_lora_rank", c.kv_lora_rank, 1, 1 << 18);
    is.range("qk_nope_head_dim", c.qk_nope_head_dim, 1, 1 << 16);
    is.range("qk_rope_head_dim", c.qk_rope_head_dim, 2, 1 << 16);
    is.range("v_head_dim", c.v_head_dim, 1, 1 << 16);
    is.require(c.qk_rope_head_dim % 2 == 0, "qk_rope_head_dim is {}; rotary positions turn pairs, so it must be even",
               c.qk_rope_head_dim);
    is.require(!c.qkv_bias && !c.qk_norm, "attention mla has no {}; set it to false or use attention gqa",
               c.qkv_bias ? "qkv_bias" : "qk_norm");
  } else {
    is.range("num_key_value_heads", c.num_key_value_heads, 1, 1 << 16);
    is.require(c.num_attention_heads % c.num_key_value_heads == 0,
               "num_attention_heads {} cannot be shared out evenly over num_key_value_heads {}; use a divisor of {}",
               c.num_attention_heads, c.num_key_value_heads, c.num_attention_heads);
    is.range("head_dim", c.head_dim, 2, 1 << 16);
    is.require(c.head_dim % 2 == 0, "head_dim is {}; rotary positions turn pairs, so it must be even", c.head_dim);
  }
}

void validate_rope(const Config& c, const Checker& is) {
  const RopeScaling& s = c.rope_scaling;
  is.require(c.rope_theta > 1 && std::isfinite(c.rope_theta), "rope_theta is {}; it must be greater than 1",
             c.rope_theta);
  if (s.type == RopeType::none) return;
  is.require(s.factor >= 1 && s.factor <= 1e9, "rope_scaling.factor is {}; it must be between 1 and 1e9", s.factor);
  if (s.type == RopeType::linear) return;
  is.range("rope_scaling.original_max_position_embeddings", s.original_max_position_embeddings, 1, int64_t(1) << 31);
  if (s.type == RopeType::llama3) {
    is.positive("rope_scaling.low_freq_factor", s.low_freq_factor, 1e9);
    is.require(s.high_freq_factor > s.low_freq_factor && s.high_freq_factor <= 1e9,
               "rope_scaling.high_freq_factor is {}; it must be greater than low_freq_factor {}", s.high_freq_factor,
               s.low_freq_factor);
  } else {
    is.positive("rope_scaling.beta_slow", s.beta_slow, 1e9);
    is.require(s.beta_fast >= s.beta_slow && s.beta_fast <= 1e9,
               "rope_scaling.beta_fast is {}; it must be at least beta_slow {}", s.beta_fast, s.beta_slow);
    for (const auto& [field, value] : {std::pair{"mscale", s.mscale},
                                       {"mscale_all_dim", s.mscale_all_dim},
                                       {"attention_factor", s.attention_factor}})
      is.require(value >= 0 && value <= 1e3, "rope_scaling.{} is {}; it must be between 0 and 1000", field, value);
  }
}

void validate_moe(const Config& c, const Checker& is) {
  const int64_t experts = c.n_routed_experts, layers = c.num_hidden_layers + c.num_nextn_predict_layers;
  is.range("n_routed_experts", experts, 0, kMaxExpertsOfAllLayers);
  if (experts == 0) return;
  is.require(experts * layers <= kMaxExpertsOfAllLayers,
             "n_routed_experts {} in {} layers are more than {} experts in all", experts, layers,
             kMaxExpertsOfAllLayers);
  is.range("moe_intermediate_size", c.moe_intermediate_size, 1, 1 << 20);
  is.range("n_shared_experts", c.n_shared_experts, 0, 1024);
  is.range("first_k_dense_replace", c.first_k_dense_replace, 0, c.num_hidden_layers);
  is.range("moe_layer_freq", c.moe_layer_freq, 1, 1 << 12);
  is.range("num_experts_per_tok", c.num_experts_per_tok, 1, experts);
  is.range("n_group", c.n_group, 1, experts);
  is.range("topk_group", c.topk_group, 1, experts);
  is.require(c.topk_group <= c.n_group, "topk_group {} is more than the n_group {} there are", c.topk_group, c.n_group);
  is.require(experts % c.n_group == 0,
             "n_routed_experts {} cannot be split into n_group {} equal groups; use a divisor of {}", experts,
             c.n_group, experts);
  const int64_t per_group = experts / c.n_group;
  is.require(
      c.topk_method == TopkMethod::greedy || c.num_experts_per_tok <= c.topk_group * per_group,
      "num_experts_per_tok {} is more than the {} experts in topk_group {} groups of {}; raise topk_group or lower "
      "num_experts_per_tok",
      c.num_experts_per_tok, c.topk_group * per_group, c.topk_group, per_group);
  is.require(c.topk_method != TopkMethod::noaux_tc || per_group >= 2,
             "topk_method noaux_tc rates a group by its two best experts, but n_routed_experts {} in n_group {} "
             "groups leave {}; "
             "lower n_group or use topk_method greedy",
             experts, c.n_group, per_group);
  is.positive("routed_scaling_factor", c.routed_scaling_factor, 1e6);
}

// Within a factor of two: enough to refuse what counts.cpp could not count.
double estimated_parameters(const Config& c) {
  const double d = double(c.hidden_size), heads = double(c.num_attention_heads);
  const double layers = double(c.num_hidden_layers + c.num_nextn_predict_layers);
  const double attention =
      c.attention == AttentionKind::mla
          ? (d + heads * double(c.qk_head_dim())) * double(c.q_lora_rank > 0 ? c.q_lora_rank : c.hidden_size) +
                d * double(c.kv_lora_rank + c.qk_rope_head_dim) +
                heads * double(c.qk_nope_head_dim + c.v_head_dim) * double(c.kv_lora_rank) +
                heads * double(c.v_head_dim) * d
          : 2 * d * double(c.head_dim) * (heads + double(c.num_key_value_heads));
  const double ffn =
      3 * d *
      (double(c.intermediate_size) + double(c.n_routed_experts + c.n_shared_experts) * double(c.moe_intermediate_size));
  return layers * (attention + ffn) + 2 * d * double(c.vocab_size);
}

}  // namespace

void validate(const Config& c, std::string_view where) {
  const Checker is(where);
  is.range("vocab_size", c.vocab_size, 1, 1 << 24);
  is.range("hidden_size", c.hidden_size, 1, 1 << 18);
  is.range("num_hidden_layers", c.num_hidden_layers, 1, 1 << 12);
  is.range("num_nextn_predict_layers", c.num_nextn_predict_layers, 0, 64);
  is.range("intermediate_size", c.intermediate_size, 1, 1 << 20);
  is.range("max_position_embeddings", c.max_position_embeddings, 1, int64_t(1) << 31);
  is.range("bos_token_id", c.bos_token_id, -1, int64_t(1) << 31);
  is.range("quantization_config.weight_block_size", c.fp8_block, 0, 1 << 12);
  is.positive("rms_norm_eps", c.rms_norm_eps, 1);
  is.require(c.initializer_range >= 0 && c.initializer_range <= 1e3,
             "initializer_range is {}; it must be between 0 and 1000", c.initializer_range);
  validate_attention(c, is);
  validate_rope(c, is);
  validate_moe(c, is);
  const double total = estimated_parameters(c);
  is.require(total <= kMaxParameters,
             "the sizes (hidden_size {}, num_hidden_layers {}, vocab_size {} …) make about {:.1e} "
             "parameters; at most {:.0e} are supported",
             c.hidden_size, c.num_hidden_layers, c.vocab_size, total, kMaxParameters);
}

}  // namespace minke
