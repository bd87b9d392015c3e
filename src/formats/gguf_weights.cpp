// The tensors of a GGUF model under their published names.
#include <fmt/format.h>

#include <charconv>

#include "core/error.h"
#include "formats/gguf_names.h"
#include "formats/safetensors.h"

namespace minke::gguf {
namespace {

enum class Where : uint8_t { anywhere, mla, gqa, qkv_bias, qk_norm, experts };
enum class How : uint8_t { whole, query, key, stack, split_k, split_v };

struct Name {
  std::string_view stored;  // behind "blk.N."
  const char* published;    // behind "model.layers.N."; of a stack: behind the expert's number
  Where where = Where::anywhere;
  How how = How::whole;
};

constexpr Name kLayerNames[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight", Where::anywhere, How::query},
    {"attn_k.weight", "self_attn.k_proj.weight", Where::gqa, How::key},
    {"attn_v.weight", "self_attn.v_proj.weight", Where::gqa},
    {"attn_q.bias", "self_attn.q_proj.bias", Where::qkv_bias},
    {"attn_k.bias", "self_attn.k_proj.bias", Where::qkv_bias},
    {"attn_v.bias", "self_attn.v_proj.bias", Where::qkv_bias},
    {"attn_q_norm.weight", "self_attn.q_norm.weight", Where::qk_norm},
    {"attn_k_norm.weight", "self_attn.k_norm.weight", Where::qk_norm},
    {"attn_q_a.weight", "self_attn.q_a_proj.weight", Where::mla},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight", Where::mla},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight", Where::mla},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight", Where::mla},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight", Where::mla},
    {"attn_kv_b.weight", "self_attn.kv_b_proj.weight", Where::mla},
    {"attn_k_b.weight", "self_attn.kv_b_proj.weight", Where::mla, How::split_k},
    {"attn_v_b.weight", "self_attn.kv_b_proj.weight", Where::mla, How::split_v},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate_inp.weight", "mlp.gate.weight", Where::experts},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias", Where::experts},
    {"ffn_gate_exps.weight", "gate_proj.weight", Where::experts, How::stack},
    {"ffn_up_exps.weight", "up_proj.weight", Where::experts, How::stack},
    {"ffn_down_exps.weight", "down_proj.weight", Where::experts, How::stack},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight", Where::experts},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight", Where::experts},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight", Where::experts},
    // MTP modules
    {"nextn.embed_tokens.weight", "embed_tokens.weight", Where::mla},
    {"nextn.enorm.weight", "enorm.weight", Where::mla},
    {"nextn.hnorm.weight", "hnorm.weight", Where::mla},
    {"nextn.eh_proj.weight", "eh_proj.weight", Where::mla},
    {"nextn.shared_head_norm.weight", "shared_head.norm.weight", Where::mla},
    {"nextn.shared_head_head.weight", "shared_head.head.weight", Where::mla},
};

constexpr struct {
  std::string_view stored;
  const char* published;
} kOuterNames[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                   {"output_norm.weight", "model.norm.weight"},
                   {"output.weight", "lm_head.weight"}};

class Mapping {
 public:
  Mapping(const Gguf& file, const Architecture& architecture, const Sizes& sizes)
      : file_(file), architecture_(architecture), sizes_(sizes) {}

  std::vector<GgufWeight> build() {
    for (const GgufFile& part : file_.files())
      for (const GgufTensor& t : part.tensors()) {
        if (t.name == "rope_freqs.weight") continue;  // read for the configuration
        if (!outer(t) && !of_layer(t))
          user_error("{}: tensor {} has no place in a model of architecture {} as minke computes it", *t.file,
                     printable(t.name), architecture_.name);
      }
    return std::move(weights_);
  }

 private:
  template <class... Args>
  [[noreturn]] void misfit(const GgufTensor& t, fmt::format_string<Args...> needed, Args&&... args) const {
    user_error("{}: tensor {} has the shape {}; the metadata ask for {}", *t.file, printable(t.name),
               shape_text(t.shape), fmt::format(needed, std::forward<Args>(args)...));
  }

  bool outer(const GgufTensor& t) {
    for (const auto& name : kOuterNames)
      if (t.name == name.stored) return add({.name = name.published, .shape = t.shape, .tensor = &t});
    return false;
  }

  bool of_layer(const GgufTensor& t) {
    int64_t layer = -1;
    if (!t.name.starts_with("blk.")) return false;
    std::from_chars(t.name.data() + 4, t.name.data() + t.name.size(), layer);
    const std::string stored_layer = fmt::format("blk.{}.", layer);
    if (layer < 0 || !t.name.starts_with(stored_layer)) return false;
    if (layer >= sizes_.layers)
      user_error("{}: tensor {} is of layer {}, but there are only {}", *t.file, printable(t.name), layer,
                 sizes_.layers);
    const std::string_view rest = t.name.substr(stored_layer.size());
    for (const Name& name : kLayerNames)
      if (rest == name.stored && allowed(name.where))
        return add_layer(t, name, fmt::format("model.layers.{}.", layer), stored_layer);
    return false;
  }

  bool allowed(Where where) const {
    switch (where) {
      case Where::anywhere: return true;
      case Where::mla: return architecture_.attention == Attention::mla;
      case Where::gqa: return architecture_.attention == Attention::gqa;
      case Where::qkv_bias: return architecture_.qkv_bias;
      case Where::qk_norm: return architecture_.qk_norm;
      case Where::experts: return sizes_.experts > 0;
    }
    return false;
  }

  bool add_layer(const GgufTensor& t, const Name& name, const std::string& layer, const std::string& stored_layer) {
    switch (name.how) {
      case How::whole: return add({.name = layer + name.published, .shape = t.shape, .tensor = &t});
      case How::query: return rotary(t, layer + name.published, sizes_.heads);
      case How::key: return rotary(t, layer + name.published, sizes_.kv_heads);
      case How::stack: return stack(t, layer + "mlp.experts.", name.published);
      case How::split_k: return split_kv(t, layer + name.published, stored_layer);
      case How::split_v:  // goes with attn_k_b
        if (!file_.find(stored_layer + "attn_k_b.weight"))
          user_error("{}: there is tensor {}, but no {}attn_k_b.weight", *t.file, printable(t.name), stored_layer);
        return true;
    }
    return false;
  }

  bool rotary(const GgufTensor& t, std::string name, int64_t heads) {
    if (!architecture_.paired) return add({.name = std::move(name), .shape = t.shape, .tensor = &t});
    if (t.shape.size() != 2 || t.shape[0] % (2 * heads) != 0) misfit(t, "a matrix with rows of {} heads", heads);
    return add(
        {.name = std::move(name), .shape = t.shape, .kind = GgufWeight::Kind::paired, .tensor = &t, .heads = heads});
  }

  bool stack(const GgufTensor& t, const std::string& experts, const char* name) {
    if (t.shape.size() != 3 || t.shape[0] != sizes_.experts)
      misfit(t, "{} matrices, one for each expert", sizes_.experts);
    for (int64_t e = 0; e < sizes_.experts; ++e)
      add({.name = fmt::format("{}{}.{}", experts, e, name),
           .shape = {t.shape[1], t.shape[2]},
           .kind = GgufWeight::Kind::expert,
           .tensor = &t,
           .expert = e});
    return true;
  }

  bool split_kv(const GgufTensor& k, std::string name, const std::string& stored_layer) {
    if (file_.find(stored_layer + "attn_kv_b.weight")) return true;  // some files have both; that one is whole
    const GgufTensor* v = file_.find(stored_layer + "attn_v_b.weight");
    if (!v) user_error("{}: there is tensor {}, but no {}attn_v_b.weight", *k.file, printable(k.name), stored_layer);
    const int64_t heads = sizes_.heads, rank = sizes_.kv_rank;
    const auto fits = [&](const GgufTensor& t, int64_t rows, int64_t columns) {
      if (t.shape.empty() || t.shape.back() != columns || t.size() != heads * rows * columns)
        misfit(t, "[{}, {}, {}]", heads, rows, columns);
    };
    fits(k, rank, sizes_.nope);
    fits(*v, sizes_.value, rank);
    return add({.name = std::move(name),
                .shape = {heads * (sizes_.nope + sizes_.value), rank},
                .kind = GgufWeight::Kind::split_kv,
                .tensor = &k,
                .values = v,
                .heads = heads});
  }

  bool add(GgufWeight weight) {
    weights_.push_back(std::move(weight));
    return true;
  }

  const Gguf& file_;
  const Architecture& architecture_;
  const Sizes& sizes_;
  std::vector<GgufWeight> weights_;
};

}  // namespace

std::vector<GgufWeight> weights_of(const Gguf& file, const Architecture& architecture, const Sizes& sizes) {
  return Mapping(file, architecture, sizes).build();
}

}  // namespace minke::gguf
