#include "formats/gguf_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/error.h"
#include "core/json.h"
#include "formats/gguf_names.h"

namespace minke {
namespace {
using gguf::How;
using gguf::Name;
using Kind = GgufExportTensor::Kind;

class Planner {
 public:
  Planner(std::string_view config_json, std::string_view where)
      : json_(parse_json(config_json, where)), where_(where), type_(text("model_type")) {
    const gguf::Architecture* architecture = gguf::architecture_for(type_);
    if (!architecture) refuse("model_type", "no architecture of GGUF");
    architecture_ = architecture;
    mla_ = architecture->attention == gguf::Attention::mla;
    experts_ =
        json_.contains("n_routed_experts") && !json_["n_routed_experts"].is_null() ? integer("n_routed_experts") : 0;
  }

  GgufExport plan(std::span<const PublishedShape> tensors) {
    keys();
    for (const PublishedShape& t : tensors)
      if (!outer(t) && !of_layer(t))
        user_error("{}: tensor {} has no name in GGUF files of architecture {}", where_, printable(t.name),
                   architecture_->name);
    for (const GgufExportTensor& t : plan_.tensors)
      if (t.kind == Kind::stacked && std::count(t.sources.begin(), t.sources.end(), ""))
        user_error("{}: {} needs all {} experts of its layer, but some are missing", where_, t.name, experts_);
    return std::move(plan_);
  }

 private:
  // Of config.json.
  const Json& field(const char* key) const {
    const auto at = json_.find(key);
    if (at == json_.end()) user_error("{}: {} is missing", where_, key);
    return *at;
  }
  std::string text(const char* key) const { return field(key).get<std::string>(); }
  int64_t integer(const char* key) const { return field(key).get<int64_t>(); }
  double real(const char* key) const { return field(key).get<double>(); }
  bool is_given(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  [[noreturn]] void refuse(const char* key, std::string_view reason) const {
    user_error("{}: {} is {}, for which there is {}", where_, key, field(key).dump(), reason);
  }

  void number(const std::string& key, int64_t value) { plan_.keys.add_u32(full(key), uint32_t(value)); }
  void number(const std::string& key, double value) { plan_.keys.add_f32(full(key), float(value)); }
  std::string full(const std::string& key) const { return std::string(architecture_->name) + "." + key; }
  void warn(std::string text) { plan_.warnings.push_back(std::move(text)); }

  void keys() {
    if (is_given("minke")) refuse("minke", "no place in a GGUF file: no published model has these choices");
    const int64_t mtp = is_given("num_nextn_predict_layers") ? integer("num_nextn_predict_layers") : 0;
    plan_.keys.add_text("general.architecture", architecture_->name);
    number("vocab_size", integer("vocab_size"));
    number("block_count", integer("num_hidden_layers") + mtp);
    number("context_length", integer("max_position_embeddings"));
    number("embedding_length", integer("hidden_size"));
    number("feed_forward_length", integer("intermediate_size"));
    number("attention.head_count", integer("num_attention_heads"));
    number("attention.layer_norm_rms_epsilon", real("rms_norm_eps"));
    number("rope.freq_base", real("rope_theta"));
    if (mtp > 0) {
      if (!mla_) refuse("num_nextn_predict_layers", "no key in files of this architecture");
      number("nextn_predict_layers", mtp);
      warn("the MTP modules are written, which llama.cpp reads only since 2026");
    }
    if (mla_) latent_attention();
    else grouped_attention();
    if (experts_ > 0) experts();
    scaling();
  }

  void grouped_attention() {
    number("attention.head_count_kv", integer("num_key_value_heads"));
    number("attention.key_length", integer("head_dim"));
    number("attention.value_length", integer("head_dim"));
    number("rope.dimension_count", integer("head_dim"));
  }

  void latent_attention() {
    const int64_t rank = integer("kv_lora_rank"), rotary = integer("qk_rope_head_dim");
    if (json_.contains("rope_interleave") && !json_["rope_interleave"].get<bool>())
      refuse("rope_interleave", "no key in GGUF files: rotary pairs are adjacent");
    number("attention.head_count_kv", int64_t(1));
    number("attention.key_length", rank + rotary);
    number("attention.value_length", rank);
    number("attention.key_length_mla", integer("qk_nope_head_dim") + rotary);
    number("attention.value_length_mla", integer("v_head_dim"));
    number("attention.kv_lora_rank", rank);
    number("rope.dimension_count", rotary);
    const int64_t layers = integer("num_hidden_layers");
    if (is_given("q_lora_rank")) number("attention.q_lora_rank", integer("q_lora_rank"));
    else if (layers != 26 && layers != 27)
      warn(fmt::format(
          "there is no q_lora_rank, which llama.cpp takes only of models of 26 or 27 layers; this one has {}", layers));
  }

  void experts() {
    if (integer("moe_layer_freq") != 1) refuse("moe_layer_freq", "no key in GGUF files: every layer has experts");
    const std::string method = text("topk_method"), scores = text("scoring_func");
    const int64_t groups = integer("n_group");
    number("expert_count", experts_);
    number("expert_used_count", integer("num_experts_per_tok"));
    number("expert_shared_count", is_given("n_shared_experts") ? integer("n_shared_experts") : 0);
    number("expert_feed_forward_length", integer("moe_intermediate_size"));
    number("leading_dense_block_count", integer("first_k_dense_replace"));
    number("expert_weights_scale", real("routed_scaling_factor"));
    plan_.keys.add_flag(full("expert_weights_norm"), field("norm_topk_prob").get<bool>());
    number("expert_gating_func", int64_t(scores == "sigmoid" ? 2 : 1));
    number("expert_group_count", groups);
    number("expert_group_used_count", integer("topk_group"));
    if (method == "group_limited_greedy" && groups > 1)
      warn("llama.cpp ranks groups of experts by their two best, not by the best as this model does");
  }

  void scaling() {
    if (!is_given("rope_scaling")) return;
    const Json& rope = json_["rope_scaling"];
    const std::string type = rope.value("rope_type", "");
    if (type == "llama3") return llama3(rope);
    if (type != "yarn" && type != "linear") refuse("rope_scaling", "no key in GGUF files");
    plan_.keys.add_text(full("rope.scaling.type"), type);
    const double factor = rope.value("factor", 1.0);
    number("rope.scaling.factor", factor);
    if (type == "linear") return;
    number("rope.scaling.original_context_length", rope.value("original_max_position_embeddings", int64_t(0)));
    number("rope.scaling.yarn_beta_fast", rope.value("beta_fast", 32.0));
    number("rope.scaling.yarn_beta_slow", rope.value("beta_slow", 1.0));
    const double mscale = rope.value("mscale", 0.0), all = rope.value("mscale_all_dim", 0.0);
    const double attention = rope.value("attention_factor", 0.0);
    if (mscale != all) refuse("rope_scaling", "no key in GGUF files unless mscale and mscale_all_dim are equal");
    if (all != 0) number("rope.scaling.yarn_log_multiplier", 0.1 * all);
    if (attention == 0) return;
    if (all != 0) refuse("rope_scaling", "no key in GGUF files for attention_factor beside mscale");
    number("rope.scaling.attn_factor", attention / (0.1 * std::log(factor) + 1));
  }

  // As the divisor of each frequency. gguf_config.cpp finds the settings again.
  void llama3(const Json& rope) {
    const double factor = rope.value("factor", 1.0), low = rope.value("low_freq_factor", 1.0);
    const double high = rope.value("high_freq_factor", 4.0);
    const double original = double(rope.value("original_max_position_embeddings", int64_t(0)));
    GgufExportTensor t{.name = "rope_freqs.weight", .shape = {integer("head_dim") / 2}, .kind = Kind::given};
    for (int64_t i = 0; i < t.shape[0]; ++i) {
      const double turns = std::pow(real("rope_theta"), 2 * double(i) / double(integer("head_dim")));
      const double smooth = std::clamp((original / (2 * std::numbers::pi * turns) - low) / (high - low), 0.0, 1.0);
      t.values.push_back(float(1 / ((1 - smooth) / factor + smooth)));
    }
    plan_.tensors.push_back(std::move(t));
  }

  bool outer(const PublishedShape& t) {
    for (const Name& name : gguf::outer_names())
      if (t.name == name.published)
        return add({.name = std::string(name.stored), .shape = t.shape, .sources = {t.name}, .source_shape = t.shape});
    return false;
  }

  bool of_layer(const PublishedShape& t) {
    const std::string_view published = t.name, prefix = "model.layers.";
    int64_t layer = -1, expert = -1;
    if (!published.starts_with(prefix)) return false;
    std::from_chars(published.data() + prefix.size(), published.data() + published.size(), layer);
    const std::string layer_prefix = fmt::format("{}{}.", prefix, layer), stored_prefix = fmt::format("blk.{}.", layer);
    if (!published.starts_with(layer_prefix)) return false;
    std::string_view rest = published.substr(layer_prefix.size());
    if (const std::string_view stack = "mlp.experts."; rest.starts_with(stack)) {
      const auto [end, error] = std::from_chars(rest.data() + stack.size(), rest.data() + rest.size(), expert);
      if (error != std::errc() || expert < 0 || expert >= experts_ || end == rest.data() + rest.size()) return false;
      rest.remove_prefix(size_t(end - rest.data()) + 1);
    }
    bool found = false;
    for (const Name& name : gguf::layer_names())
      if (rest == name.published && (name.how == How::stack) == (expert >= 0) &&
          gguf::has(*architecture_, name.where, experts_ > 0))
        found = add_layer(t, name, stored_prefix + std::string(name.stored), expert) || found;
    return found;
  }

  bool add_layer(const PublishedShape& t, const Name& name, std::string stored, int64_t expert) {
    GgufExportTensor e{.name = std::move(stored), .shape = t.shape, .sources = {t.name}, .source_shape = t.shape};
    switch (name.how) {
      case How::whole: return name.published != std::string_view("self_attn.kv_b_proj.weight") && add(std::move(e));
      case How::query:
      case How::key:
        if (architecture_->paired) {
          e.kind = Kind::paired;
          e.heads = integer(name.how == How::query ? "num_attention_heads" : "num_key_value_heads");
        }
        return add(std::move(e));
      case How::stack: return stack(std::move(e), expert);
      case How::split_k:
      case How::split_v: return split_kv(std::move(e), name.how == How::split_k);
    }
    return false;
  }

  bool stack(GgufExportTensor e, int64_t expert) {
    const auto [at, is_new] = stacks_.try_emplace(e.name, plan_.tensors.size());
    if (is_new) {
      std::vector<std::string> sources(static_cast<size_t>(experts_));
      sources[size_t(expert)] = std::move(e.sources[0]);
      e.sources = std::move(sources);
      e.kind = Kind::stacked;
      e.shape.insert(e.shape.begin(), experts_);
      return add(std::move(e));
    }
    GgufExportTensor& whole = plan_.tensors[at->second];
    if (!std::equal(e.shape.begin(), e.shape.end(), whole.shape.begin() + 1, whole.shape.end()))
      user_error("{}: tensor {} has another shape than {}", where_, e.sources[0], whole.sources[0]);
    whole.sources[size_t(expert)] = std::move(e.sources[0]);
    return true;
  }

  bool split_kv(GgufExportTensor e, bool keys) {
    const int64_t value = integer("v_head_dim"), rank = integer("kv_lora_rank");
    e.heads = integer("num_attention_heads");
    e.nope = integer("qk_nope_head_dim");
    e.kind = keys ? Kind::kv_keys : Kind::kv_values;
    if (e.shape != std::vector<int64_t>{e.heads * (e.nope + value), rank})
      user_error("{}: tensor {} has not the shape [{}, {}]", where_, e.sources[0], e.heads * (e.nope + value), rank);
    e.shape = keys ? std::vector<int64_t>{e.heads, rank, e.nope} : std::vector<int64_t>{e.heads, value, rank};
    return add(std::move(e));
  }

  bool add(GgufExportTensor tensor) {
    plan_.tensors.push_back(std::move(tensor));
    return true;
  }

  const Json json_;
  std::string_view where_;
  const std::string type_;
  const gguf::Architecture* architecture_ = nullptr;
  bool mla_ = false;
  int64_t experts_ = 0;
  GgufExport plan_;
  std::map<std::string, size_t> stacks_;  // → plan_.tensors
};

}  // namespace

void arrange(const GgufExportTensor& t, const float* published, float* out) {
  const std::vector<int64_t>& shape = t.source_shape;
  if (t.kind == Kind::plain || t.kind == Kind::stacked) {
    int64_t size = 1;
    for (int64_t s : shape) size *= s;
    std::copy_n(published, size, out);
    return;
  }
  check(t.heads > 0 && shape.size() == 2, "arrange: a matrix with heads");
  const int64_t columns = shape[1], rows = shape[0] / t.heads;  // of a head
  for (int64_t h = 0; h < t.heads; ++h, published += rows * columns) {
    if (t.kind == Kind::paired) {  // row j · half + i becomes row 2i + j
      const int64_t half = rows / 2;
      for (int64_t r = 0; r < rows; ++r)
        std::copy_n(published + r * columns, columns, out + (r % half * 2 + r / half) * columns);
      out += rows * columns;
    } else if (t.kind == Kind::kv_keys) {
      for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < t.nope; ++r) *out++ = published[r * columns + c];
    } else {
      out = std::copy(published + t.nope * columns, published + rows * columns, out);
    }
  }
}

GgufExport plan_export(std::string_view config_json, std::span<const PublishedShape> tensors, std::string_view where) {
  return Planner(config_json, where).plan(tensors);
}

}  // namespace minke
