// Strips: some neighbouring rows of a matrix in quantised blocks, interleaved, so that one load of a vector brings the same 4
// bytes of all of them, and a product reads memory in order. Of each block: the bytes before the first whole word (`head`), row
// after row; then word after word, of each the 4 bytes of every row; then the bytes after the last word (`tail`). A pure
// permutation: a strip takes the memory of its rows; the last strip of a matrix has rows of zeros at its end.
// Products: kernels/cpu/isa/integer_gemm.cpp. Test: tests/blocks/strips_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>

#include "blocks/blocks.h"

namespace minke {

struct StripLayout {
  int head = 0, words = 0, tail = 0;  // of a block: head + 4 · words + tail bytes
};
StripLayout strip_layout(const BlockFormatInfo& info);

// `count` rows of `row_bytes`, at most `strip`, to strip · row_bytes.
void interleave(const BlockFormatInfo& info, int strip, const std::byte* rows, int64_t row_bytes, int count,
                std::byte* to);
// Row `row` of an interleaved strip.
void take_row(const BlockFormatInfo& info, int strip, const std::byte* interleaved, int64_t row_bytes, int row,
              std::byte* to);

}  // namespace minke
