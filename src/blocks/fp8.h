// From FP32 to FP8 with block scales, as DeepSeek-V3's checkpoints have it (docs/recipe/training.md §5.2): E4M3 values, and
// of each block of 128 × 128 the FP32 factor weight_scale_inv, the block's largest magnitude ÷ 448.
// Test: tests/blocks/fp8_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/types.h"

namespace minke {

constexpr int64_t kFp8Block = 128;

f8_e4m3 to_f8_e4m3(float x);  // to nearest, ties to even; beyond 448: ±448

bool has_nan(std::span<const std::byte> codes);  // of E4M3

// rows: up to kFp8Block rows of `columns`, one row of blocks; scales: one a block, the last may be partial. A block of zeros
// has the scale 1. UserError that starts with `where` if a value is not finite.
void fp8_scales(std::span<const float> rows, int64_t columns, std::span<float> scales, std::string_view where);
void to_fp8(std::span<const float> rows, int64_t columns, std::span<const float> scales, std::span<f8_e4m3> out);

}  // namespace minke
