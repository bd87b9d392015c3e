// Architectures and names of tensors in GGUF files, and the two halves of describe(). Private to gguf_model.h and
// gguf_export.h.
#pragma once
#include <string>
#include <vector>

#include "formats/gguf_model.h"

namespace minke::gguf {

enum class Attention : uint8_t { gqa, mla };

struct Architecture {
  const char* name;
  Attention attention;
  const char* model_type;  // of the published config.json; deepseek2 has another one too
  bool paired = false;     // q and k have rows for adjacent rotary pairs; the published model's are half a head apart
  bool experts = false, qkv_bias = false, qk_norm = false;  // may have, has, has
};
// UserError if minke does not read it.
const Architecture& architecture_of(const GgufMetadata& metadata);
// nullptr if there is none for this model_type.
const Architecture* architecture_for(std::string_view model_type);

enum class Where : uint8_t { anywhere, mla, gqa, qkv_bias, qk_norm, experts };
enum class How : uint8_t { whole, query, key, stack, split_k, split_v };

struct Name {
  std::string_view stored;  // behind "blk.N."
  const char* published;    // behind "model.layers.N."; of a stack: behind the expert's number
  Where where = Where::anywhere;
  How how = How::whole;
};
std::span<const Name> layer_names();
std::span<const Name> outer_names();  // those of no layer, with whole names
bool has(const Architecture& architecture, Where where, bool experts);

// What the names and shapes of tensors depend on.
struct Sizes {
  int64_t layers = 0;  // with MTP modules
  int64_t heads = 0, kv_heads = 0, experts = 0;
  int64_t kv_rank = 0, nope = 0, value = 0;  // mla
};

// gguf_config.cpp
std::string config_json(const Gguf& file, const Architecture& architecture, Sizes& sizes,
                        std::vector<std::string>& notes);
// gguf_weights.cpp
std::vector<GgufWeight> weights_of(const Gguf& file, const Architecture& architecture, const Sizes& sizes);

}  // namespace minke::gguf
