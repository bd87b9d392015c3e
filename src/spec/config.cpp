#include "spec/config.h"

#include "core/files.h"
#include "spec/config_fields.h"

namespace minke {
namespace {

// What a config.json may leave out, by model_type; values are those of the published configuration classes.
// 0 where the field must be given (once it is needed at all).
struct Defaults {
  ModelType type;
  const char* architecture;
  AttentionKind attention = AttentionKind::gqa;
  bool qkv_bias = false, qk_norm = false, rope_interleave = false;
  int64_t head_dim = 0;  // 0: hidden_size / num_attention_heads
  int64_t q_lora_rank = 0, kv_lora_rank = 0, qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  int64_t n_routed_experts = 0, n_shared_experts = 0, num_experts_per_tok = 0, moe_intermediate_size = 0;
  int64_t first_k_dense_replace = 0, n_group = 1, topk_group = 1;
  ScoringFunc scoring_func = ScoringFunc::softmax;
  TopkMethod topk_method = TopkMethod::greedy;
  bool norm_topk_prob = false;
  bool never_renormalises = false;  // the reference's V2 router reads norm_topk_prob and ignores it
  double routed_scaling_factor = 1;
  int64_t max_position_embeddings = 2048;
};

constexpr Defaults deepseek_v2() {
  return {.type = ModelType::deepseek_v2,
          .architecture = "DeepseekV2ForCausalLM",
          .attention = AttentionKind::mla,
          .rope_interleave = true,
          .q_lora_rank = 1536,
          .kv_lora_rank = 512,
          .qk_nope_head_dim = 128,
          .qk_rope_head_dim = 64,
          .v_head_dim = 128,
          .n_routed_experts = 64,
          .n_shared_experts = 2,
          .never_renormalises = true};
}

// V2's attention with other experts.
constexpr Defaults deepseek_v3() {
  Defaults t = deepseek_v2();
  t.type = ModelType::deepseek_v3;
  t.architecture = "DeepseekV3ForCausalLM";
  t.n_routed_experts = 256;
  t.n_shared_experts = 1;
  t.num_experts_per_tok = 8;
  t.moe_intermediate_size = 2048;
  t.first_k_dense_replace = 3;
  t.n_group = 8;
  t.topk_group = 4;
  t.scoring_func = ScoringFunc::sigmoid;
  t.topk_method = TopkMethod::noaux_tc;
  t.norm_topk_prob = true;
  t.never_renormalises = false;
  t.routed_scaling_factor = 2.5;
  t.max_position_embeddings = 4096;
  return t;
}

constexpr Defaults kDefaults[] = {
    {.type = ModelType::llama, .architecture = "LlamaForCausalLM"},
    {.type = ModelType::qwen2, .architecture = "Qwen2ForCausalLM", .qkv_bias = true, .max_position_embeddings = 32768},
    {.type = ModelType::qwen3,
     .architecture = "Qwen3ForCausalLM",
     .qk_norm = true,
     .head_dim = 128,
     .max_position_embeddings = 32768},
    {.type = ModelType::deepseek, .architecture = "DeepseekForCausalLM"},
    deepseek_v2(),
    deepseek_v3(),
};

const Defaults& defaults_of(ModelType type) {
  for (const Defaults& d : kDefaults)
    if (type == d.type) return d;
  bug("a model_type without defaults", SourceLocation::current());
}

ModelType read_type(const Fields& f, std::string_view where) {
  const std::string name = f.text("model_type");
  if (const std::optional<ModelType> type = find_named<ModelType>(name)) return *type;
  user_error("{}: model_type {} is not known; minke reads {}", where, Fields::shown(name), names_of<ModelType>(", "));
}

// Settings that change the mathematics in a way minke does not compute: refused rather than ignored.
void refuse_unsupported(const Fields& f, std::string_view where) {
  const std::string activation = f.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")  // two names of one function
    user_error("{}: hidden_act is {}; only \"silu\", also called \"swish\", is computed", where,
               Fields::shown(activation));
  for (const char* key : {"attention_bias", "mlp_bias", "use_sliding_window"})
    if (f.flag(key, false)) user_error("{}: {} is true; models with it are not supported", where, key);
  if (const double share = f.real("partial_rotary_factor", 1.0); share != 1)
    user_error("{}: partial_rotary_factor is {}; only 1 is supported", where, share);
}

void refuse_unknown_choices(const Json& minke, std::string_view where) {
  std::vector<std::string> choices;
  for (const ConfigKey& key : config_keys())
    if (key.of_minke) choices.emplace_back(key.name);
  for (const auto& [key, value] : minke.items()) {
    if (std::find(choices.begin(), choices.end(), key) != choices.end()) continue;
    const std::string near = nearest(key, choices);
    user_error("{}: minke has {}, which is not one of its choices{}", where, Fields::shown(key),
               near.empty() ? "" : "; did you mean " + near + "?");
  }
}

void read_rope(const Fields& f, std::string_view where, Config& c) {
  const Json* old_form = f.object("rope_scaling");
  const Json* new_form = f.object("rope_parameters");
  if (old_form && new_form && *old_form != *new_form)
    user_error("{}: rope_scaling and rope_parameters are both given and differ; keep one of them", where);
  c.rope_theta = f.real("rope_theta", 10000.0);
  const Json* object = new_form ? new_form : old_form;
  if (!object) return;
  const Fields r(*object, where, rope_keys(), new_form ? "rope_parameters." : "rope_scaling.");
  const double theta = r.real("rope_theta", c.rope_theta);
  if (f.has("rope_theta") && theta != c.rope_theta)
    user_error("{}: rope_theta is {} but rope_parameters.rope_theta is {}; keep one of them", where, c.rope_theta,
               theta);
  c.rope_theta = theta;
  if (const double share = r.real("partial_rotary_factor", 1.0); share != 1)
    user_error("{}: rope_parameters.partial_rotary_factor is {}; only 1 is supported", where, share);

  RopeScaling& s = c.rope_scaling;
  s.type = r.choice(r.has("rope_type") ? "rope_type" : "type", RopeType::none);
  if (s.type == RopeType::none) return;
  if (s.type == RopeType::llama3 || s.type == RopeType::yarn)
    s.original_max_position_embeddings =
        r.integer("original_max_position_embeddings",
                  s.type == RopeType::yarn ? std::optional(c.max_position_embeddings) : std::nullopt);
  // Without a factor YaRN stretches the original length to the whole of max_position_embeddings.
  std::optional<double> factor;
  if (s.type == RopeType::yarn && s.original_max_position_embeddings > 0)
    factor = double(c.max_position_embeddings) / double(s.original_max_position_embeddings);
  s.factor = r.real("factor", factor);
  if (s.type == RopeType::llama3) {
    s.low_freq_factor = r.real("low_freq_factor");
    s.high_freq_factor = r.real("high_freq_factor");
  }
  if (s.type == RopeType::yarn) {
    s.beta_fast = r.real("beta_fast", 32.0);
    s.beta_slow = r.real("beta_slow", 1.0);
    s.mscale = r.real("mscale", 0.0);
    s.mscale_all_dim = r.real("mscale_all_dim", 0.0);
    s.attention_factor = r.real("attention_factor", 0.0);
    if (!r.flag("truncate", true)) user_error("{}: rope_parameters.truncate is false; only true is supported", where);
  }
}

void read_attention(const Fields& f, const Defaults& defaults, Config& c) {
  c.attention = f.choice("attention", defaults.attention);
  c.rope_interleave = f.flag("rope_interleave", defaults.rope_interleave);
  c.num_attention_heads = f.integer("num_attention_heads");
  if (c.attention == AttentionKind::mla) {
    const auto or_missing = [](int64_t value) { return value ? std::optional(value) : std::nullopt; };
    c.num_key_value_heads = c.num_attention_heads;  // published files carry a number here that means nothing
    c.q_lora_rank = f.integer("q_lora_rank", f.is_null("q_lora_rank") ? 0 : defaults.q_lora_rank);
    c.kv_lora_rank = f.integer("kv_lora_rank", or_missing(defaults.kv_lora_rank));
    c.qk_nope_head_dim = f.integer("qk_nope_head_dim", or_missing(defaults.qk_nope_head_dim));
    c.qk_rope_head_dim = f.integer("qk_rope_head_dim", or_missing(defaults.qk_rope_head_dim));
    c.v_head_dim = f.integer("v_head_dim", or_missing(defaults.v_head_dim));
  } else {
    c.num_key_value_heads = f.integer("num_key_value_heads", c.num_attention_heads);
    int64_t head_dim = defaults.head_dim;
    if (!head_dim && c.num_attention_heads > 0) head_dim = c.hidden_size / c.num_attention_heads;
    c.head_dim = f.integer("head_dim", head_dim);
    c.qkv_bias = f.flag("qkv_bias", defaults.qkv_bias);
    c.qk_norm = f.flag("qk_norm", defaults.qk_norm);
  }
}

void read_moe(const Fields& f, const Defaults& defaults, Config& c) {
  c.n_routed_experts = f.integer("n_routed_experts", f.is_null("n_routed_experts") ? 0 : defaults.n_routed_experts);
  if (c.n_routed_experts == 0) return;
  const auto or_missing = [](int64_t value) { return value ? std::optional(value) : std::nullopt; };
  c.n_shared_experts = f.integer("n_shared_experts", f.is_null("n_shared_experts") ? 0 : defaults.n_shared_experts);
  c.num_experts_per_tok = f.integer("num_experts_per_tok", or_missing(defaults.num_experts_per_tok));
  c.moe_intermediate_size = f.integer("moe_intermediate_size", or_missing(defaults.moe_intermediate_size));
  c.first_k_dense_replace = f.integer("first_k_dense_replace", defaults.first_k_dense_replace);
  c.moe_layer_freq = f.integer("moe_layer_freq", 1);
  c.n_group = f.integer("n_group", f.is_null("n_group") ? 1 : defaults.n_group);
  c.topk_group = f.integer("topk_group", f.is_null("topk_group") ? 1 : defaults.topk_group);
  c.scoring_func = f.choice("scoring_func", defaults.scoring_func);
  c.topk_method = f.choice("topk_method", defaults.topk_method);
  c.gate_bias = f.flag("gate_bias", c.topk_method == TopkMethod::noaux_tc);
  c.norm_topk_prob = f.flag("norm_topk_prob", defaults.norm_topk_prob);
  c.routed_scaling_factor = f.real("routed_scaling_factor", defaults.routed_scaling_factor);
}

void read_quantization(const Fields& f, std::string_view where, Config& c) {
  const Json* object = f.object("quantization_config");
  if (!object) return;
  const Fields q(*object, where, quantization_keys(), "quantization_config.");
  const std::string method = q.text("quant_method"), format = q.text("fmt", "e4m3");
  if (method != "fp8" || format != "e4m3")
    user_error(
        "{}: quantization_config is {} {}; minke reads fp8 e4m3 with block scales, BF16, F16 and F32 "
        "checkpoints",
        where, Fields::shown(method), Fields::shown(format));
  const Json* block = q.find("weight_block_size");
  if (!block || !block->is_array() || block->size() != 2 || !(*block)[0].is_number_integer() ||
      (*block)[0] != (*block)[1])
    user_error("{}: quantization_config.weight_block_size must be two equal numbers, as in [128, 128]", where);
  c.fp8_block = (*block)[0].get<int64_t>();
  if (c.fp8_block < 1)
    user_error("{}: quantization_config.weight_block_size is {}; it must be positive", where, c.fp8_block);
}

void read_token_ids(const Fields& f, Config& c) {
  c.bos_token_id = f.integer("bos_token_id", -1);
  const Json* eos = f.find("eos_token_id");
  if (!eos) return;
  const Json list = eos->is_array() ? *eos : Json::array({*eos});
  for (const Json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0)
      f.wrong("eos_token_id", id, "a token number or a list of them");
    c.eos_token_ids.push_back(id.get<int64_t>());
  }
}

}  // namespace

Config parse_config(std::string_view json_text, std::string_view where) {
  const Json json = parse_json(json_text, where);
  if (!json.is_object()) user_error("{}: a JSON object {{...}} is needed, this is {}", where, Fields::shown(json));
  const Fields plain(json, where, config_keys());
  const Defaults& defaults = defaults_of(read_type(plain, where));
  refuse_unsupported(plain, where);

  const Json* overrides = plain.object("minke");
  if (overrides) refuse_unknown_choices(*overrides, where);
  const Fields f(json, where, config_keys(), "", overrides);

  Config c;
  c.model_type = defaults.type;
  c.vocab_size = f.integer("vocab_size");
  c.hidden_size = f.integer("hidden_size");
  c.num_hidden_layers = f.integer("num_hidden_layers");
  c.intermediate_size = f.integer("intermediate_size");
  c.max_position_embeddings = f.integer("max_position_embeddings", defaults.max_position_embeddings);
  c.rms_norm_eps = f.real("rms_norm_eps", 1e-6);
  c.tie_word_embeddings = f.flag("tie_word_embeddings", false);
  c.initializer_range = f.real("initializer_range", 0.02);
  c.num_nextn_predict_layers = f.integer("num_nextn_predict_layers", 0);
  read_token_ids(f, c);
  read_attention(f, defaults, c);
  read_rope(f, where, c);
  read_moe(f, defaults, c);
  if (defaults.never_renormalises && !(overrides && overrides->contains("norm_topk_prob"))) c.norm_topk_prob = false;
  read_quantization(f, where, c);
  validate(c, where);
  return c;
}

Config load_config(const std::filesystem::path& folder_or_file) {
  const fs::path file = fs::is_directory(folder_or_file) ? folder_or_file / "config.json" : folder_or_file;
  // Published ones have 1–10 KB. The limit also bounds time: Json finds a key by looking at all of them.
  return parse_config(read_file(file, size_t(256) << 10), file.string());
}

Json config_to_json(const Config& c, std::string_view torch_dtype) {
  const Defaults& defaults = defaults_of(c.model_type);
  const bool mla = c.attention == AttentionKind::mla, moe = c.n_routed_experts > 0;
  Json minke = Json::object();
  Json j;
  j["architectures"] = {defaults.architecture};
  j["model_type"] = name_of(c.model_type);
  j["torch_dtype"] = torch_dtype;
  j["vocab_size"] = c.vocab_size;
  j["hidden_size"] = c.hidden_size;
  j["num_hidden_layers"] = c.num_hidden_layers;
  j["intermediate_size"] = c.intermediate_size;
  j["hidden_act"] = "silu";
  j["max_position_embeddings"] = c.max_position_embeddings;
  j["rms_norm_eps"] = c.rms_norm_eps;
  j["tie_word_embeddings"] = c.tie_word_embeddings;
  j["initializer_range"] = c.initializer_range;
  j["bos_token_id"] = c.bos_token_id >= 0 ? Json(c.bos_token_id) : Json();
  j["eos_token_id"] = c.eos_token_ids.size() == 1 ? Json(c.eos_token_ids[0])
                      : c.eos_token_ids.empty()   ? Json()
                                                  : Json(c.eos_token_ids);
  j["attention_bias"] = false;
  j["num_attention_heads"] = c.num_attention_heads;
  j["num_key_value_heads"] = c.num_key_value_heads;
  if (c.attention != defaults.attention) minke["attention"] = name_of(c.attention);
  if (mla) {
    j["q_lora_rank"] = c.q_lora_rank > 0 ? Json(c.q_lora_rank) : Json();
    j["kv_lora_rank"] = c.kv_lora_rank;
    j["qk_nope_head_dim"] = c.qk_nope_head_dim;
    j["qk_rope_head_dim"] = c.qk_rope_head_dim;
    j["v_head_dim"] = c.v_head_dim;
  } else {
    j["head_dim"] = c.head_dim;
    if (c.qkv_bias != defaults.qkv_bias) minke["qkv_bias"] = c.qkv_bias;
    if (c.qk_norm != defaults.qk_norm) minke["qk_norm"] = c.qk_norm;
  }
  j["rope_theta"] = c.rope_theta;
  const RopeScaling& s = c.rope_scaling;
  Json rope;  // both "type" (the published remote code) and "rope_type" (newer libraries)
  if (s.type != RopeType::none)
    rope = {{"type", name_of(s.type)}, {"rope_type", name_of(s.type)}, {"factor", s.factor}};
  if (s.type == RopeType::llama3 || s.type == RopeType::yarn)
    rope["original_max_position_embeddings"] = s.original_max_position_embeddings;
  if (s.type == RopeType::llama3) {
    rope["low_freq_factor"] = s.low_freq_factor;
    rope["high_freq_factor"] = s.high_freq_factor;
  }
  if (s.type == RopeType::yarn) {
    rope["beta_fast"] = s.beta_fast;
    rope["beta_slow"] = s.beta_slow;
    if (s.mscale != 0) rope["mscale"] = s.mscale;
    if (s.mscale_all_dim != 0) rope["mscale_all_dim"] = s.mscale_all_dim;
    if (s.attention_factor != 0) rope["attention_factor"] = s.attention_factor;
  }
  j["rope_scaling"] = std::move(rope);
  if (c.model_type == ModelType::deepseek_v3) j["rope_interleave"] = c.rope_interleave;
  else if (c.rope_interleave != defaults.rope_interleave) minke["rope_interleave"] = c.rope_interleave;

  if (moe) {
    j["n_routed_experts"] = c.n_routed_experts;
    j["n_shared_experts"] = c.n_shared_experts > 0 ? Json(c.n_shared_experts) : Json();
    j["num_experts_per_tok"] = c.num_experts_per_tok;
    j["moe_intermediate_size"] = c.moe_intermediate_size;
    j["first_k_dense_replace"] = c.first_k_dense_replace;
    j["moe_layer_freq"] = c.moe_layer_freq;
    j["n_group"] = c.n_group;
    j["topk_group"] = c.topk_group;
    j["scoring_func"] = name_of(c.scoring_func);
    j["topk_method"] = name_of(c.topk_method);
    j["norm_topk_prob"] = c.norm_topk_prob;
    j["routed_scaling_factor"] = c.routed_scaling_factor;
    // Some libraries know these only from the model_type, so a departure from it is marked as ours.
    if (c.scoring_func != defaults.scoring_func) minke["scoring_func"] = name_of(c.scoring_func);
    if ((c.topk_method == TopkMethod::noaux_tc) != (defaults.topk_method == TopkMethod::noaux_tc))
      minke["topk_method"] = name_of(c.topk_method);
    if (c.gate_bias != (c.topk_method == TopkMethod::noaux_tc)) minke["gate_bias"] = c.gate_bias;
    if (c.norm_topk_prob && defaults.never_renormalises) minke["norm_topk_prob"] = true;
  } else if (defaults.n_routed_experts > 0) {
    j["n_routed_experts"] = Json();
    j["first_k_dense_replace"] = c.num_hidden_layers;  // what keeps the usual libraries from building experts
  }
  if (c.num_nextn_predict_layers > 0 || c.model_type == ModelType::deepseek_v3)
    j["num_nextn_predict_layers"] = c.num_nextn_predict_layers;
  if (c.fp8_block > 0)
    j["quantization_config"] = {{"quant_method", "fp8"},
                                {"fmt", "e4m3"},
                                {"activation_scheme", "dynamic"},
                                {"weight_block_size", {c.fp8_block, c.fp8_block}}};
  if (!minke.empty()) j["minke"] = std::move(minke);
  return j;
}

}  // namespace minke
