// A GGUF model in the words of a published checkpoint: its config.json, and each weight under its Hugging Face name. The
// architectures deepseek2, deepseek, llama, qwen2 and qwen3, as llama.cpp's converter writes them. What the model is comes
// from the metadata; a key or a tensor that is not understood is refused, because it may change what is computed.
// Source: github.com/ggml-org/llama.cpp/gguf-py/gguf/constants.py and tensor_mapping.py (names), and its converter (what is
// changed on the way). Test: tests/formats/gguf_model_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"

namespace minke {

struct GgufWeight {
  enum class Kind : uint8_t {
    whole,   // the tensor as it is
    expert,  // matrix `expert` of the stacked tensor
    // Rows of each head in another order: rotary pairs lie beside each other (2i, 2i + 1), not half a head apart
    // (i, i + half). Whoever rotates adjacent pairs can take the tensor as it is.
    paired,
    // kv_b_proj from two tensors: of each head first the transposed matrix of attn_k_b (`tensor`, [head, rank, nope]), then
    // that of attn_v_b (`values`, [head, v, rank]).
    split_kv,
  };
  std::string name;  // model.layers.3.self_attn.q_proj.weight
  std::vector<int64_t> shape;
  Kind kind = Kind::whole;
  const GgufTensor* tensor = nullptr;  // of the Gguf
  const GgufTensor* values = nullptr;
  int64_t expert = 0, heads = 0;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    return n;
  }
  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
};

// The blocks of a weight as they lie in the file: of `whole` and `expert`, which are in the published order.
std::span<const std::byte> blocks_in_file(const GgufWeight& weight);
// Where row r of the published order is among the rows of the tensor: of all kinds but split_kv.
int64_t row_in_file(const GgufWeight& weight, int64_t r);
// Rows first … first + count − 1 of the weight (a vector is one row) in the published order, row-major into out.
void read_rows_as_f32(const GgufWeight& weight, int64_t first, int64_t count, float* out);

struct GgufModel {
  std::string architecture;         // general.architecture
  std::string config_json;          // for spec's parse_config
  std::string generation_config;    // minke's own key (gguf_own_keys.h): how its makers sample; "" if there is none
  std::vector<GgufWeight> weights;  // in the order of the file
  std::vector<std::string> notes;   // for the user: what the file leaves open, and what is assumed
};

GgufModel describe(const Gguf& file);

}  // namespace minke
