// The element formats of GGUF: weights in blocks of 32 or 256, each block with scales of its own; and DeepSeek's FP8. One
// table (name, number in the file, elements and bytes of a block), and the values of blocks. Rows are whole blocks. The values are exact: equal
// bit by bit to those of the gguf library. Source: github.com/ggml-org/ggml/src/ggml-common.h (layouts) and the values that
// its Python package gguf gives. Writing: quantise.h. Test: tests/blocks/blocks_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "blocks/integer_block.h"
#include "core/row_blocks.h"

namespace minke {

constexpr uint32_t kNotInFiles = 0xffffffff;
struct BlockFormatInfo {
  BlockFormat format;
  const char* name;  // as people write it: "Q4_K"
  uint32_t file_id;  // in a GGUF file; kNotInFiles: DeepSeek's FP8, which no GGUF file has
  int64_t block_elements;
  int64_t block_bytes;
  int group;  // elements that share a scale; 0 for formats of floating point, which are not unpacked
  bool has_min;
  void (*unpack)(const uint8_t* block, IntegerBlock& out);
  void (*decode)(const uint8_t* blocks, int64_t count, float* values);
};

std::span<const BlockFormatInfo> block_formats();  // those of GGUF files
const BlockFormatInfo& info_of(BlockFormat format);
const BlockFormatInfo* find_block_format(uint32_t file_id);       // nullptr if minke does not read it
const BlockFormatInfo* find_block_format(std::string_view name);  // any case
inline bool is_integers(BlockFormat format) { return info_of(format).group > 0; }
// "Q8_1", "42, which is unknown": for a message about a format that minke does not read.
std::string block_format_text(uint32_t file_id);

// Bytes of a row of so many elements: a multiple of block_elements.
int64_t row_bytes(BlockFormat format, int64_t elements);

// All values of whole blocks, in order; values.size() says how many.
void dequantise(BlockFormat format, std::span<const std::byte> blocks, std::span<float> values);

// All values of row `row` of a matrix in parts; of f8_e4m3 times their scales.
void decode_row(std::span<const RowBlocks> parts, int64_t row, std::span<float> values);

}  // namespace minke
