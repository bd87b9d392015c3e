#include "support/gguf_fixture.h"

#include <fmt/format.h>

#include <cmath>
#include <deque>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>

#include "formats/gguf_writer.h"
#include "formats/hf_folder.h"

namespace minke::test {
namespace {

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (const size_t at = text.find(from); at != text.npos) text.replace(at, from.size(), to);
  return text;
}

// In this order: a later pattern may be part of an earlier one.
constexpr const char* kNames[][2] = {
    {"model.embed_tokens.", "token_embd."},
    {"model.norm.", "output_norm."},
    {"lm_head.", "output."},
    {"model.layers.", "blk."},
    {"input_layernorm.", "attn_norm."},
    {"post_attention_layernorm.", "ffn_norm."},
    {"self_attn.q_proj.", "attn_q."},
    {"self_attn.k_proj.", "attn_k."},
    {"self_attn.v_proj.", "attn_v."},
    {"self_attn.o_proj.", "attn_output."},
    {"self_attn.q_norm.", "attn_q_norm."},
    {"self_attn.k_norm.", "attn_k_norm."},
    {"self_attn.q_a_proj.", "attn_q_a."},
    {"self_attn.q_a_layernorm.", "attn_q_a_norm."},
    {"self_attn.q_b_proj.", "attn_q_b."},
    {"self_attn.kv_a_proj_with_mqa.", "attn_kv_a_mqa."},
    {"self_attn.kv_a_layernorm.", "attn_kv_a_norm."},
    {"self_attn.kv_b_proj.", "attn_kv_b."},
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.shared_experts.gate_proj.", "ffn_gate_shexp."},
    {"mlp.shared_experts.up_proj.", "ffn_up_shexp."},
    {"mlp.shared_experts.down_proj.", "ffn_down_shexp."},
    {"mlp.gate_proj.", "ffn_gate."},
    {"mlp.up_proj.", "ffn_up."},
    {"mlp.down_proj.", "ffn_down."},
    {"enorm.", "nextn.enorm."},
    {"hnorm.", "nextn.hnorm."},
    {"eh_proj.", "nextn.eh_proj."},
    {"shared_head.norm.", "nextn.shared_head_norm."},
    {"shared_head.head.", "nextn.shared_head_head."},
};

std::string stored_name(std::string name) {
  for (const auto& [from, to] : kNames) name = replaced(name, from, to);
  // The embedding of an MTP module would otherwise look like the model's.
  return name.starts_with("blk.") ? replaced(name, "embed_tokens.", "nextn.embed_tokens.") : name;
}

// reshape(heads, 2, half, columns) → swap the middle two.
void pair_rows(Tensor& t, int64_t heads) {
  const int64_t columns = t.shape[1], head = t.shape[0] / heads, half = head / 2;
  const std::vector<float> old = t.values;
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t j = 0; j < 2; ++j)
      for (int64_t i = 0; i < half; ++i)
        std::copy_n(old.begin() + (h * head + j * half + i) * columns, columns,
                    t.values.begin() + (h * head + 2 * i + j) * columns);
}

class Converter {
 public:
  Converter(const fs::path& folder, const GgufFixture& options)
      : options_(options), c_(load_config(folder)), folder_(HfFolder::open(folder)) {}

  void write(const fs::path& out) {
    collect();
    keys();
    std::vector<GgufTensorToWrite> list;
    for (const auto& [name, t] : tensors_)
      list.push_back({.name = name, .shape = t.shape, .data = std::as_bytes(std::span(t.values))});
    write_gguf(out, keys_, list);
  }

 private:
  bool mla() const { return c_.attention == AttentionKind::mla; }
  std::string arch() const { return mla() ? "deepseek2" : std::string(name_of(c_.model_type)); }

  void collect() {
    for (const SafetensorsFile& file : folder_.files())
      for (const TensorInfo& info : file.tensors()) {
        if (info.name.ends_with("_scale_inv")) continue;
        Tensor t{info.shape, std::vector<float>(size_t(info.size()))};
        folder_.read_as_f32(info.name, t.values.data(), c_.fp8_block > 0 ? c_.fp8_block : 128);
        convert(info.name, std::move(t));
      }
    if (c_.rope_scaling.type == RopeType::llama3) rope_divisors();
    if (!options_.also_tensor.empty()) tensors_[options_.also_tensor] = {{1}, {0}};
  }

  void convert(const std::string& name, Tensor t) {
    const bool paired = c_.model_type == ModelType::llama || c_.model_type == ModelType::deepseek;
    if (paired && name.ends_with("q_proj.weight")) pair_rows(t, c_.num_attention_heads);
    if (paired && name.ends_with("k_proj.weight")) pair_rows(t, c_.num_key_value_heads);
    if (const size_t at = name.find("mlp.experts."); at != name.npos) {
      const size_t number = at + 12, dot = name.find('.', number);
      const int64_t expert = std::stoll(name.substr(number, dot - number));
      std::string kind = name.substr(dot + 1);  // gate_proj.weight
      kind = "ffn_" + replaced(kind, "_proj.", "_exps.");
      Tensor& stack = tensors_[stored_name(name.substr(0, at)) + kind];
      stack.shape = {c_.n_routed_experts, t.shape[0], t.shape[1]};
      stack.values.resize(size_t(c_.n_routed_experts * t.shape[0] * t.shape[1]));
      std::copy(t.values.begin(), t.values.end(), stack.values.begin() + expert * t.shape[0] * t.shape[1]);
      return;
    }
    const std::string stored = stored_name(name);
    if (options_.split_kv && stored.ends_with("attn_kv_b.weight")) return split_kv(stored, t);
    tensors_[stored] = std::move(t);
  }

  // view(heads, nope + value, rank): the first rows of each head are transposed, the others are not.
  void split_kv(const std::string& stored, const Tensor& t) {
    const int64_t heads = c_.num_attention_heads, nope = c_.qk_nope_head_dim, value = c_.v_head_dim,
                  rank = c_.kv_lora_rank;
    Tensor k{{heads, rank, nope}, std::vector<float>(size_t(heads * rank * nope))};
    Tensor v{{heads, value, rank}, std::vector<float>(size_t(heads * value * rank))};
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < nope + value; ++i)
        for (int64_t r = 0; r < rank; ++r) {
          const float x = t.values[size_t((h * (nope + value) + i) * rank + r)];
          if (i < nope) k.values[size_t((h * rank + r) * nope + i)] = x;
          else v.values[size_t((h * value + i - nope) * rank + r)] = x;
        }
    tensors_[replaced(stored, "attn_kv_b", "attn_k_b")] = std::move(k);
    tensors_[replaced(stored, "attn_kv_b", "attn_v_b")] = std::move(v);
  }

  void rope_divisors() {
    const RopeScaling& s = c_.rope_scaling;
    const double original = double(s.original_max_position_embeddings);
    Tensor t{{c_.head_dim / 2}, {}};
    for (int64_t i = 0; i < c_.head_dim / 2; ++i) {
      const double wavelength = 2 * std::numbers::pi * std::pow(c_.rope_theta, 2 * double(i) / double(c_.head_dim));
      double divisor = 1;
      if (wavelength > original / s.low_freq_factor) {
        divisor = s.factor;
      } else if (wavelength >= original / s.high_freq_factor) {
        const double smooth = (original / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        divisor = 1 / ((1 - smooth) / s.factor + smooth);
      }
      t.values.push_back(float(divisor));
    }
    tensors_["rope_freqs.weight"] = std::move(t);
  }

  void number(const std::string& key, int64_t value) { keys_.add_u32(arch() + "." + key, uint32_t(value)); }
  void real(const std::string& key, double value) { keys_.add_f32(arch() + "." + key, float(value)); }

  void keys() {
    keys_.add_text("general.architecture", arch());
    number("vocab_size", c_.vocab_size);
    number("block_count", c_.num_hidden_layers + c_.num_nextn_predict_layers);
    number("context_length", c_.max_position_embeddings);
    number("embedding_length", c_.hidden_size);
    number("feed_forward_length", c_.intermediate_size);
    number("attention.head_count", c_.num_attention_heads);
    real("attention.layer_norm_rms_epsilon", c_.rms_norm_eps);
    real("rope.freq_base", c_.rope_theta);
    if (c_.num_nextn_predict_layers > 0) number("nextn_predict_layers", c_.num_nextn_predict_layers);
    if (mla()) latent_attention();
    else grouped_attention();
    if (c_.n_routed_experts > 0) experts();
    scaling();
    tokenizer();
    if (!options_.also_key.empty()) number(options_.also_key, 1);
    if (!options_.generation_config.empty()) keys_.add_text("minke.generation_config", options_.generation_config);
  }

  void grouped_attention() {
    number("attention.head_count_kv", c_.num_key_value_heads);
    number("rope.dimension_count", c_.head_dim);
    if (c_.head_dim * c_.num_attention_heads == c_.hidden_size) return;  // then the converter leaves them out
    number("attention.key_length", c_.head_dim);
    number("attention.value_length", c_.head_dim);
  }

  void latent_attention() {
    const int64_t head = c_.qk_nope_head_dim + c_.qk_rope_head_dim;
    number("attention.head_count_kv", options_.split_kv ? 1 : c_.num_attention_heads);
    number("attention.key_length", options_.split_kv ? c_.kv_lora_rank + c_.qk_rope_head_dim : head);
    number("attention.value_length", options_.split_kv ? c_.kv_lora_rank : c_.v_head_dim);
    if (options_.split_kv) {
      number("attention.key_length_mla", head);
      number("attention.value_length_mla", c_.v_head_dim);
    }
    if (c_.q_lora_rank > 0) number("attention.q_lora_rank", c_.q_lora_rank);
    number("attention.kv_lora_rank", c_.kv_lora_rank);
    number("rope.dimension_count", c_.qk_rope_head_dim);
  }

  void experts() {
    number("expert_count", c_.n_routed_experts);
    number("expert_used_count", c_.num_experts_per_tok);
    number("expert_shared_count", c_.n_shared_experts);
    number("expert_feed_forward_length", c_.moe_intermediate_size);
    number("leading_dense_block_count", c_.first_k_dense_replace);
    real("expert_weights_scale", c_.routed_scaling_factor);
    if (c_.norm_topk_prob) keys_.add_flag(arch() + ".expert_weights_norm", true);
    if (c_.scoring_func == ScoringFunc::sigmoid) number("expert_gating_func", 2);
    if (!options_.groups) return;
    number("expert_group_count", c_.n_group);
    number("expert_group_used_count", c_.topk_group);
  }

  void scaling() {
    const RopeScaling& s = c_.rope_scaling;
    if (s.type != RopeType::yarn && s.type != RopeType::linear) return;
    keys_.add_text(arch() + ".rope.scaling.type", s.type == RopeType::yarn ? "yarn" : "linear");
    real("rope.scaling.factor", s.factor);
    if (s.type == RopeType::linear) return;
    number("rope.scaling.original_context_length", s.original_max_position_embeddings);
    real("rope.scaling.yarn_beta_fast", s.beta_fast);
    real("rope.scaling.yarn_beta_slow", s.beta_slow);
    if (s.mscale_all_dim != 0) real("rope.scaling.yarn_log_multiplier", 0.1 * s.mscale_all_dim);
  }

  void tokenizer() {
    if (!options_.tokenizer.empty()) return add_tokenizer_keys(keys_, options_.tokenizer, options_.pre, c_.vocab_size);
    std::deque<std::string> names;
    std::vector<std::string_view> tokens;
    std::vector<int32_t> types;
    for (int64_t i = 0; i < c_.vocab_size; ++i) {
      tokens.push_back(names.emplace_back(fmt::format("t{}", i)));
      types.push_back(i < 2 ? 3 : 1);
    }
    const std::string_view merges[] = {"t 1", "t 2"};
    keys_.add_text("tokenizer.ggml.model", "gpt2");
    keys_.add_text("tokenizer.ggml.pre", "deepseek-v3");
    keys_.add_texts("tokenizer.ggml.tokens", tokens);
    keys_.add_i32s("tokenizer.ggml.token_type", types);
    keys_.add_texts("tokenizer.ggml.merges", merges);
    keys_.add_u32("tokenizer.ggml.bos_token_id", 0);
    keys_.add_u32("tokenizer.ggml.eos_token_id", 1);
    keys_.add_flag("tokenizer.ggml.add_bos_token", true);
    keys_.add_text("tokenizer.chat_template", "{{ messages[0].content }}");
  }

  const GgufFixture& options_;
  Config c_;
  HfFolder folder_;
  GgufMetadataToWrite keys_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace

void add_tokenizer_keys(GgufMetadataToWrite& keys, const fs::path& folder, std::string_view pre, int64_t vocab_size) {
  using nlohmann::json;
  const json file = json::parse(std::ifstream(folder / "tokenizer.json")), &model = file["model"];
  const json config = json::parse(std::ifstream(folder / "tokenizer_config.json"));
  std::map<int64_t, std::pair<std::string, int32_t>> by_id;
  for (const auto& [text, id] : model["vocab"].items()) by_id[id.get<int64_t>()] = {text, 1};
  for (const json& token : file["added_tokens"])
    by_id[token["id"].get<int64_t>()] = {token["content"].get<std::string>(), token["special"].get<bool>() ? 3 : 4};
  for (int64_t id = 0; id < vocab_size; ++id) by_id.emplace(id, std::pair(fmt::format("[PAD{}]", id), 5));

  std::vector<std::string_view> tokens, merges;
  std::vector<int32_t> types;
  for (const auto& [id, token] : by_id) tokens.push_back(token.first), types.push_back(token.second);
  std::deque<std::string> joined;
  for (const json& merge : model["merges"])
    merges.push_back(joined.emplace_back(merge.is_string()
                                             ? merge.get<std::string>()
                                             : merge[0].get<std::string>() + " " + merge[1].get<std::string>()));
  keys.add_text("tokenizer.ggml.model", "gpt2");
  keys.add_text("tokenizer.ggml.pre", pre);
  keys.add_texts("tokenizer.ggml.tokens", tokens);
  keys.add_i32s("tokenizer.ggml.token_type", types);
  keys.add_texts("tokenizer.ggml.merges", merges);
  for (const char* name : {"bos", "eos"}) {
    const auto token = config.find(std::string(name) + "_token");
    if (token == config.end() || token->is_null()) continue;
    const std::string text = token->is_object() ? (*token)["content"] : *token;
    for (const auto& [id, stored] : by_id)
      if (stored.first == text) keys.add_u32(fmt::format("tokenizer.ggml.{}_token_id", name), uint32_t(id));
  }
  keys.add_flag("tokenizer.ggml.add_bos_token", true);
  if (config.contains("chat_template"))
    keys.add_text("tokenizer.chat_template", config["chat_template"].get<std::string>());
}

void write_gguf_fixture(const fs::path& folder, const fs::path& out, const GgufFixture& options) {
  Converter(folder, options).write(out);
}

}  // namespace minke::test
