#include "spec/parameters.h"

#include <fmt/format.h>

#include <unordered_map>

#include "core/error.h"

namespace minke {
namespace {

using Shape = std::vector<int64_t>;

class Table {
 public:
  explicit Table(const Config& config) : c_(config) {}

  std::vector<Parameter> build() {
    add({.part = Part::embedding,
         .name = "model.embed_tokens",
         .symbol = "Emb",
         .shape = {c_.vocab_size, c_.hidden_size},
         .fields = "vocab_size, hidden_size"});
    for (int64_t l = 0; l < c_.num_hidden_layers; ++l) block(l, false);
    add({.part = Part::norm,
         .name = "model.norm",
         .symbol = "g_final",
         .shape = {c_.hidden_size},
         .fields = "hidden_size"});
    if (!c_.tie_word_embeddings)
      add({.part = Part::head,
           .name = "lm_head",
           .symbol = "W_head",
           .shape = {c_.vocab_size, c_.hidden_size},
           .fields = "vocab_size, hidden_size"});
    for (int64_t k = 0; k < c_.num_nextn_predict_layers; ++k) mtp_module(c_.num_hidden_layers + k);
    return std::move(rows_);
  }

 private:
  struct Row {
    Part part;
    std::string name;  // without ".weight"
    const char* symbol;
    Shape shape;
    std::string fields;        // of config.json that make the shape
    std::string storage = {};  // empty: by the rule of the header
    int64_t group = -1, row_begin = 0;
  };

  Parameter& add(Row row, const char* suffix = ".weight") {
    Parameter p;
    p.name = row.name + suffix;
    p.symbol = row.symbol;
    p.init = row.shape.size() > 1 ? Init::normal : Init::ones;
    p.weight_decay = row.shape.size() > 1;
    p.shape = std::move(row.shape);
    p.fields = fmt::format("[{}]", row.fields);
    p.storage = row.storage.empty() ? storage_name(row.name) : std::move(row.storage);
    p.group = row.group;
    p.row_begin = row.row_begin;
    p.part = row.part;
    p.layer = layer_;
    p.mtp = mtp_;
    return rows_.emplace_back(std::move(p));
  }

  Parameter& add_bias(Part part, const std::string& name, const char* symbol, int64_t size, const char* fields,
                      const char* suffix = ".bias") {
    Parameter& p = add({.part = part,
                        .name = name,
                        .symbol = symbol,
                        .shape = {size},
                        .fields = fields,
                        .storage = storage_name(name + suffix)},
                       suffix);
    p.init = Init::zeros;
    return p;
  }

  static std::string storage_name(std::string name) {
    for (std::string_view prefix : {"model.", "self_attn.", "mlp."})
      if (const size_t at = name.find(prefix); at != name.npos) name.erase(at, prefix.size());
    return name;
  }

  void block(int64_t layer, bool mtp) {
    layer_ = layer;
    mtp_ = mtp;
    const std::string base = fmt::format("model.layers.{}.", layer);
    add({.part = Part::norm,
         .name = base + "input_layernorm",
         .symbol = "g_attn",
         .shape = {c_.hidden_size},
         .fields = "hidden_size"});
    if (c_.attention == AttentionKind::mla) mla(base + "self_attn.");
    else gqa(base + "self_attn.");
    add({.part = Part::norm,
         .name = base + "post_attention_layernorm",
         .symbol = "g_ffn",
         .shape = {c_.hidden_size},
         .fields = "hidden_size"});
    if (c_.is_moe_layer(layer)) moe(base + "mlp.");
    else swiglu(Part::dense_ffn, base + "mlp.", c_.intermediate_size, "intermediate_size");
    layer_ = -1;
    mtp_ = false;
  }

  void mla(const std::string& base) {
    const int64_t d = c_.hidden_size, heads = c_.num_attention_heads, qr = c_.q_lora_rank, kr = c_.kv_lora_rank;
    const int64_t query = heads * c_.qk_head_dim();
    const Part part = Part::attention;
    if (qr > 0) {
      add({.part = part,
           .name = base + "q_a_proj",
           .symbol = "W_DQ",
           .shape = {qr, d},
           .fields = "q_lora_rank, hidden_size"});
      add({.part = part, .name = base + "q_a_layernorm", .symbol = "g_q", .shape = {qr}, .fields = "q_lora_rank"});
      add({.part = part,
           .name = base + "q_b_proj",
           .symbol = "W_UQ;W_QR",
           .shape = {query, qr},
           .fields = "num_attention_heads · (qk_nope_head_dim + qk_rope_head_dim), q_lora_rank"});
    } else {
      add({.part = part,
           .name = base + "q_proj",
           .symbol = "W_Q",
           .shape = {query, d},
           .fields = "num_attention_heads · (qk_nope_head_dim + qk_rope_head_dim), hidden_size"});
    }
    add({.part = part,
         .name = base + "kv_a_proj_with_mqa",
         .symbol = "W_DKV;W_KR",
         .shape = {kr + c_.qk_rope_head_dim, d},
         .fields = "kv_lora_rank + qk_rope_head_dim, hidden_size"});
    add({.part = part, .name = base + "kv_a_layernorm", .symbol = "g_kv", .shape = {kr}, .fields = "kv_lora_rank"});
    add({.part = part,
         .name = base + "kv_b_proj",
         .symbol = "W_UK;W_UV",
         .shape = {heads * (c_.qk_nope_head_dim + c_.v_head_dim), kr},
         .fields = "num_attention_heads · (qk_nope_head_dim + v_head_dim), kv_lora_rank"});
    add({.part = part,
         .name = base + "o_proj",
         .symbol = "W_O",
         .shape = {d, heads * c_.v_head_dim},
         .fields = "hidden_size, num_attention_heads · v_head_dim"});
  }

  void gqa(const std::string& base) {
    const int64_t d = c_.hidden_size, query = c_.num_attention_heads * c_.head_dim,
                  key = c_.num_key_value_heads * c_.head_dim;
    const Part part = Part::attention;
    const struct {
      const char *name, *symbol, *bias;
      int64_t rows;
      const char* fields;
    } projections[] = {{"q_proj", "W_Q", "b_Q", query, "num_attention_heads · head_dim"},
                       {"k_proj", "W_K", "b_K", key, "num_key_value_heads · head_dim"},
                       {"v_proj", "W_V", "b_V", key, "num_key_value_heads · head_dim"}};
    for (const auto& p : projections) {
      add({.part = part,
           .name = base + p.name,
           .symbol = p.symbol,
           .shape = {p.rows, d},
           .fields = fmt::format("{}, hidden_size", p.fields)});
      if (c_.qkv_bias) add_bias(part, base + p.name, p.bias, p.rows, p.fields);
    }
    if (c_.qk_norm) {
      add({.part = part, .name = base + "q_norm", .symbol = "g_q", .shape = {c_.head_dim}, .fields = "head_dim"});
      add({.part = part, .name = base + "k_norm", .symbol = "g_k", .shape = {c_.head_dim}, .fields = "head_dim"});
    }
    add({.part = part,
         .name = base + "o_proj",
         .symbol = "W_O",
         .shape = {d, query},
         .fields = "hidden_size, num_attention_heads · head_dim"});
  }

  // One SwiGLU; expert >= 0 puts it into the stacked storage "<...>.experts".
  void swiglu(Part part, const std::string& base, int64_t width, std::string_view field, int64_t expert = -1) {
    std::string fused = storage_name(base);
    if (expert >= 0)
      fused.erase(fused.rfind('.', fused.size() - 2) + 1);  // "layers.3.experts.5." → "layers.3.experts."
    const int64_t d = c_.hidden_size;
    add({.part = part,
         .name = base + "gate_proj",
         .symbol = "W_1",
         .shape = {width, d},
         .fields = fmt::format("{}, hidden_size", field),
         .storage = fused + "gate_up",
         .group = expert});
    add({.part = part,
         .name = base + "up_proj",
         .symbol = "W_3",
         .shape = {width, d},
         .fields = fmt::format("{}, hidden_size", field),
         .storage = fused + "gate_up",
         .group = expert,
         .row_begin = width});
    add({.part = part,
         .name = base + "down_proj",
         .symbol = "W_2",
         .shape = {d, width},
         .fields = fmt::format("hidden_size, {}", field),
         .storage = fused + "down",
         .group = expert});
  }

  void moe(const std::string& base) {
    add({.part = Part::router,
         .name = base + "gate",
         .symbol = "e_i",
         .shape = {c_.n_routed_experts, c_.hidden_size},
         .fields = "n_routed_experts, hidden_size"});
    if (c_.gate_bias) {
      Parameter& bias = add_bias(Part::router, base + "gate", "b_i", c_.n_routed_experts, "n_routed_experts",
                                 ".e_score_correction_bias");
      bias.trainable = false;  // moved by the load, not by the loss (V3 §2.1.2)
    }
    for (int64_t e = 0; e < c_.n_routed_experts; ++e)
      swiglu(Part::routed_expert, fmt::format("{}experts.{}.", base, e), c_.moe_intermediate_size,
             "moe_intermediate_size", e);
    if (c_.n_shared_experts > 0)
      swiglu(Part::shared_expert, base + "shared_experts.", c_.n_shared_experts * c_.moe_intermediate_size,
             "n_shared_experts · moe_intermediate_size");
  }

  void mtp_module(int64_t layer) {
    const int64_t d = c_.hidden_size;
    const std::string base = fmt::format("model.layers.{}.", layer);
    const auto outer = [&](Part part, const char* name, const char* symbol, Shape shape,
                           const char* fields) -> Parameter& {
      Parameter& p =
          add({.part = part, .name = base + name, .symbol = symbol, .shape = std::move(shape), .fields = fields});
      p.layer = layer;
      p.mtp = true;
      return p;
    };
    Parameter& embedding = outer(Part::embedding, "embed_tokens", "Emb", {c_.vocab_size, d}, "vocab_size, hidden_size");
    embedding.storage = "embed_tokens";
    embedding.optional_duplicate = true;
    outer(Part::norm, "enorm", "g_e", {d}, "hidden_size");
    outer(Part::norm, "hnorm", "g_h", {d}, "hidden_size");
    outer(Part::mtp_projection, "eh_proj", "M_k", {d, 2 * d}, "hidden_size, 2 · hidden_size");
    block(layer, true);
    outer(Part::norm, "shared_head.norm", "g_head", {d}, "hidden_size");
    Parameter& head = outer(Part::head, "shared_head.head", "W_head", {c_.vocab_size, d}, "vocab_size, hidden_size");
    head.storage = c_.tie_word_embeddings ? "embed_tokens" : "lm_head";
    head.optional_duplicate = true;
  }

  const Config& c_;
  int64_t layer_ = -1;
  bool mtp_ = false;
  std::vector<Parameter> rows_;
};

}  // namespace

const char* name_of(Part part) {
  switch (part) {
    case Part::embedding: return "embedding";
    case Part::head: return "head";
    case Part::norm: return "norms";
    case Part::attention: return "attention";
    case Part::dense_ffn: return "dense feed-forward";
    case Part::router: return "router";
    case Part::routed_expert: return "routed experts";
    case Part::shared_expert: return "shared experts";
    case Part::mtp_projection: return "MTP projection";
  }
  return "?";
}

std::vector<Parameter> parameters(const Config& config) { return Table(config).build(); }

std::vector<Storage> storages(const Config& config) {
  std::vector<Storage> result;
  std::unordered_map<std::string, size_t> index;
  for (const Parameter& p : parameters(config)) {
    if (p.optional_duplicate) continue;
    const auto [at, is_new] = index.try_emplace(p.storage, result.size());
    if (is_new) {
      Storage s{p.storage, p.shape, p.init, p.weight_decay, p.trainable, p.part, p.layer, p.mtp};
      if (p.group >= 0) s.shape.insert(s.shape.begin(), 1);
      result.push_back(std::move(s));
      continue;
    }
    Shape& shape =
        result[at->second].shape;  // parts come in order, so the last one seen has the greatest group and rows
    if (p.group >= 0) shape[0] = p.group + 1;
    int64_t& rows = shape[shape.size() - 2];
    rows = std::max(rows, p.row_begin + p.shape[0]);
  }
  return result;
}

int64_t element_offset(const Parameter& parameter, const Storage& storage) {
  check_equal(parameter.storage, storage.name, "element_offset: storage");
  const size_t rank = storage.shape.size();
  if (rank < 2) return 0;
  const int64_t rows = storage.shape[rank - 2], columns = storage.shape[rank - 1];
  return (std::max<int64_t>(parameter.group, 0) * rows + parameter.row_begin) * columns;
}

}  // namespace minke
