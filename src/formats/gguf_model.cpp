#include "formats/gguf_model.h"

#include "core/error.h"
#include "formats/gguf_names.h"

namespace minke {
namespace gguf {
namespace {

constexpr Architecture kArchitectures[] = {
    {.name = "deepseek2", .attention = Attention::mla, .model_type = "deepseek_v3", .experts = true},
    {.name = "deepseek", .attention = Attention::gqa, .model_type = "deepseek", .paired = true, .experts = true},
    {.name = "llama", .attention = Attention::gqa, .model_type = "llama", .paired = true},
    {.name = "qwen2", .attention = Attention::gqa, .model_type = "qwen2", .qkv_bias = true},
    {.name = "qwen3", .attention = Attention::gqa, .model_type = "qwen3", .qk_norm = true},
};

}  // namespace

const Architecture& architecture_of(const GgufMetadata& metadata) {
  const auto name = metadata.text("general.architecture");
  if (!name) user_error("{}: general.architecture is missing; it says what kind of model this is", metadata.file());
  std::string known;
  for (const Architecture& a : kArchitectures) {
    if (*name == a.name) return a;
    known += (known.empty() ? "" : ", ") + std::string(a.name);
  }
  user_error("{}: general.architecture is \"{}\"; minke reads {}", metadata.file(), printable(*name), known);
}

const Architecture* architecture_for(std::string_view model_type) {
  if (model_type == "deepseek_v2") model_type = "deepseek_v3";  // one architecture
  for (const Architecture& a : kArchitectures)
    if (model_type == a.model_type) return &a;
  return nullptr;
}

}  // namespace gguf

GgufModel describe(const Gguf& file) {
  const gguf::Architecture& architecture = gguf::architecture_of(file.metadata());
  GgufModel model;
  model.architecture = architecture.name;
  gguf::Sizes sizes;
  model.config_json = gguf::config_json(file, architecture, sizes, model.notes);
  model.weights = gguf::weights_of(file, architecture, sizes);
  return model;
}

std::span<const std::byte> blocks_in_file(const GgufWeight& weight) {
  using Kind = GgufWeight::Kind;
  check(weight.kind == Kind::whole || weight.kind == Kind::expert, "blocks_in_file: rows in the published order");
  const size_t bytes = size_t(weight.size() / info_of(weight.tensor->format).block_elements *
                              info_of(weight.tensor->format).block_bytes);
  return weight.tensor->bytes.subspan(size_t(weight.expert) * bytes, bytes);
}

void read_as_f32(const GgufWeight& weight, float* out) {
  const GgufTensor& t = *weight.tensor;
  switch (weight.kind) {
    case GgufWeight::Kind::whole:
    case GgufWeight::Kind::expert: return dequantise(t.format, blocks_in_file(weight), {out, size_t(weight.size())});
    case GgufWeight::Kind::paired: {
      // Row 2i + j of a head in the file is row j · half + i.
      const int64_t columns = weight.size() / weight.shape[0], head = weight.shape[0] / weight.heads, half = head / 2;
      const size_t bytes = size_t(row_bytes(t.format, columns));
      for (int64_t r = 0; r < weight.shape[0]; ++r) {
        const int64_t in_head = r % head, to = r - in_head + in_head % 2 * half + in_head / 2;
        dequantise(t.format, t.bytes.subspan(size_t(r) * bytes, bytes), {out + to * columns, size_t(columns)});
      }
      return;
    }
    case GgufWeight::Kind::split_kv: {
      const GgufTensor& v = *weight.values;
      const int64_t rank = weight.shape[1], nope = t.size() / (weight.heads * rank);
      const int64_t value = v.size() / (weight.heads * rank);
      const size_t k_bytes = t.bytes.size() / size_t(weight.heads), v_bytes = v.bytes.size() / size_t(weight.heads);
      std::vector<float> transposed(size_t(rank * nope));
      for (int64_t h = 0; h < weight.heads; ++h) {
        dequantise(t.format, t.bytes.subspan(size_t(h) * k_bytes, k_bytes), transposed);
        for (int64_t r = 0; r < rank; ++r)
          for (int64_t i = 0; i < nope; ++i) out[i * rank + r] = transposed[size_t(r * nope + i)];
        out += nope * rank;
        dequantise(v.format, v.bytes.subspan(size_t(h) * v_bytes, v_bytes), {out, size_t(value * rank)});
        out += value * rank;
      }
      return;
    }
  }
}

}  // namespace minke
