// Vectors of one instruction set's width: loads and stores of f32 and bf16, fma, exp, sums in a fixed order. The files
// of this folder are compiled once per instruction set, so everything here has internal linkage and no header with
// function bodies of its own (std:: templates, core/) may be included: the linker could keep their AVX-512 copy.
// Tests: tests/kernels/cpu_isa_test.cpp (symbols), tests/kernels/cpu_conformance_test.cpp (accuracy).
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define MINKE_INLINE inline __attribute__((always_inline))

namespace minke {
namespace {

#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX2__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif

typedef float vf __attribute__((vector_size(kWidth * 4)));
typedef int32_t vi __attribute__((vector_size(kWidth * 4)));
typedef uint32_t vu __attribute__((vector_size(kWidth * 4)));
typedef uint16_t vh __attribute__((vector_size(kWidth * 2)));
typedef double vd __attribute__((vector_size(kWidth * 4)));  // half as many lanes

constexpr float kInfinity = __builtin_inff();

template <class T> MINKE_INLINE T load_as(const void* p) {
  T v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T> MINKE_INLINE void store_as(void* p, T v) { __builtin_memcpy(p, &v, sizeof v); }

// Of weights that are read once, for a row or a few of the other side: the bytes from p on are asked for so far ahead, into the
// second-level cache, because the hardware alone reaches two thirds of the bandwidth.
constexpr int64_t kAhead = 8192;
MINKE_INLINE void prefetch_ahead(const char* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + kAhead + i, 0, 2);
}

template <class T> MINKE_INLINE T smaller(T a, T b) { return a < b ? a : b; }
template <class T> MINKE_INLINE T larger(T a, T b) { return a > b ? a : b; }

MINKE_INLINE vf splat(float x) { return x - vf{}; }
MINKE_INLINE vi splat_i(int32_t x) { return x - vi{}; }
MINKE_INLINE vu splat_u(uint32_t x) { return x - vu{}; }

MINKE_INLINE vi iota() {
#if defined(__AVX512F__)
  return vi{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif defined(__AVX2__)
  return vi{0, 1, 2, 3, 4, 5, 6, 7};
#else
  return vi{0, 1, 2, 3};
#endif
}

// One rounding where the instruction set has FMA, two in baseline.
MINKE_INLINE vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return vf(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#elif defined(__AVX2__)
  return vf(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
#else
  return a * b + c;
#endif
}
// NaN in b comes out.
MINKE_INLINE vf max(vf a, vf b) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_max_ps(0xffff, __m512(a), __m512(b)));  // maskz: GCC 12 warns inside the plain one
#elif defined(__AVX2__)
  return vf(_mm256_max_ps(__m256(a), __m256(b)));
#else
  return a > b ? a : b;
#endif
}
MINKE_INLINE vf min(vf a, vf b) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_min_ps(0xffff, __m512(a), __m512(b)));
#elif defined(__AVX2__)
  return vf(_mm256_min_ps(__m256(a), __m256(b)));
#else
  return a < b ? a : b;
#endif
}
MINKE_INLINE vf sqrt(vf a) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_sqrt_ps(0xffff, __m512(a)));
#elif defined(__AVX2__)
  return vf(_mm256_sqrt_ps(__m256(a)));
#elif defined(__SSE2__)
  return vf(_mm_sqrt_ps(__m128(a)));
#else
  for (int i = 0; i < kWidth; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
#endif
}

// Always the same tree: upper half onto lower half.
template <class F> MINKE_INLINE float reduce(vf v, F&& f) {
#if defined(__AVX512F__)
  v = f(v, vf(_mm512_maskz_shuffle_f32x4(0xffff, __m512(v), __m512(v), 0x4e)));
  v = f(v, vf(_mm512_maskz_shuffle_f32x4(0xffff, __m512(v), __m512(v), 0xb1)));
  v = f(v, vf(_mm512_maskz_permute_ps(0xffff, __m512(v), 0x4e)));
  v = f(v, vf(_mm512_maskz_permute_ps(0xffff, __m512(v), 0xb1)));
#elif defined(__AVX2__)
  v = f(v, vf(_mm256_permute2f128_ps(__m256(v), __m256(v), 1)));
  v = f(v, vf(_mm256_permute_ps(__m256(v), 0x4e)));
  v = f(v, vf(_mm256_permute_ps(__m256(v), 0xb1)));
#else
  v = f(v, vf{v[2], v[3], v[0], v[1]});
  v = f(v, vf{v[1], v[0], v[3], v[2]});
#endif
  return v[0];
}
MINKE_INLINE float sum(vf v) {
  return reduce(
      v, [](vf a, vf b) __attribute__((always_inline)) { return a + b; });
}
MINKE_INLINE float max_lane(vf v) {
  return reduce(
      v, [](vf a, vf b) __attribute__((always_inline)) { return max(a, b); });
}

// ---- transposes -----------------------------------------------------------------------------------------------------
template <int... lane> struct Lanes {};
#if defined(__AVX512F__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX2__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = Lanes<0, 1, 2, 3>;
#endif
// The lanes of a that have bit `step` change places with those of b that have not.
template <int step, int... lane> MINKE_INLINE void swap_lanes(vu& a, vu& b, Lanes<lane...>) {
  const vu low = __builtin_shufflevector(a, b, (lane & step ? kWidth + lane - step : lane)...);
  b = __builtin_shufflevector(a, b, (lane & step ? kWidth + lane : lane + step)...);
  a = low;
}
// x[i][j] and x[j][i] change places.
template <int step = kWidth / 2> MINKE_INLINE void transpose(vu (&x)[kWidth]) {
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i)
    if (!(i & step)) swap_lanes<step>(x[i], x[i + step], AllLanes{});
  if constexpr (step > 1) transpose<step / 2>(x);
}
// Lane j is the lanes of x[j] joined by op(vu, vu) → vu, which has no order. x is overwritten.
template <int step = 1, class Op> MINKE_INLINE vu join_lanes(vu (&x)[kWidth], Op op) {
#pragma GCC unroll 16
  for (int i = 0; i < kWidth / step; i += 2) {
    swap_lanes<step>(x[i], x[i + 1], AllLanes{});
    x[i / 2] = op(x[i], x[i + 1]);
  }
  if constexpr (2 * step < kWidth) return join_lanes<2 * step>(x, op);
  return x[0];
}

// ---- bf16 -----------------------------------------------------------------------------------------------------------
// Lanes of 16 bits to 32 and back. By intrinsics: GCC 12 makes two halves and joins them out of
// __builtin_convertvector.
MINKE_INLINE vu extend(vh h) {
#if defined(__AVX512F__)
  return vu(_mm512_maskz_cvtepu16_epi32(0xffff, __m256i(h)));
#elif defined(__AVX2__)
  return vu(_mm256_cvtepu16_epi32(__m128i(h)));
#else
  return __builtin_convertvector(h, vu);
#endif
}
MINKE_INLINE vh truncate(vu u) {
#if defined(__AVX512F__)
  return vh(_mm512_maskz_cvtepi32_epi16(0xffff, __m512i(u)));
#elif defined(__AVX2__)
  const __m256i packed = _mm256_packus_epi32(__m256i(u & 0xffffu), __m256i{});  // within halves of the register
  return vh(_mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
#else
  return __builtin_convertvector(u, vh);
#endif
}
MINKE_INLINE vf widen(vh h) { return vf(extend(h) << 16); }
// The bf16 of x in the upper half of each lane (nearest even; a NaN stays one); the lower half holds rubbish.
MINKE_INLINE vu round_upper(vf x) {
  const vu u = vu(x);
  const vu rounded = u + 0x7fffu + ((u >> 16) & 1u);
  const vi is_nan = x != x;
  return is_nan ? (u | 0x400000u) : rounded;
}
MINKE_INLINE vh narrow(vf x) { return truncate(round_upper(x) >> 16); }
MINKE_INLINE vf round_bf16(vf x) { return vf(round_upper(x) & 0xffff0000u); }
// For operands of the dot product instruction, which takes subnormals for zeros, as this conversion does.
MINKE_INLINE vh narrow_operand(vf x) {
#if defined(__AVX512BF16__)
  return (vh)_mm512_cvtneps_pbh(__m512(x));
#else
  return narrow(x);
#endif
}
// Lanes of pairs: `low` in bits 0–15, `high` in bits 16–31.
MINKE_INLINE vu pair_bf16(vf low, vf high) {
#if defined(__AVX512BF16__)
  return extend(narrow_operand(low)) | (extend(narrow_operand(high)) << 16);
#else
  return (round_upper(low) >> 16) | (round_upper(high) & 0xffff0000u);
#endif
}

// ---- whole numbers and f16 -------------------------------------------------------------------------------------------
MINKE_INLINE vf to_float(vi x) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_cvtepi32_ps(0xffff, __m512i(x)));
#else
  return __builtin_convertvector(x, vf);
#endif
}
MINKE_INLINE vf from_f16(vh x) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_cvtph_ps(0xffff, __m256i(x)));
#elif defined(__AVX2__)
  return vf(_mm256_cvtph_ps(__m128i(x)));
#else
  vf y;
  for (int i = 0; i < kWidth; ++i) {
    const uint32_t exponent = x[i] >> 10 & 31, mantissa = x[i] & 1023;
    const float size = exponent == 31 ? __builtin_bit_cast(float, 0x7f800000u | mantissa << 13)
                       : exponent     ? __builtin_bit_cast(float, (exponent + 112) << 23 | mantissa << 13)
                                      : float(mantissa) * 0x1p-24f;
    y[i] = x[i] & 0x8000 ? -size : size;
  }
  return y;
#endif
}

// ---- loads and stores of n <= kWidth elements -----------------------------------------------------------------------
MINKE_INLINE vf load_f32(const float* p) { return load_as<vf>(p); }
inline vf load_f32(const float* p, int64_t n) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p));
#else
  float t[kWidth] = {};
  for (int64_t i = 0; i < n; ++i) t[i] = p[i];
  return load_as<vf>(t);
#endif
}
inline void store_f32(float* p, vf v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), __m512(v));
#else
  float t[kWidth];
  store_as(t, v);
  for (int64_t i = 0; i < n; ++i) p[i] = t[i];
#endif
}
inline vh load_half(const uint16_t* p, int64_t n) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  return vh(_mm256_maskz_loadu_epi16(__mmask16((1u << n) - 1), p));
#else
  uint16_t t[kWidth] = {};
  for (int64_t i = 0; i < n; ++i) t[i] = p[i];
  return load_as<vh>(t);
#endif
}
inline void store_half(uint16_t* p, vh v, int64_t n) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  _mm256_mask_storeu_epi16(p, __mmask16((1u << n) - 1), __m256i(v));
#else
  uint16_t t[kWidth];
  store_as(t, v);
  for (int64_t i = 0; i < n; ++i) p[i] = t[i];
#endif
}

// Elements i … i+n of a row of f32 (half = false) or bf16.
MINKE_INLINE vf load(const void* row, bool half, int64_t i, int64_t n) {
  if (half) {
    const uint16_t* p = static_cast<const uint16_t*>(row) + i;
    return widen(n == kWidth ? load_as<vh>(p) : load_half(p, n));
  }
  const float* p = static_cast<const float*>(row) + i;
  return n == kWidth ? load_as<vf>(p) : load_f32(p, n);
}
MINKE_INLINE void store(void* row, bool half, int64_t i, int64_t n, vf v) {
  if (half) {
    uint16_t* p = static_cast<uint16_t*>(row) + i;
    if (n == kWidth) store_as(p, narrow(v));
    else store_half(p, narrow(v), n);
    return;
  }
  float* p = static_cast<float*>(row) + i;
  if (n == kWidth) store_as(p, v);
  else store_f32(p, v, n);
}
MINKE_INLINE float load_scalar(const void* p, bool half, int64_t i) {
  if (half) return __builtin_bit_cast(float, uint32_t(static_cast<const uint16_t*>(p)[i]) << 16);
  return static_cast<const float*>(p)[i];
}
MINKE_INLINE uint16_t narrow_scalar(float x) {
  const uint32_t u = __builtin_bit_cast(uint32_t, x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return uint16_t((u >> 16) | 0x40);
  return uint16_t((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}
MINKE_INLINE void store_scalar(void* p, bool half, int64_t i, float x) {
  if (half) static_cast<uint16_t*>(p)[i] = narrow_scalar(x);
  else static_cast<float*>(p)[i] = x;
}

// ---- exp ------------------------------------------------------------------------------------------------------------
// e^x = 2^n · e^r, |r| <= ln2/2; the polynomial is Cephes' expf (relative error below 1e-7). Overflow gives inf,
// underflow 0 or a subnormal, NaN stays NaN.
MINKE_INLINE vf exp(vf x) {
  x = min(splat(89.0f), max(splat(-104.0f), x));
#if defined(__AVX512F__)
  const vf n = vf(_mm512_maskz_roundscale_ps(0xffff, __m512(x * 1.44269504088896341f), _MM_FROUND_TO_NEAREST_INT));
#else
  const vf shifted = fma(x, splat(1.44269504088896341f), splat(12582912.0f));  // 1.5·2^23: the integer in the low bits
  const vf n = shifted - 12582912.0f;
#endif
  vf r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + 1.0f;
#if defined(__AVX512F__)
  return vf(_mm512_maskz_scalef_ps(0xffff, __m512(p), __m512(n)));
#else
  const vi k = vi(shifted) - 0x4b400000;  // two factors: 2^n itself may not be representable
  const vi k1 = k >> 1, k2 = k - k1;
  return p * vf((k1 + 127) << 23) * vf((k2 + 127) << 23);
#endif
}

// 2^y for y up to 127, the polynomial of Cephes' exp2f (relative error below 2e-7): softmax with the factor log2(e)
// folded into its scale, two thirds of the work of exp. Below -126 it stays at 2^-126.
MINKE_INLINE vf exp2(vf y) {
  y = max(splat(-126.0f), y);
#if defined(__AVX512F__)
  const vf n = vf(_mm512_maskz_roundscale_ps(0xffff, __m512(y), _MM_FROUND_TO_NEAREST_INT));
#else
  const vf shifted = y + 12582912.0f;
  const vf n = shifted - 12582912.0f;
#endif
  const vf r = y - n;
  vf p = splat(1.535336188319500e-4f);
  p = fma(p, r, splat(1.339887440266574e-3f));
  p = fma(p, r, splat(9.618437357674640e-3f));
  p = fma(p, r, splat(5.550332471162809e-2f));
  p = fma(p, r, splat(2.402264791363012e-1f));
  p = fma(p, r, splat(6.931472028550421e-1f));
  p = fma(p, r, splat(1.0f));
#if defined(__AVX512F__)
  return vf(_mm512_maskz_scalef_ps(0xffff, __m512(p), __m512(n)));
#else
  return p * vf((vi(shifted) - 0x4b400000 + 127) << 23);
#endif
}
constexpr float kLog2E = 1.44269504088896341f, kLn2 = 0.693147180559945309f;

MINKE_INLINE vf sigmoid(vf z) { return 1.0f / (1.0f + exp(-z)); }

}  // namespace
}  // namespace minke
