// The tensors of a GGUF model under their published names.
#include <fmt/format.h>

#include <charconv>

#include "core/error.h"
#include "formats/gguf_names.h"
#include "formats/safetensors.h"

namespace minke::gguf {
namespace {

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
    for (const Name& name : outer_names())
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
    for (const Name& name : layer_names())
      if (rest == name.stored && has(architecture_, name.where, sizes_.experts > 0))
        return add_layer(t, name, fmt::format("model.layers.{}.", layer), stored_layer);
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
