#include "spec/config_keys.h"

#include <algorithm>

namespace minke {
namespace {

constexpr bool kOfMinke = true;

constexpr ConfigKey kKeys[] = {
    {"model_type", "", "a set of defaults: deepseek_v3, deepseek_v2, deepseek, llama, qwen2 or qwen3"},
    {"vocab_size", "", "size of the vocabulary"},
    {"hidden_size", "", "width of the hidden states"},
    {"num_hidden_layers", "", "layers, without MTP modules"},
    {"max_position_embeddings", "4096", "longest text in tokens"},
    {"rms_norm_eps", "1e-06", "ε of the norms"},
    {"tie_word_embeddings", "false", "the LM head uses the embedding matrix"},
    {"initializer_range", "0.02", "standard deviation of the initial matrices"},
    {"bos_token_id", "", "token at the beginning of a text"},
    {"eos_token_id", "", "token at the end of a text, or a list of tokens"},
    {"num_nextn_predict_layers", "0", "MTP modules"},

    {"attention", "mla", "\"mla\" or \"gqa\"", kOfMinke},
    {"num_attention_heads", "", "heads of the queries"},
    {"num_key_value_heads", "", "gqa: heads of keys and values, 1 for MQA; default: num_attention_heads"},
    {"head_dim", "", "gqa: width of a head; default: hidden_size / num_attention_heads"},
    {"qkv_bias", "false", "gqa: biases of the projections, as in qwen2", kOfMinke},
    {"qk_norm", "false", "gqa: norms of queries and keys, as in qwen3", kOfMinke},
    {"q_lora_rank", "1536", "mla: rank of the compressed queries; 0: not compressed"},
    {"kv_lora_rank", "512", "mla: rank of the compressed keys and values"},
    {"qk_nope_head_dim", "128", "mla: width of a head without positions"},
    {"qk_rope_head_dim", "64", "mla: width of a head with rotary positions"},
    {"v_head_dim", "128", "mla: width of a head of values"},
    {"rope_theta", "10000", "base of the rotary frequencies"},
    {"rope_interleave", "true", "rotary pairs (2i, 2i+1); false: (i, i + half)", kOfMinke},
    {"rope_scaling", "", "for texts longer than those in training; a table with:"},
    {"rope_parameters", "", "the newer name of rope_scaling"},

    {"intermediate_size", "", "width of the dense feed-forward layers"},
    {"n_routed_experts", "256", "experts of a layer; 0: all layers are dense"},
    {"n_shared_experts", "1", "experts that every token is sent to"},
    {"num_experts_per_tok", "8", "routed experts that a token is sent to"},
    {"moe_intermediate_size", "2048", "width of an expert"},
    {"first_k_dense_replace", "3", "dense layers before the first layer with experts"},
    {"moe_layer_freq", "1", "every how many layers one has experts; 1: all"},
    {"n_group", "8", "groups of experts"},
    {"topk_group", "4", "groups from which a token's experts are chosen"},
    {"scoring_func", "sigmoid", "affinities of the router: \"sigmoid\" or \"softmax\"", kOfMinke},
    {"topk_method", "noaux_tc", "\"noaux_tc\", \"group_limited_greedy\" or \"greedy\"", kOfMinke},
    {"gate_bias", "true", "a bias for balancing is used to choose experts; default: true with noaux_tc", kOfMinke},
    {"norm_topk_prob", "true", "expert weights are normalised to sum to 1", kOfMinke},
    {"routed_scaling_factor", "2.5", "factor of the expert weights after that"},

    {"hidden_act", "silu", "only silu, also called swish, is computed"},
    {"attention_bias", "false", "only false is computed"},
    {"mlp_bias", "false", "only false is computed"},
    {"use_sliding_window", "false", "only false is computed"},
    {"partial_rotary_factor", "1", "only 1 is computed"},
    {"quantization_config", "", "of an FP8 checkpoint: block scales"},
    {"minke", "", "table for choices that no published model_type has"},
};

constexpr ConfigKey kRopeKeys[] = {
    {"rope_type", "", "\"default\", \"linear\", \"llama3\" or \"yarn\""},
    {"type", "", "the older name of rope_type"},
    {"factor", "", "new length ÷ original length; yarn: default from max_position_embeddings"},
    {"original_max_position_embeddings", "", "llama3, yarn: the original length"},
    {"beta_fast", "32", "yarn: frequencies with more turns over the original length stay unchanged"},
    {"beta_slow", "1", "yarn: frequencies with fewer turns are stretched by the full factor"},
    {"mscale", "", "yarn: for the scale of attention (spec/rope.h)"},
    {"mscale_all_dim", "", "yarn: for the scale of attention (spec/rope.h)"},
    {"attention_factor", "", "yarn: the scale itself"},
    {"low_freq_factor", "", "llama3"},
    {"high_freq_factor", "", "llama3"},
    {"truncate", "true", "yarn: only true is computed"},
    {"rope_theta", "", "the same as model.rope_theta"},
    {"partial_rotary_factor", "1", "only 1 is computed"},
};

constexpr ConfigKey kQuantizationKeys[] = {
    {"quant_method", "", "fp8"},
    {"fmt", "e4m3", "only e4m3"},
    {"weight_block_size", "", "[128, 128]"},
};

constexpr const char* kIgnored[] = {
    // how it is stored, and with what
    "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version", "_name_or_path", "name_or_path",
    "tokenizer_class",
    // how it is run elsewhere
    "use_cache", "pretraining_tp", "ep_size", "attn_implementation", "_attn_implementation", "return_dict",
    "output_attentions", "output_hidden_states", "output_router_logits", "is_decoder", "is_encoder_decoder",
    "pad_token_id",
    // how it was trained: here [train] and [balance] say that
    "attention_dropout", "aux_loss_alpha", "seq_aux", "router_aux_loss_coef",
    // follows from others, or belongs to a choice that is refused
    "qk_head_dim", "layer_types", "sliding_window", "max_window_layers"};

}  // namespace

ConfigKeys config_keys() { return kKeys; }
ConfigKeys rope_keys() { return kRopeKeys; }
ConfigKeys quantization_keys() { return kQuantizationKeys; }

bool is_listed(ConfigKeys keys, std::string_view name) {
  return std::any_of(keys.begin(), keys.end(), [&](const ConfigKey& key) { return name == key.name; });
}

std::vector<std::string> names_of(ConfigKeys keys) {
  std::vector<std::string> names;
  for (const ConfigKey& key : keys) names.emplace_back(key.name);
  return names;
}

bool is_ignored(std::string_view name) {
  return std::any_of(std::begin(kIgnored), std::end(kIgnored), [&](const char* ignored) { return name == ignored; });
}

}  // namespace minke
