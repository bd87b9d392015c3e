// The element formats of GGUF: weights in blocks of 32 or 256, each block with scales of its own. One table (name, number
// in the file, elements and bytes of a block), and the values of blocks. Rows are whole blocks. The values are exact: equal
// bit by bit to those of the gguf library. Source: github.com/ggml-org/ggml/src/ggml-common.h (layouts) and the values that
// its Python package gguf gives. Writing: gguf_quantise.h. Test: tests/formats/gguf_blocks_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace minke {

enum class BlockFormat : uint8_t {
  f32,
  f16,
  bf16,  // plain
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  iq4_nl,
  mxfp4,  // blocks of 32
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_xs,
  tq1_0,
  tq2_0,  // blocks of 256
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s  // the same, with vectors from a grid
};

struct BlockFormatInfo {
  BlockFormat format;
  const char* name;  // as people write it: "Q4_K"
  uint32_t file_id;  // in a GGUF file
  int64_t block_elements;
  int64_t block_bytes;
  void (*decode)(const uint8_t* block, float* values);  // of one block; dequantise() does many
};

std::span<const BlockFormatInfo> block_formats();
const BlockFormatInfo& info_of(BlockFormat format);
const BlockFormatInfo* find_block_format(uint32_t file_id);       // nullptr if minke does not read it
const BlockFormatInfo* find_block_format(std::string_view name);  // any case
// "Q8_1", "42, which is unknown": for a message about a format that minke does not read.
std::string block_format_text(uint32_t file_id);

// Bytes of a row of so many elements: a multiple of block_elements.
int64_t row_bytes(BlockFormat format, int64_t elements);

// All values of whole blocks, in order; values.size() says how many.
void dequantise(BlockFormat format, std::span<const std::byte> blocks, std::span<float> values);

}  // namespace minke
