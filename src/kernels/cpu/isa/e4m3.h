// E4M3 codes of weights become f32 by way of F16: a code shifted into the bits of an F16 number is 2^-8 times its value,
// subnormal codes included. The scale of their block makes up for it. A code of NaN is not told apart: whoever gives out the
// codes makes the scale of its block NaN. Test: tests/kernels/code_products_test.cpp.
#pragma once
#include "kernels/cpu/isa/simd.h"

namespace minke::cpu {
namespace {

constexpr float kCodeScale = 256;
[[maybe_unused]] constexpr short kNoSecondSign = short(0xbfff);  // a code's sign becomes two bits

// kCodeScale^-1 times the values of kWidth codes.
MINKE_INLINE vf widen_codes(const char* p) {
#if defined(__AVX512F__)
  const __m256i halves = _mm256_slli_epi16(_mm256_cvtepi8_epi16(load_as<__m128i>(p)), 7);
  return vf(_mm512_maskz_cvtph_ps(0xffff, _mm256_and_si256(halves, _mm256_set1_epi16(kNoSecondSign))));
#elif defined(__AVX2__)
  const __m128i halves = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))), 7);
  return vf(_mm256_cvtph_ps(_mm_and_si128(halves, _mm_set1_epi16(kNoSecondSign))));
#else
  // A code shifted into the bits of an f32 number is 2^-120 times its value.
  vu code;
  for (int i = 0; i < kWidth; ++i) code[i] = uint8_t(p[i]);
  return vf((code & 0x7fu) << 20 | (code & 0x80u) << 24) * 0x1p112f;
#endif
}

}  // namespace
}  // namespace minke::cpu
