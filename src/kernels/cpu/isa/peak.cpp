// Loops at the limits of the machine: nothing but multiply-adds on registers, nothing but reading. What they compute is
// not used; `minke bench` measures everything else against their speed.
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/simd.h"
#if defined(MINKE_AMX)
#include "kernels/cpu/isa/tiles.h"
#endif

namespace minke::cpu {
namespace {

// Independent sums: more than any CPU's latency × units (4 × 2 of AVX2), and they fit its 16 registers.
constexpr int kChains = 12;

// From here on the compiler takes v for changed, and needed.
template <class V> MINKE_INLINE void opaque(V& v) {
#if defined(__x86_64__)
  __asm__ volatile("" : "+v"(v));
#else
  __asm__ volatile("" : : "r"(&v) : "memory");
#endif
}

// add(sum) on each of the sums in turn, rounds times.
template <class V, class F> MINKE_INLINE void on_chains(int64_t rounds, V start, F&& add) {
  V sums[kChains];
  for (V& sum : sums) sum = start;
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) add(sums[i]);
  }
  for (V& sum : sums) opaque(sum);
}

// The sums go to 1: no infinity or subnormal slows them.
double peak_f32(int64_t rounds) {
  vf x = splat(0.999f), y = splat(0.001f);
  opaque(x), opaque(y);
  on_chains(
      rounds, vf{}, [&](vf & sum) __attribute__((always_inline)) { sum = fma(sum, x, y); });
  return 2.0 * kWidth * kChains * double(rounds);
}

double peak_bf16(int64_t rounds) {
#if defined(MINKE_AMX)
  constexpr double kTileProduct = 2.0 * kTile * kTile * 2 * kTile;
  const TileRegisters registers;  // configured, they hold zeros
  const int64_t fours = rounds / 4 + 1;
  for (int64_t i = 0; i < fours; ++i)
    tile_dot<0, 4, 5>(), tile_dot<1, 4, 6>(), tile_dot<2, 4, 7>(), tile_dot<3, 5, 7>();
  return 4 * kTileProduct * double(fours);
#elif defined(__AVX512BF16__)
  vu x = splat_u(0x3f803f80), y = splat_u(0x3c003c00);  // pairs of 1 and of 2^-7
  opaque(x), opaque(y);
  on_chains(
      rounds, vf{}, [&](vf & sum) __attribute__((always_inline)) {
        sum = vf(_mm512_dpbf16_ps(__m512(sum), (__m512bh)x, (__m512bh)y));
      });
  return 4.0 * kWidth * kChains * double(rounds);
#else
  return peak_f32(rounds);  // where the operands are multiplied as f32
#endif
}

// Bytes times bytes, summed in 32 bits. The sums wrap around.
double peak_int8(int64_t rounds) {
  [[maybe_unused]] double products = 0;  // of one add
#if defined(__SSE2__)
  vi x = splat_i(0x01020304), y = splat_i(0x04030201), ones = splat_i(0x00010001);
  opaque(x), opaque(y), opaque(ones);
#if defined(__AVX512VNNI__)
  products = 64;
  const auto add = [&](vi & sum) __attribute__((always_inline)) {
    sum = vi(_mm512_dpbusd_epi32(__m512i(sum), __m512i(x), __m512i(y)));
  };
#elif defined(__AVX512BW__)
  products = 64;
  const auto add = [&](vi & sum) __attribute__((always_inline)) {
    opaque(x);
    sum += vi(_mm512_madd_epi16(_mm512_maddubs_epi16(__m512i(x), __m512i(y)), __m512i(ones)));
  };
#elif defined(__AVX2__)
  products = 32;
  const auto add = [&](vi & sum) __attribute__((always_inline)) {
    opaque(x);
    sum += vi(_mm256_madd_epi16(_mm256_maddubs_epi16(__m256i(x), __m256i(y)), __m256i(ones)));
  };
#else
  products = 8;  // widened to 16 bits before
  const auto add = [&](vi & sum) __attribute__((always_inline)) {
    opaque(x);
    sum += vi(_mm_madd_epi16(__m128i(x), __m128i(y)));
  };
#endif
  on_chains(rounds, vi{}, add);
#endif
  return 2 * products * kChains * double(rounds);
}

constexpr int64_t kLine = 64, kReadAhead = 32 * kLine;

template <int kStreams, bool kPrefetch> int64_t read_streams(const char* data, int64_t bytes) {
  const int64_t length = bytes / kStreams / kLine * kLine;
  vu seen[kStreams] = {};
  for (int64_t i = 0; i < length; i += kLine) {
#pragma GCC unroll 8
    for (int s = 0; s < kStreams; ++s) {
      const char* line = data + s * length + i;
      if (kPrefetch) __builtin_prefetch(line + kReadAhead);
#pragma GCC unroll 4
      for (int b = 0; b < kLine; b += int(sizeof(vu))) seen[s] ^= load_as<vu>(line + b);
    }
  }
  for (vu& v : seen) opaque(v);
  return kStreams * length;
}

int64_t read(const void* data, int64_t bytes, int streams, bool prefetch) {
  const char* p = static_cast<const char*>(data);
  switch (streams) {
    case 1: return prefetch ? read_streams<1, true>(p, bytes) : read_streams<1, false>(p, bytes);
    case 2: return prefetch ? read_streams<2, true>(p, bytes) : read_streams<2, false>(p, bytes);
    case 4: return prefetch ? read_streams<4, true>(p, bytes) : read_streams<4, false>(p, bytes);
    case 8: return prefetch ? read_streams<8, true>(p, bytes) : read_streams<8, false>(p, bytes);
    default: return 0;
  }
}

}  // namespace

namespace MINKE_ISA {
void fill_peak(Kernels& kernels) {
  kernels.peak_f32 = peak_f32;
  kernels.peak_bf16 = peak_bf16;
  kernels.peak_int8 = peak_int8;
  kernels.read = read;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
