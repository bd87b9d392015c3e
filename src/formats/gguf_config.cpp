// The config.json of a GGUF model, from its metadata. Keys are "ARCHITECTURE.name"; the names and their defaults are those
// of llama.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <numbers>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "formats/gguf_names.h"
#include "formats/gguf_own_keys.h"

namespace minke::gguf {
namespace {

// Far beyond any model, and low enough that products of sizes cannot overflow.
constexpr int64_t kMaxSize = int64_t(1) << 24, kMaxHeads = 1 << 16, kMaxRank = 1 << 18, kMaxLayers = 1 << 12;
constexpr int64_t kMaxExpertsOfAllLayers = int64_t(1) << 18;

// Keys that change nothing in what is computed (those of experts: where there are none) …
constexpr const char* kWithoutEffect[] = {
    "tensor_data_layout",        "rope.scaling.finetuned",     "attention.layer_norm_epsilon", "use_parallel_residual",
    "leading_dense_block_count", "expert_feed_forward_length", "expert_shared_count",          "expert_weights_scale",
    "expert_weights_norm",       "expert_gating_func"};
// … and keys that must have the one value that changes nothing.
constexpr struct {
  const char* key;
  double value;
} kOnlyOneValue[] = {{"attention.sliding_window", 0},
                     {"attention.causal", 1},
                     {"logit_scale", 1},
                     {"embedding_scale", 1},
                     {"residual_scale", 1},
                     {"attention.scale", 0},
                     {"attn_logit_softcapping", 0},
                     {"final_logit_softcapping", 0},
                     {"expert_count", 0},
                     {"expert_used_count", 0},
                     {"rope.scaling.yarn_ext_factor", 1},
                     {"nextn_predict_layers", 0}};

class ConfigReader {
 public:
  ConfigReader(const Gguf& file, const Architecture& architecture, Sizes& sizes, std::vector<std::string>& notes)
      : file_(file),
        metadata_(file.metadata()),
        architecture_(architecture),
        prefix_(std::string(architecture.name) + "."),
        sizes_(sizes),
        notes_(notes) {}

  std::string build() {
    json_["model_type"] = architecture_.model_type;
    general();
    token_ids();
    if (architecture_.attention == Attention::mla) mla();
    else gqa();
    if (architecture_.experts) experts();
    rope();
    if (!minke_.empty()) json_["minke"] = minke_;
    own_fields();
    refuse_unknown_keys();
    return json_.dump(2) + "\n";
  }

 private:
  // Metadata of the architecture.
  std::optional<int64_t> number(const char* key, int64_t low, int64_t high) {
    const auto value = metadata_.integer(full(key));
    if (value && (*value < low || *value > high))
      user_error("{}: {} is {}; it must be between {} and {}", file_.path(), full(key), *value, low, high);
    return value;
  }
  int64_t needed(const char* key, int64_t low, int64_t high) {
    if (const auto value = number(key, low, high)) return *value;
    user_error("{}: {} is missing; without it the model is not known", file_.path(), full(key));
  }
  std::optional<double> real(const char* key) {
    const auto value = metadata_.real(full(key));
    if (value && !std::isfinite(*value)) user_error("{}: {} is {}", file_.path(), full(key), *value);
    return value;
  }
  std::string full(const char* key) {
    used_.insert(key);
    return prefix_ + key;
  }

  void general() {
    const int64_t tokens = [&] {
      const GgufValue* list = metadata_.find("tokenizer.ggml.tokens");
      return list && list->is_list ? int64_t(std::min<uint64_t>(list->count, kMaxSize)) : 0;
    }();
    const int64_t vocabulary = number("vocab_size", 1, kMaxSize).value_or(tokens);
    if (vocabulary == 0) user_error("{}: has neither {} nor tokenizer.ggml.tokens", file_.path(), full("vocab_size"));
    json_["vocab_size"] = vocabulary;
    json_["hidden_size"] = hidden_ = needed("embedding_length", 1, kMaxSize);
    const int64_t blocks = needed("block_count", 1, kMaxLayers);
    const int64_t mtp =
        architecture_.attention == Attention::mla ? number("nextn_predict_layers", 0, 64).value_or(0) : 0;
    if (mtp >= blocks)
      user_error("{}: {} is {}, but there are only {} blocks", file_.path(), full("nextn_predict_layers"), mtp, blocks);
    sizes_.layers = blocks;
    json_["num_hidden_layers"] = layers_ = blocks - mtp;
    if (mtp > 0) json_["num_nextn_predict_layers"] = mtp;
    json_["intermediate_size"] = needed("feed_forward_length", 1, kMaxSize);
    json_["hidden_act"] = "silu";
    json_["max_position_embeddings"] = context_ = needed("context_length", 1, int64_t(1) << 31);
    const auto epsilon = real("attention.layer_norm_rms_epsilon");
    if (!epsilon) user_error("{}: {} is missing", file_.path(), full("attention.layer_norm_rms_epsilon"));
    json_["rms_norm_eps"] = *epsilon;
    json_["tie_word_embeddings"] = file_.find("output.weight") == nullptr;
    json_["num_attention_heads"] = sizes_.heads = needed("attention.head_count", 1, kMaxHeads);
  }

  void token_ids() {
    const auto id = [&](const char* name) { return metadata_.integer(std::string("tokenizer.ggml.") + name); };
    if (const auto bos = id("bos_token_id")) json_["bos_token_id"] = *bos;
    // An answer ends with any of them: end of text, of a turn, of a message.
    Json ends = Json::array();
    for (const char* name : {"eos_token_id", "eot_token_id", "eom_token_id"})
      if (const auto end = id(name); end && std::find(ends.begin(), ends.end(), *end) == ends.end())
        ends.push_back(*end);
    if (ends.size() == 1) json_["eos_token_id"] = ends[0];
    else if (!ends.empty()) json_["eos_token_id"] = ends;
  }

  void gqa() {
    json_["num_key_value_heads"] = sizes_.kv_heads =
        number("attention.head_count_kv", 1, kMaxHeads).value_or(sizes_.heads);
    const int64_t head = number("attention.key_length", 1, kMaxHeads).value_or(hidden_ / sizes_.heads);
    const int64_t value = number("attention.value_length", 1, kMaxHeads).value_or(head);
    const int64_t rotary = number("rope.dimension_count", 1, kMaxHeads).value_or(head);
    if (value != head || rotary != head)
      user_error(
          "{}: heads have {} dimensions for keys, {} for values and {} that are rotated; only equal ones are supported",
          file_.path(), head, value, rotary);
    json_["head_dim"] = head_ = head;
  }

  // Newer files describe attention in its absorbed form, with one head of keys that is the latent vector; then the sizes of
  // the model are under the keys with _mla.
  void mla() {
    number("attention.head_count_kv", 1, kMaxHeads);
    json_["num_key_value_heads"] = sizes_.heads;
    const auto absorbed_key = number("attention.key_length_mla", 1, kMaxHeads);
    const auto absorbed_value = number("attention.value_length_mla", 1, kMaxHeads);
    const auto plain_key = number("attention.key_length", 1, 2 * kMaxRank);
    const auto plain_value = number("attention.value_length", 1, 2 * kMaxRank);
    const auto key = absorbed_key ? absorbed_key : plain_key, value = absorbed_value ? absorbed_value : plain_value;
    const int64_t rotary = needed("rope.dimension_count", 1, kMaxHeads);
    if (!key || !value || *key <= rotary || *key > kMaxHeads || *value > kMaxHeads)
      user_error(
          "{}: {}attention.key_length is {} and value_length {}, with {} rotated dimensions: these make no heads",
          file_.path(), prefix_, key.value_or(0), value.value_or(0), rotary);
    const auto q_rank = number("attention.q_lora_rank", 0, kMaxRank);
    json_["q_lora_rank"] = q_rank.value_or(0) > 0 ? Json(*q_rank) : Json();
    json_["kv_lora_rank"] = sizes_.kv_rank = needed("attention.kv_lora_rank", 1, kMaxRank);
    json_["qk_nope_head_dim"] = sizes_.nope = *key - rotary;
    json_["qk_rope_head_dim"] = head_ = rotary;
    json_["v_head_dim"] = sizes_.value = *value;
  }

  void experts() {
    const bool v2_or_v3 = architecture_.attention == Attention::mla;
    const int64_t count = sizes_.experts = number("expert_count", 0, kMaxExpertsOfAllLayers).value_or(0);
    if (count == 0) {
      if (v2_or_v3) json_["n_routed_experts"] = Json();
      return;
    }
    if (count * sizes_.layers > kMaxExpertsOfAllLayers)
      user_error("{}: {} experts in {} layers are more than {} in all", file_.path(), count, sizes_.layers,
                 kMaxExpertsOfAllLayers);
    json_["n_routed_experts"] = count;
    json_["num_experts_per_tok"] = needed("expert_used_count", 1, count);
    const int64_t shared = number("expert_shared_count", 0, 1024).value_or(0);
    json_["n_shared_experts"] = shared > 0 ? Json(shared) : Json();
    json_["moe_intermediate_size"] = needed("expert_feed_forward_length", 1, kMaxSize);
    json_["first_k_dense_replace"] = number("leading_dense_block_count", 0, layers_).value_or(0);
    json_["moe_layer_freq"] = 1;
    const auto groups = number("expert_group_count", 1, count);
    json_["n_group"] = groups.value_or(1);
    json_["topk_group"] = number("expert_group_used_count", 1, groups.value_or(1)).value_or(groups.value_or(1));
    const double scale = real("expert_weights_scale").value_or(1);
    json_["routed_scaling_factor"] = scale == 0 ? 1 : scale;
    gate(groups.value_or(0));
  }

  // Scores by softmax (1, and files from before the key) or sigmoid (2); with a bias for balancing if it is in the file.
  void gate(int64_t groups) {
    const bool sigmoid = number("expert_gating_func", 0, 2).value_or(0) == 2;
    const bool bias = std::any_of(file_.files().begin(), file_.files().end(), [](const GgufFile& part) {
      return std::any_of(part.tensors().begin(), part.tensors().end(),
                         [](const GgufTensor& t) { return t.name.ends_with(".exp_probs_b.bias"); });
    });
    const bool v3 = sigmoid || bias;
    const bool renormalise = metadata_.flag(full("expert_weights_norm")).value_or(false);
    if (architecture_.attention == Attention::mla) json_["model_type"] = v3 ? "deepseek_v3" : "deepseek_v2";
    json_["scoring_func"] = sigmoid ? "sigmoid" : "softmax";
    json_["topk_method"] = v3 ? "noaux_tc" : groups > 1 ? "group_limited_greedy" : "greedy";
    if (v3 && !bias) minke_["gate_bias"] = false;
    json_["norm_topk_prob"] = renormalise;
    if (renormalise && json_["model_type"] == "deepseek_v2") minke_["norm_topk_prob"] = true;  // it says so, unlike V2
    if (groups == 0 && architecture_.attention == Attention::mla)
      notes_.push_back(
          fmt::format("{}expert_group_count is missing: a token's experts are chosen among all, not within "
                      "groups (DeepSeek-V2 and V3 have groups; newer files say so)",
                      prefix_));
  }

  void rope() {
    json_["rope_theta"] = real("rope.freq_base").value_or(10000);
    Json scaling = rope_scaling();
    if (const GgufTensor* factors = file_.find("rope_freqs.weight")) {
      if (!scaling.is_null())
        user_error("{}: has both {}rope.scaling and the tensor rope_freqs.weight; only one is supported", file_.path(),
                   prefix_);
      scaling = llama3_scaling(*factors);
    }
    json_["rope_scaling"] = std::move(scaling);
  }

  Json rope_scaling() {
    const auto type = metadata_.text(full("rope.scaling.type"));
    const auto old_factor = real("rope.scale_linear");  // before there was a type
    const auto factor = real("rope.scaling.factor");
    const auto original = number("rope.scaling.original_context_length", 1, int64_t(1) << 31);
    const auto attention =
        real(metadata_.has(prefix_ + "rope.scaling.yarn_attn_factor") ? "rope.scaling.yarn_attn_factor"
                                                                      : "rope.scaling.attn_factor");
    const auto fast = real("rope.scaling.yarn_beta_fast"), slow = real("rope.scaling.yarn_beta_slow");
    const auto log_multiplier = real("rope.scaling.yarn_log_multiplier");
    if (!type || *type == "none") {
      if (!old_factor || *old_factor == 1 || *old_factor == 0 || type) return Json();
      return {{"type", "linear"}, {"rope_type", "linear"}, {"factor", *old_factor}};
    }
    if (*type != "linear" && *type != "yarn")
      user_error("{}: {}rope.scaling.type is \"{}\"; minke computes none, linear and yarn", file_.path(), prefix_,
                 printable(*type));
    if (!factor) user_error("{}: {}rope.scaling.factor is missing", file_.path(), prefix_);
    Json scaling = {{"type", *type}, {"rope_type", *type}, {"factor", *factor}};
    if (*type == "linear") return scaling;
    scaling["original_max_position_embeddings"] = original.value_or(context_);
    if (fast) scaling["beta_fast"] = *fast;
    if (slow) scaling["beta_slow"] = *slow;
    if (log_multiplier && *log_multiplier != 0) {
      // 0.1 · mscale_all_dim, in FP32. mscale is not in the file: llama.cpp computes as if it were the same.
      const double mscale = std::strtod(fmt::format("{:.7g}", *log_multiplier * 10).c_str(), nullptr);
      scaling["mscale"] = mscale;
      scaling["mscale_all_dim"] = mscale;
    }
    if (attention && *attention != 1) {
      if (log_multiplier)
        user_error("{}: has both an attention factor and {}rope.scaling.yarn_log_multiplier; only one is supported",
                   file_.path(), prefix_);
      scaling["attention_factor"] = *attention * (0.1 * std::log(*factor) + 1);  // theirs comes on top of the usual one
    }
    return scaling;
  }

  // Llama 3's scaling is in the file as the divisor of each frequency. It is that of one of the published settings, or it
  // is refused: the divisors are computed again and compared.
  Json llama3_scaling(const GgufTensor& factors) {
    if (factors.size() != head_ / 2)
      user_error("{}: tensor {} has {} elements, but a head has {} rotary frequencies", *factors.file, factors.name,
                 factors.size(), head_ / 2);
    std::vector<float> divisors(size_t(factors.size()));
    read_as_f32(factors, divisors.data());
    const double theta = json_["rope_theta"].get<double>();
    const double factor = *std::max_element(divisors.begin(), divisors.end());
    const auto divisor = [&](size_t i, double original) {
      const double wavelength = 2 * std::numbers::pi * std::pow(theta, 2 * double(i) / double(head_));
      const double smooth = std::clamp((original / wavelength - 1) / (4 - 1), 0.0, 1.0);
      return 1 / ((1 - smooth) / factor + smooth);
    };
    for (int64_t original = 1; original <= int64_t(1) << 24; original *= 2) {
      bool same = factor >= 1;
      for (size_t i = 0; i < divisors.size() && same; ++i)
        same = std::fabs(divisors[i] - divisor(i, double(original))) <= 1e-4 * divisors[i];  // they are FP32 of FP32
      if (same)
        return {{"type", "llama3"},
                {"rope_type", "llama3"},
                {"factor", std::strtod(fmt::format("{:.7g}", factor).c_str(), nullptr)},
                {"original_max_position_embeddings", original},
                {"low_freq_factor", 1.0},
                {"high_freq_factor", 4.0}};
    }
    user_error(
        "{}: the divisors in tensor {} are not those of Llama 3 (low_freq_factor 1, high_freq_factor 4 and a power of "
        "two as "
        "original length)",
        *factors.file, factors.name);
  }

  // Of the folder that minke made the file from.
  void own_fields() {
    const auto text = metadata_.text(gguf_own::kConfig);
    if (!text) return;
    const std::string where = fmt::format("{}: {}", file_.path(), gguf_own::kConfig);
    const Json own = parse_json(*text, where);
    if (!own.is_object()) user_error("{}: must be an object, is {}", where, own.type_name());
    for (const auto& [key, value] : own.items()) {
      const auto* known = std::find(std::begin(gguf_own::kConfigFields), std::end(gguf_own::kConfigFields), key);
      if (known == std::end(gguf_own::kConfigFields))
        user_error("{}: has the field {}, which is not understood", where, printable(key));
      json_[key] = value;
    }
  }

  void refuse_unknown_keys() {
    for (const auto& [key, value] : metadata_.entries()) {
      if (!key.starts_with(prefix_)) continue;
      const std::string name(key.substr(prefix_.size()));
      if (used_.count(name)) continue;
      if (std::find(std::begin(kWithoutEffect), std::end(kWithoutEffect), name) != std::end(kWithoutEffect)) continue;
      const auto* only = std::find_if(std::begin(kOnlyOneValue), std::end(kOnlyOneValue),
                                      [&](const auto& entry) { return name == entry.key; });
      const bool is_flag = !value.is_list && value.type == GgufType::boolean;
      if (only != std::end(kOnlyOneValue) &&
          (is_flag ? *metadata_.flag(key) == (only->value != 0) : *metadata_.real(key) == only->value))
        continue;
      user_error("{}: has the key {}{}, which is not understood: it may change what the model computes", file_.path(),
                 printable(key), only == std::end(kOnlyOneValue) ? "" : " with an unusual value");
    }
  }

  const Gguf& file_;
  const GgufMetadata& metadata_;
  const Architecture& architecture_;
  const std::string prefix_;
  Sizes& sizes_;
  std::vector<std::string>& notes_;
  Json json_ = Json::object(), minke_ = Json::object();
  std::set<std::string> used_;
  int64_t hidden_ = 0, layers_ = 0, context_ = 0, head_ = 0;
};

}  // namespace

std::string config_json(const Gguf& file, const Architecture& architecture, Sizes& sizes,
                        std::vector<std::string>& notes) {
  return ConfigReader(file, architecture, sizes, notes).build();
}

}  // namespace minke::gguf
