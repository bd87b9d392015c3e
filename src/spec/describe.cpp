#include "spec/describe.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "spec/counts.h"
#include "spec/rope.h"

namespace minke {
namespace {

std::string scaled(double value, double unit, std::initializer_list<const char*> names) {
  const char* const* name = names.begin();
  while (value >= unit && name + 1 != names.end()) value /= unit, ++name;
  return name == names.begin() ? fmt::format("{}{}", value, *name) : fmt::format("{:.2f}{}", value, *name);
}

std::string counted(int64_t n, const char* thing) { return fmt::format("{} {}{}", n, thing, n == 1 ? "" : "s"); }

std::string attention_words(const Config& c) {
  if (c.attention == AttentionKind::mla)
    return fmt::format("multi-head latent attention, {} heads ({} content + {} rotary, values {}), latent {}, {}",
                       c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim, c.kv_lora_rank,
                       c.q_lora_rank > 0 ? fmt::format("queries through {}", c.q_lora_rank) : "queries uncompressed");
  const char* kind = c.num_key_value_heads == c.num_attention_heads ? "multi-head attention"
                     : c.num_key_value_heads == 1                   ? "multi-query attention"
                                                                    : "grouped-query attention";
  return fmt::format("{}, {} heads of {}, {} key/value heads{}{}", kind, c.num_attention_heads, c.head_dim,
                     c.num_key_value_heads, c.qkv_bias ? ", biases on q, k, v" : "",
                     c.qk_norm ? ", norms on q and k" : "");
}

std::string rope_words(const Config& c) {
  std::string words = fmt::format("theta {}, {}", c.rope_theta, c.rope_interleave ? "adjacent pairs" : "split halves");
  const RopeScaling& s = c.rope_scaling;
  if (s.type != RopeType::none) words += fmt::format(", {} × {}", name_of(s.type), s.factor);
  if (s.original_max_position_embeddings > 0)
    words += fmt::format(" from {} positions", s.original_max_position_embeddings);
  return words +
         fmt::format(", attention scores × {:.6g}, up to {} positions", softmax_scale(c), c.max_position_embeddings);
}

std::string moe_words(const Config& c, const Counts& n) {
  std::string words =
      fmt::format("{} of {} experts of width {}, {} per token of {} possible sets", counted(n.moe_layers, "layer"),
                  c.n_routed_experts, c.moe_intermediate_size, c.num_experts_per_tok,
                  short_count(double(expert_combinations(c.n_routed_experts, c.num_experts_per_tok))));
  if (c.n_shared_experts > 0) words += fmt::format(", {} shared", c.n_shared_experts);
  words += fmt::format("; router {}", name_of(c.scoring_func));
  if (c.topk_method != TopkMethod::greedy && c.n_group > 1)
    words += fmt::format(", from {} of {} groups ({})", c.topk_group, c.n_group, name_of(c.topk_method));
  if (c.gate_bias) words += ", bias";
  if (c.norm_topk_prob) words += ", renormalised";
  return words + fmt::format(", × {}", c.routed_scaling_factor);
}

}  // namespace

std::string with_commas(int64_t n) {
  std::string digits = fmt::to_string(n);
  for (int64_t at = int64_t(digits.size()) - 3; at > (n < 0 ? 1 : 0); at -= 3) digits.insert(size_t(at), 1, ',');
  return digits;
}
std::string short_count(double n) { return scaled(n, 1000, {"", "K", "M", "B", "T", "P", "E"}); }
std::string short_bytes(double bytes) {
  return scaled(bytes, 1024, {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"});
}

std::string describe_text(const Config& c, int64_t context) {
  const Counts n = count_parameters(c);
  std::string text;
  const auto line = [&](const char* label, std::string_view words) {
    text += fmt::format("{:<12} {}\n", label, words);
  };
  const auto count = [&](const char* label, int64_t value, std::string_view note = "") {
    text += fmt::format("  {:<26} {:>22}  {:>8}{}{}\n", label, with_commas(value), short_count(double(value)),
                        note.empty() ? "" : "  ", note);
  };
  const auto in_all = [](int64_t layers, int64_t each) {
    return fmt::format("{} × = {}", layers, short_count(double(layers) * double(each)));
  };
  line("model", fmt::format("{}, {} layers of width {}, vocabulary {}{}", name_of(c.model_type), c.num_hidden_layers,
                            c.hidden_size, c.vocab_size, c.tie_word_embeddings ? ", head tied to the embedding" : ""));
  line("attention", attention_words(c));
  line("rotary", rope_words(c));
  if (n.dense_layers > 0)
    line("dense", fmt::format("{} of SwiGLU width {}", counted(n.dense_layers, "layer"), c.intermediate_size));
  if (n.moe_layers > 0) line("experts", moe_words(c, n));
  if (c.num_nextn_predict_layers > 0) line("MTP", counted(c.num_nextn_predict_layers, "module"));
  if (c.fp8_block > 0) line("weights", fmt::format("FP8 in blocks of {0} × {0}", c.fp8_block));

  text += "parameters\n";
  count("total", n.total);
  count("active per token", n.active_head_only, "with the head, without the embedding");
  count("  with the embedding too", n.active_with_embedding_and_head);
  count("  without both", n.active_no_embedding_no_head);
  count("embedding", n.embedding);
  count("head", n.head);
  count("attention, per layer", n.attention_layer, in_all(c.num_hidden_layers, n.attention_layer));
  if (n.dense_layers > 0) count("dense layer", n.dense_ffn_layer, in_all(n.dense_layers, n.dense_ffn_layer));
  if (n.moe_layers > 0) {
    count("MoE layer", n.moe_layer_total, in_all(n.moe_layers, n.moe_layer_total));
    count("MoE layer, active", n.moe_layer_active, in_all(n.moe_layers, n.moe_layer_active));
  }
  if (n.mtp_unique > 0) {
    count("MTP modules", n.mtp_unique, "not in the total");
    count("MTP modules, active", n.mtp_active, "without embedding and head");
    count("weights in the file", n.file_weights, "with MTP's copies of embedding and head");
  }
  if (n.file_fp8_scales > 0) count("FP8 scales in the file", n.file_fp8_scales);

  const int64_t elements = kv_elements_per_token(c), bytes = kv_bytes(c, 1, 2);
  line("KV cache", fmt::format("{} values per token, {} bytes in BF16 ({}); {} at {} tokens", with_commas(elements),
                               with_commas(bytes), short_bytes(double(bytes)),
                               short_bytes(double(kv_bytes(c, context, 2))), with_commas(context)));
  const auto fp8 = [&](bool with_mtp) { return with_commas(kv_bytes_per_token(c, DType::f8_e4m3, with_mtp)); };
  const bool mla = c.attention == AttentionKind::mla;
  if (mla) line("  in FP8", fmt::format("{} bytes per token (--cache-type fp8)", fp8(false)));
  if (c.num_nextn_predict_layers > 0)
    line("  with MTP", fmt::format("{} bytes per token in BF16{}", with_commas(kv_bytes(c, 1, 2, true)),
                                   mla ? fmt::format(", {} in FP8", fp8(true)) : ""));
  line("work", fmt::format("{} FLOP per token forward and {} in training, at {} tokens",
                           short_count(forward_flops_per_token(c, context)),
                           short_count(training_flops_per_token(c, context)), with_commas(context)));
  return text;
}

Json describe_json(const Config& c, int64_t context) {
  const Counts n = count_parameters(c);
  Json j;
  j["config"] = config_to_json(c);
  j["softmax_scale"] = softmax_scale(c);
  j["parameters"] = {{"total", n.total},
                     {"active_with_embedding_and_head", n.active_with_embedding_and_head},
                     {"active_head_only", n.active_head_only},
                     {"active_no_embedding_no_head", n.active_no_embedding_no_head},
                     {"matmul_active", n.matmul_active},
                     {"embedding", n.embedding},
                     {"head", n.head},
                     {"attention_layer", n.attention_layer},
                     {"dense_ffn_layer", n.dense_ffn_layer},
                     {"dense_layers", n.dense_layers},
                     {"moe_layer_total", n.moe_layer_total},
                     {"moe_layer_active", n.moe_layer_active},
                     {"moe_layers", n.moe_layers},
                     {"mtp_unique", n.mtp_unique},
                     {"mtp_active", n.mtp_active},
                     {"file_weights", n.file_weights},
                     {"file_fp8_scales", n.file_fp8_scales}};
  j["kv_cache"] = {{"elements_per_token", kv_elements_per_token(c)},
                   {"bytes_per_token_bf16", kv_bytes(c, 1, 2)},
                   {"bytes_per_token_bf16_with_mtp", kv_bytes(c, 1, 2, true)},
                   {"context", context},
                   {"bytes_at_context_bf16", kv_bytes(c, context, 2)}};
  if (c.attention == AttentionKind::mla) {
    j["kv_cache"]["bytes_per_token_fp8"] = kv_bytes_per_token(c, DType::f8_e4m3);
    j["kv_cache"]["bytes_per_token_fp8_with_mtp"] = kv_bytes_per_token(c, DType::f8_e4m3, true);
  }
  j["flops_per_token"] = {{"forward", forward_flops_per_token(c, context)},
                          {"training", training_flops_per_token(c, context)}};
  return j;
}

}  // namespace minke
