// Values of MLA's FP8 cache (core/latent_row.h): from bytes, and to them. Exact but for the two roundings that are its own.
#pragma once
#include "kernels/cpu/isa/e4m3.h"
#include "kernels/cpu/isa/kernels.h"

namespace minke::cpu {
namespace {

constexpr int64_t kLatentGroup = 128;
static_assert(kLatentGroup % kWidth == 0);

// kCodeScale^-1 times the values of n <= kWidth codes.
MINKE_INLINE vf load_codes(const uint8_t* p, int64_t n) {
  if (n == kWidth) return widen_codes(reinterpret_cast<const char*>(p));
  char t[kWidth] = {};
  for (int64_t i = 0; i < n; ++i) t[i] = char(p[i]);
  return widen_codes(t);
}
MINKE_INLINE void store_bytes(uint8_t* p, vu x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = uint8_t(x[i]);
}

constexpr uint32_t kSteps =
    0x46800000;  // the bits of 2^14: the last bit of a number above it counts 2^-9, as subnormals do

// E4M3: 1 sign, 4 exponent (bias 7), 3 mantissa bits; the largest code is NaN. To nearest, ties to even; beyond 448: ±448. Any NaN is 0x7f.
MINKE_INLINE vu to_e4m3(vf x) {
  const vf magnitude = min(splat(448.0f), vf(vu(x) & 0x7fffffffu));
  const vu u = vu(magnitude), normal = ((u + 0x7ffffu + (u >> 20 & 1u)) >> 20) - (120u << 3);
  const vu subnormal = vu(magnitude + 0x1p14f) - kSteps;
  const vu code = (magnitude < splat(0x1p-6f) ? subnormal : normal) | (vu(x) >> 24 & 0x80u);
  return x != x ? splat_u(0x7f) : code;
}

// The latent of a row, and its rotary key.
MINKE_INLINE void decode_latent(const LatentRows& cache, const uint8_t* row, void* latent, bool half, void* rope,
                                bool rope_half) {
  for (int64_t g = 0, i = 0; i < cache.channels; ++g) {
    const float scale = load_as<float>(row + cache.channels + 4 * g) * kCodeScale;  // NaN of a group that has one
    for (const int64_t end = smaller(cache.channels, i + kLatentGroup); i < end; i += kWidth) {
      const int64_t n = smaller<int64_t>(kWidth, end - i);
      store(latent, half, i, n, load_codes(row + i, n) * scale);
    }
  }
  const uint8_t* rotary = row + cache.row_bytes - 2 * cache.rotary;
  for (int64_t i = 0; i < cache.rotary; i += kWidth) {
    const int64_t n = smaller<int64_t>(kWidth, cache.rotary - i);
    uint16_t aligned[kWidth] = {};  // the row is not
    __builtin_memcpy(aligned, rotary + 2 * i, size_t(2 * n));
    store(rope, rope_half, i, n, load(aligned, true, 0, kWidth));
  }
}

}  // namespace
}  // namespace minke::cpu
