// Rows of a matrix in quantised blocks, as kernels see them: what an Operand with Packing::blocks points to, in device
// memory. A row is whole blocks of one format (blocks/blocks.h has the layouts). Test: tests/kernels/row_blocks_test.cpp.
#pragma once
#include <cstdint>

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
  iq3_s,    // the same, with vectors from a grid
  f8_e4m3,  // DeepSeek's FP8: scales stand beside the rows, one for each `scale_block` × `scale_block` values
};

// Rows first_row … of a matrix (of a group's matrix), up to where the next part begins.
struct RowBlocks {
  const void* rows = nullptr;
  const float* scales = nullptr;  // f8_e4m3: [⌈rows/scale_block⌉, ⌈columns/scale_block⌉]; else null
  int64_t first_row = 0, row_bytes = 0;
  int32_t scale_block = 0;
  int32_t strip = 0;  // so many rows are interleaved (blocks/strips.h); 0: they lie one after the other
  BlockFormat format = BlockFormat::f32;
};

// Rows that products like best interleaved (blocks/strips.h): of blocks of integers for products in 8 bits, and of f8_e4m3.
// 0: they stay as they are.
struct Strips {
  int32_t integers = 0, codes = 0;
};

}  // namespace minke
