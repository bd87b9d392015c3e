// A published checkpoint as a GGUF file, as llama.cpp's converter makes it: the metadata that its config.json amounts to, and
// each stored tensor as made of published ones. The other way round is gguf_model.h; the names are the same table. What a
// GGUF file cannot say is refused, what llama.cpp reads otherwise is warned of. Test: tests/formats/gguf_export_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_writer.h"

namespace minke {

struct PublishedShape {
  std::string name;
  std::vector<int64_t> shape;
};

struct GgufExportTensor {
  enum class Kind : uint8_t {
    plain,      // the published tensor
    stacked,    // one after the other: the experts
    paired,     // rows of each head for adjacent rotary pairs
    kv_keys,    // of each head's rows of kv_b_proj the first, transposed
    kv_values,  // and the others
    given,      // `values`, made of the configuration
  };
  std::string name;
  std::vector<int64_t> shape;
  Kind kind = Kind::plain;
  std::vector<std::string> sources = {};  // published names; as many as there are experts, else one
  std::vector<int64_t> source_shape = {};
  int64_t heads = 0, nope = 0;
  std::vector<float> values = {};
};
// What one source adds to the tensor, which is shape / sources.size() elements; both are row-major.
void arrange(const GgufExportTensor& tensor, const float* published, float* out);

struct GgufExport {
  GgufMetadataToWrite keys;  // without a tokenizer
  std::vector<GgufExportTensor> tensors;
  std::vector<std::string> warnings;
};

// config_json: all keys are there, as spec's config_to_json writes them. Messages name `where`.
GgufExport plan_export(std::string_view config_json, std::span<const PublishedShape> tensors, std::string_view where);

}  // namespace minke
