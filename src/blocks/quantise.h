// From FP32 to the element formats that minke writes: F32, F16, BF16, Q8_0, Q4_0, Q5_0, Q4_K. A format says what the numbers in a
// block mean, not how to choose them: here so that the squared error is small (for Q4_K by a search).
// Test: tests/blocks/quantise_test.cpp.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include "blocks/blocks.h"

namespace minke {

bool can_quantise(BlockFormat format);

// values.size() is a multiple of the format's block; blocks.size() is row_bytes(format, values.size()). UserError that
// starts with `where` if a value is not finite or too large for the format.
void quantise(BlockFormat format, std::span<const float> values, std::span<std::byte> blocks, std::string_view where);

}  // namespace minke
