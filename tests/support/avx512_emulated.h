// The AVX-512 intrinsics that src/kernels/cpu/isa uses, in AVX2 and loops; included before everything else of a file that is
// compiled as if it had them (tests/CMakeLists.txt). An intrinsic that is missing here does not compile. Semantics: Intel SDM
// vol. 2; VDPBF16PS and VCVTNEPS2BF16 take subnormals for zeros, round to nearest even and give no subnormals.
#pragma once
#include <immintrin.h>

#include <cstdint>

#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512DQ__ 1
#define __AVX512VL__ 1
#if defined(MINKE_EMULATED_BF16)
#define __AVX512BF16__ 1
#endif
#if defined(MINKE_EMULATED_BF16) || defined(MINKE_EMULATED_VNNI)
#define __AVX512VNNI__ 1
#endif

namespace minke::emulated {
namespace {

#define MINKE_EMULATED inline __attribute__((always_inline))
#define MINKE_EMULATED_CALL __attribute__((noinline, unused))  // unrolled copies of these take minutes to compile

typedef float V __attribute__((vector_size(64)));
typedef int32_t I __attribute__((vector_size(64)));
typedef uint32_t U __attribute__((vector_size(64)));
typedef uint16_t H __attribute__((vector_size(32)));

// Through memory: GCC 12 takes shuffles of 64 bytes apart into lanes.
MINKE_EMULATED __m256 half(__m512 a, int i) {
  __m256 x;
  __builtin_memcpy(&x, reinterpret_cast<const char*>(&a) + 32 * i, 32);
  return x;
}
MINKE_EMULATED __m256 low(__m512 a) { return half(a, 0); }
MINKE_EMULATED __m256 high(__m512 a) { return half(a, 1); }
MINKE_EMULATED __m512 join(__m256 a, __m256 b) {
  __m512 x;
  __builtin_memcpy(&x, &a, 32);
  __builtin_memcpy(reinterpret_cast<char*>(&x) + 32, &b, 32);
  return x;
}

MINKE_EMULATED_CALL __m512 fmadd_ps(__m512 a, __m512 b, __m512 c) {
  return join(_mm256_fmadd_ps(low(a), low(b), low(c)), _mm256_fmadd_ps(high(a), high(b), high(c)));
}
// Masks of whole vectors are always full.
MINKE_EMULATED __m512 max_ps(int, __m512 a, __m512 b) {
  return join(_mm256_max_ps(low(a), low(b)), _mm256_max_ps(high(a), high(b)));
}
MINKE_EMULATED __m512 min_ps(int, __m512 a, __m512 b) {
  return join(_mm256_min_ps(low(a), low(b)), _mm256_min_ps(high(a), high(b)));
}
MINKE_EMULATED __m512 sqrt_ps(int, __m512 a) { return join(_mm256_sqrt_ps(low(a)), _mm256_sqrt_ps(high(a))); }
MINKE_EMULATED __m512 nearest_ps(int, __m512 a, int) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return join(_mm256_round_ps(low(a), kNearest), _mm256_round_ps(high(a), kNearest));
}
// a·2^floor(b)
MINKE_EMULATED_CALL __m512 scalef_ps(int, __m512 a, __m512 b) {
  V x = V(a);
  const V y = V(b);
  for (int i = 0; i < 16; ++i) x[i] = y[i] == y[i] ? __builtin_ldexpf(x[i], int(__builtin_floorf(y[i]))) : y[i];
  return __m512(x);
}
// Within each four lanes: lane i from the i-th pair of bits.
MINKE_EMULATED_CALL __m512 permute_ps(int, __m512 a, int from) {
  V x = V(a);
  for (int i = 0; i < 16; ++i) x[i] = V(a)[i / 4 * 4 + (from >> 2 * (i % 4) & 3)];
  return __m512(x);
}
// Fours of lanes: the lower two from a, the upper two from b.
MINKE_EMULATED_CALL __m512 shuffle_f32x4(int, __m512 a, __m512 b, int from) {
  V x = V(a);
  for (int i = 0; i < 16; ++i) x[i] = V(i < 8 ? a : b)[(from >> 2 * (i / 4) & 3) * 4 + i % 4];
  return __m512(x);
}
MINKE_EMULATED __m512i set1_epi32(int32_t x) { return __m512i(x - I{}); }
MINKE_EMULATED_CALL __m512i cvtepu16_epi32(int, __m256i a) { return __m512i(__builtin_convertvector(H(a), U)); }
MINKE_EMULATED_CALL __m256i cvtepi32_epi16(int, __m512i a) { return __m256i(__builtin_convertvector(U(a), H)); }

template <class T, class Lanes> MINKE_EMULATED Lanes load(uint32_t mask, const void* p) {
  Lanes x = {};
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) x[i] = static_cast<const T*>(p)[i];
  return x;
}
template <class T, class Lanes> MINKE_EMULATED void store(void* p, uint32_t mask, Lanes x) {
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) static_cast<T*>(p)[i] = x[i];
}

// In halves: GCC 12 takes comparisons of 64 bytes apart into lanes.
typedef uint32_t U8 __attribute__((vector_size(32)));
typedef uint16_t H8 __attribute__((vector_size(16)));
MINKE_EMULATED U8 no_subnormals(U8 x) { return (x & 0x7f800000u) == 0 ? x & 0x80000000u : x; }
MINKE_EMULATED H8 to_bf16(U8 x) {
  const U8 u = no_subnormals(x);
  return __builtin_convertvector(
      ((x & 0x7fffffffu) > 0x7f800000u ? x | 0x400000u : u + 0x7fffu + ((u >> 16) & 1u)) >> 16, H8);
}
MINKE_EMULATED_CALL __m256bh cvtneps_pbh(__m512 a) {
  const H8 x[2] = {to_bf16(U8(low(a))), to_bf16(U8(high(a)))};
  __m256bh y;
  __builtin_memcpy(&y, x, sizeof y);
  return y;
}
MINKE_EMULATED __m256 add_products(__m256 sum, U8 a, U8 b) {
  const __m256 x = __m256(no_subnormals(a)), y = __m256(no_subnormals(b));
  return __m256(no_subnormals(U8(_mm256_fmadd_ps(x, y, __m256(no_subnormals(U8(sum)))))));
}
// Two additions in turn, of the odd and then the even elements.
MINKE_EMULATED_CALL __m512 dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  __m256 result[2];
  for (int i = 0; i < 2; ++i) {
    const U8 x = U8(half(__m512(a), i)), y = U8(half(__m512(b), i));
    result[i] = add_products(half(sum, i), x & 0xffff0000u, y & 0xffff0000u);
    result[i] = add_products(result[i], x << 16, y << 16);
  }
  return join(result[0], result[1]);
}

// ---- integers of 8 bits
typedef int8_t B __attribute__((vector_size(64)));
typedef uint8_t UB __attribute__((vector_size(64)));
MINKE_EMULATED __m256i half_i(__m512i a, int i) { return __m256i(half(__m512(a), i)); }
MINKE_EMULATED __m512i join_i(__m256i a, __m256i b) { return __m512i(join(__m256(a), __m256(b))); }
MINKE_EMULATED_CALL __m512i insert_i32x4(__m512i a, __m128i b, int at) {
  __builtin_memcpy(reinterpret_cast<char*>(&a) + 16 * at, &b, 16);
  return a;
}
MINKE_EMULATED_CALL __m512i broadcast_i32x4(int, __m128i a) {
  __m512i x;
  for (int i = 0; i < 4; ++i) __builtin_memcpy(reinterpret_cast<char*>(&x) + 16 * i, &a, 16);
  return x;
}
MINKE_EMULATED_CALL __m512i cvtepu8_epi32(int, __m128i a) {
  return join_i(_mm256_cvtepu8_epi32(a), _mm256_cvtepu8_epi32(_mm_srli_si128(a, 8)));
}
MINKE_EMULATED_CALL __m512 cvtepi32_ps(int, __m512i a) {
  return join(_mm256_cvtepi32_ps(half_i(a, 0)), _mm256_cvtepi32_ps(half_i(a, 1)));
}
MINKE_EMULATED_CALL __m512 cvtph_ps(int, __m256i a) {
  return join(_mm256_cvtph_ps(_mm256_castsi256_si128(a)), _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
}
MINKE_EMULATED_CALL __m512i maddubs_epi16(__m512i a, __m512i b) {
  return join_i(_mm256_maddubs_epi16(half_i(a, 0), half_i(b, 0)), _mm256_maddubs_epi16(half_i(a, 1), half_i(b, 1)));
}
MINKE_EMULATED_CALL __m512i madd_epi16(__m512i a, __m512i b) {
  return join_i(_mm256_madd_epi16(half_i(a, 0), half_i(b, 0)), _mm256_madd_epi16(half_i(a, 1), half_i(b, 1)));
}
MINKE_EMULATED __m512i set1_epi16(int16_t x) { return join_i(_mm256_set1_epi16(x), _mm256_set1_epi16(x)); }
MINKE_EMULATED_CALL __m512i abs_epi8(__m512i a) {
  return join_i(_mm256_abs_epi8(half_i(a, 0)), _mm256_abs_epi8(half_i(a, 1)));
}
MINKE_EMULATED_CALL __m512i shuffle_epi8(__m512i a, __m512i at) {
  return join_i(_mm256_shuffle_epi8(half_i(a, 0), half_i(at, 0)), _mm256_shuffle_epi8(half_i(a, 1), half_i(at, 1)));
}
MINKE_EMULATED_CALL __m512i srlv_epi32(int, __m512i a, __m512i by) {
  return join_i(_mm256_srlv_epi32(half_i(a, 0), half_i(by, 0)), _mm256_srlv_epi32(half_i(a, 1), half_i(by, 1)));
}
// Of words; the mask is always full.
MINKE_EMULATED_CALL __m512i gather_epi32(__m512i, int, __m512i at, const void* from, int) {
  I x;
  for (int i = 0; i < 16; ++i) x[i] = static_cast<const int32_t*>(from)[I(at)[i]];
  return __m512i(x);
}
MINKE_EMULATED_CALL uint64_t movepi8_mask(__m512i a) {
  return uint32_t(_mm256_movemask_epi8(half_i(a, 0))) | uint64_t(uint32_t(_mm256_movemask_epi8(half_i(a, 1)))) << 32;
}
MINKE_EMULATED_CALL __m512i mask_sub_epi8(__m512i otherwise, uint64_t mask, __m512i a, __m512i b) {
  B x = B(otherwise);
  for (int i = 0; i < 64; ++i)
    if (mask >> i & 1) x[i] = int8_t(B(a)[i] - B(b)[i]);
  return __m512i(x);
}
MINKE_EMULATED_CALL __m128i cvtepi32_epi8(int, __m512i a) {
  int8_t x[16];
  for (int i = 0; i < 16; ++i) x[i] = int8_t(I(a)[i]);
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
}
// Sums of four products, none of them rounded or cut off on the way.
MINKE_EMULATED_CALL __m512i dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
  I x = I(sum);
  for (int i = 0; i < 64; ++i) x[i / 4] += int(UB(a)[i]) * int(B(b)[i]);
  return __m512i(x);
}

}  // namespace
}  // namespace minke::emulated

#undef _mm512_inserti32x4
#define _mm512_inserti32x4(a, b, at) minke::emulated::insert_i32x4(a, b, at)
#define _mm512_castsi128_si512(a) minke::emulated::insert_i32x4(__m512i{}, a, 0)
#define _mm512_maskz_broadcast_i32x4 minke::emulated::broadcast_i32x4
#define _mm512_maskz_cvtepi32_ps minke::emulated::cvtepi32_ps
#define _mm512_maskz_cvtepi32_epi8 minke::emulated::cvtepi32_epi8
#define _mm512_maskz_cvtph_ps minke::emulated::cvtph_ps
#define _mm512_maddubs_epi16 minke::emulated::maddubs_epi16
#define _mm512_madd_epi16 minke::emulated::madd_epi16
#define _mm512_set1_epi16 minke::emulated::set1_epi16
#define _mm512_abs_epi8 minke::emulated::abs_epi8
#define _mm512_shuffle_epi8 minke::emulated::shuffle_epi8
#define _mm512_maskz_srlv_epi32 minke::emulated::srlv_epi32
#undef _mm512_mask_i32gather_epi32
#define _mm512_mask_i32gather_epi32 minke::emulated::gather_epi32
#define _mm512_movepi8_mask minke::emulated::movepi8_mask
#define _mm512_mask_sub_epi8 minke::emulated::mask_sub_epi8
#define _mm512_setzero_si512() \
  __m512i {}
#define _mm512_dpbusd_epi32 minke::emulated::dpbusd_epi32

#define _mm512_fmadd_ps minke::emulated::fmadd_ps
#define _mm512_maskz_max_ps minke::emulated::max_ps
#define _mm512_maskz_min_ps minke::emulated::min_ps
#define _mm512_maskz_sqrt_ps minke::emulated::sqrt_ps
#undef _mm512_maskz_roundscale_ps
#define _mm512_maskz_roundscale_ps minke::emulated::nearest_ps
#undef _mm512_maskz_scalef_ps
#define _mm512_maskz_scalef_ps minke::emulated::scalef_ps
#undef _mm512_maskz_permute_ps
#define _mm512_maskz_permute_ps minke::emulated::permute_ps
#undef _mm512_maskz_shuffle_f32x4
#define _mm512_maskz_shuffle_f32x4 minke::emulated::shuffle_f32x4
#define _mm512_set1_epi32 minke::emulated::set1_epi32
#define _mm512_maskz_cvtepu16_epi32 minke::emulated::cvtepu16_epi32
#define _mm512_maskz_cvtepu8_epi32 minke::emulated::cvtepu8_epi32
#define _mm512_maskz_cvtepi32_epi16 minke::emulated::cvtepi32_epi16
#define _mm512_maskz_loadu_ps(mask, p) __m512(minke::emulated::load<float, minke::emulated::V>(mask, p))
#define _mm512_mask_storeu_ps(p, mask, x) minke::emulated::store<float>(p, mask, minke::emulated::V(x))
#define _mm256_maskz_loadu_epi16(mask, p) __m256i(minke::emulated::load<uint16_t, minke::emulated::H>(mask, p))
#define _mm256_mask_storeu_epi16(p, mask, x) minke::emulated::store<uint16_t>(p, mask, minke::emulated::H(x))
#define _mm512_cvtneps_pbh minke::emulated::cvtneps_pbh
#define _mm512_dpbf16_ps minke::emulated::dpbf16_ps
