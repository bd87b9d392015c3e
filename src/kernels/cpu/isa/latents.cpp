// Rows into MLA's FP8 cache and out of it.
#include "kernels/cpu/isa/latents.h"

namespace minke::cpu {
namespace {

// The largest magnitude of elements [begin, end) as the bits of a float: those of a NaN or an infinity are larger than others.
uint32_t largest_magnitude(const void* x, bool half, int64_t begin, int64_t end) {
  vi top = {};
  for (int64_t i = begin; i < end; i += kWidth) {
    const vi u = vi(load(x, half, i, smaller<int64_t>(kWidth, end - i))) & 0x7fffffff;
    top = u > top ? u : top;
  }
  int32_t largest = 0;
  for (int l = 0; l < kWidth; ++l) largest = larger(largest, int32_t(top[l]));
  return uint32_t(largest);
}

void store_latent(const LatentRows& cache, int64_t slot, const void* latent, bool half, const void* rope,
                  bool rope_half) {
  uint8_t* row = cache.data + slot * cache.row_bytes;
  for (int64_t g = 0, i = 0; i < cache.channels; ++g) {
    const int64_t end = smaller(cache.channels, i + kLatentGroup);
    const uint32_t largest = largest_magnitude(latent, half, i, end);
    const float scale =
        largest < 0x7f800000u ? larger(__builtin_bit_cast(float, largest), 1e-4f) / 448.0f : __builtin_nanf("");
    store_as(row + cache.channels + 4 * g, scale);
    for (; i < end; i += kWidth) {
      const int64_t n = smaller<int64_t>(kWidth, end - i);
      store_bytes(row + i, to_e4m3(load(latent, half, i, n) / scale), n);
    }
  }
  uint8_t* rotary = row + cache.row_bytes - 2 * cache.rotary;
  for (int64_t i = 0; i < cache.rotary; i += kWidth) {
    const int64_t n = smaller<int64_t>(kWidth, cache.rotary - i);
    uint16_t aligned[kWidth];  // the row is not
    store(aligned, true, 0, kWidth, load(rope, rope_half, i, n));
    __builtin_memcpy(rotary + 2 * i, aligned, size_t(2 * n));
  }
}

void load_latent(const LatentRows& cache, int64_t slot, void* latent, bool half, void* rope, bool rope_half) {
  decode_latent(cache, cache.data + slot * cache.row_bytes, latent, half, rope, rope_half);
}

}  // namespace

namespace MINKE_ISA {
void fill_latents(Kernels& kernels) {
  kernels.store_latent = store_latent;
  kernels.load_latent = load_latent;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
