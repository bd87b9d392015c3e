#include "formats/gguf_model.h"

#include <algorithm>

#include "core/error.h"
#include "formats/gguf_names.h"
#include "formats/gguf_own_keys.h"

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
  model.generation_config = file.metadata().text(gguf_own::kGenerationConfig).value_or("");
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

// Row j · half + i of a head is row 2i + j in the file.
int64_t row_in_file(const GgufWeight& weight, int64_t r) {
  check(weight.kind != GgufWeight::Kind::split_kv, "row_in_file: rows of one tensor");
  if (weight.kind != GgufWeight::Kind::paired) return weight.expert * weight.shape[0] + r;
  const int64_t head = weight.shape[0] / weight.heads, half = head / 2, in_head = r % head;
  return r - in_head + in_head % half * 2 + in_head / half;
}

namespace {

void read_in_order(const GgufWeight& weight, int64_t first, int64_t count, float* out) {
  const size_t bytes = size_t(row_bytes(weight.tensor->format, weight.columns()));
  dequantise(weight.tensor->format, blocks_in_file(weight).subspan(size_t(first) * bytes, size_t(count) * bytes),
             {out, size_t(count * weight.columns())});
}

void read_paired(const GgufWeight& weight, int64_t first, int64_t count, float* out) {
  const GgufTensor& t = *weight.tensor;
  const int64_t columns = weight.columns();
  const size_t bytes = size_t(row_bytes(t.format, columns));
  for (int64_t r = first; r < first + count; ++r, out += columns)
    dequantise(t.format, t.bytes.subspan(size_t(row_in_file(weight, r)) * bytes, bytes), {out, size_t(columns)});
}

// Head by head, because its keys are transposed.
void read_split_kv(const GgufWeight& weight, int64_t first, int64_t count, float* out) {
  const GgufTensor &k = *weight.tensor, &v = *weight.values;
  const int64_t rank = weight.columns(), nope = k.size() / (weight.heads * rank);
  const int64_t value = v.size() / (weight.heads * rank), head = nope + value, end = first + count;
  const size_t k_bytes = k.bytes.size() / size_t(weight.heads), v_row = size_t(row_bytes(v.format, rank));
  std::vector<float> transposed(size_t(rank * nope));
  for (int64_t h = first / head; h * head < end; ++h) {
    const int64_t from = std::max<int64_t>(first - h * head, 0), to = std::min(end - h * head, head);
    if (from < nope) dequantise(k.format, k.bytes.subspan(size_t(h) * k_bytes, k_bytes), transposed);
    for (int64_t r = from; r < to; ++r, out += rank) {
      if (r < nope)
        for (int64_t i = 0; i < rank; ++i) out[i] = transposed[size_t(i * nope + r)];
      else dequantise(v.format, v.bytes.subspan(size_t(h * value + r - nope) * v_row, v_row), {out, size_t(rank)});
    }
  }
}

}  // namespace

void read_rows_as_f32(const GgufWeight& weight, int64_t first, int64_t count, float* out) {
  check(first >= 0 && count >= 0 && (first + count) * weight.columns() <= weight.size(),
        "read_rows_as_f32: rows of the weight");
  switch (weight.kind) {
    case GgufWeight::Kind::whole:
    case GgufWeight::Kind::expert: return read_in_order(weight, first, count, out);
    case GgufWeight::Kind::paired: return read_paired(weight, first, count, out);
    case GgufWeight::Kind::split_kv: return read_split_kv(weight, first, count, out);
  }
}

}  // namespace minke
