// A token of MLA's FP8 cache, as published kernels for V3 lay it out: the latent in E4M3, then the F32 scale of each group of
// 128 of its channels (the last may be shorter), then the shared rotary key in BF16. With V3's sizes 512 + 16 + 128 = 656
// bytes. Nothing is aligned.
// value = E4M3 · scale, where scale = max(largest magnitude of the group, 1e-4) / 448 and E4M3 = round(value / scale), ties to
// even (docs/recipe/training.md §5.2). A group with a NaN or an infinity becomes NaN as a whole.
// Test: tests/kernels/conformance_latents_test.cpp.
#pragma once
#include <cstdint>

namespace minke {

struct LatentRow {
  static constexpr int64_t kGroup = 128;
  static constexpr float kLeast = 1e-4f, kLargestCode = 448;
  int64_t channels = 0, rotary = 0;  // kv_lora_rank, qk_rope_head_dim

  constexpr int64_t groups() const { return (channels + kGroup - 1) / kGroup; }
  constexpr int64_t scales_at() const { return channels; }
  constexpr int64_t rotary_at() const { return channels + 4 * groups(); }
  constexpr int64_t bytes() const { return rotary_at() + 2 * rotary; }
};

}  // namespace minke
