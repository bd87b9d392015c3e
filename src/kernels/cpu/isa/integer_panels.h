// Products of 8-bit activations with many rows: tiles of sums over panels, a strip of all k made ready once for all rows of a.
// The arithmetic is that of integer_gemm.cpp. Test: tests/kernels/integer_products_test.cpp.
#pragma once
#include "kernels/cpu/isa/strips.h"

namespace minke::cpu {
namespace {

// acc + the sums of four neighbouring products, w without a sign, a with one (−127 … 127). wide: w may be above 127, and is
// an integer from −128 on to which 128 was added: the product is that of the integer then, where instructions would saturate.
#if defined(__AVX512VNNI__) || (defined(__AVXVNNI__) && !defined(__AVX512F__))
template <bool wide> constexpr bool kKeepsZero = true;
#else
template <bool wide> constexpr bool kKeepsZero = !wide;  // sums are of w, not of the integer
#endif
template <bool wide> MINKE_INLINE vi dot(vi acc, vb w, vb a) {
#if defined(__AVX512VNNI__)
  return vi(_mm512_dpbusd_epi32(__m512i(acc), __m512i(w), __m512i(a)));
#elif defined(__AVX512BW__)
  __m512i u = __m512i(w), s = __m512i(a);
  if (wide) {
    u = __m512i(w ^ 128);
    s = _mm512_mask_sub_epi8(s, _mm512_movepi8_mask(u), _mm512_setzero_si512(), s);
    u = _mm512_abs_epi8(u);
  }
  return acc + vi(_mm512_madd_epi16(_mm512_maddubs_epi16(u, s), _mm512_set1_epi16(1)));
#elif defined(__AVXVNNI__)
  return vi(_mm256_dpbusd_avx_epi32(__m256i(acc), __m256i(w), __m256i(a)));
#elif defined(__AVX2__)
  __m256i u = __m256i(w), s = __m256i(a);
  if (wide) {
    u = __m256i(w ^ 128);
    s = _mm256_sign_epi8(s, u);
    u = _mm256_abs_epi8(u);
  }
  return acc + vi(_mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1)));
#elif defined(__SSE2__)
  const __m128i zero = _mm_setzero_si128(), from = _mm_set1_epi16(wide ? 128 : 0), s = __m128i(a);
  const auto pairs = [&](__m128i u16, __m128i twice) __attribute__((always_inline)) {
    return __m128(_mm_madd_epi16(_mm_sub_epi16(u16, from), _mm_srai_epi16(twice, 8)));
  };
  const __m128 low = pairs(_mm_unpacklo_epi8(__m128i(w), zero), _mm_unpacklo_epi8(s, s));
  const __m128 high = pairs(_mm_unpackhi_epi8(__m128i(w), zero), _mm_unpackhi_epi8(s, s));
  return acc + vi(_mm_shuffle_ps(low, high, 0x88)) + vi(_mm_shuffle_ps(low, high, 0xdd));
#else
  for (int i = 0; i < kWidth; ++i)
    for (int t = 0; t < 4; ++t) acc[i] += (int(w[4 * i + t]) - (wide ? 128 : 0)) * int8_t(a[4 * i + t]);
  return acc;
#endif
}

MINKE_INLINE vb repeat4(const int8_t* p) { return (vb)splat_i(load_as<int32_t>(p)); }

// What the integer sums begin with, so that they are those of the integers without `zero`.
template <int zero> MINKE_INLINE vi begin_of(int32_t sum) {
  if (!kKeepsZero<zero == 128> || zero == 0) return vi{};
  return splat_i(sum) >> __builtin_ctz(128 / (zero ? zero : 128));
}

// Which of the sums of a group is that of part h of `parts`.
template <int parts> MINKE_INLINE int part_of(int h) { return parts == 2 ? h : 2; }

template <int parts, bool has_min>
MINKE_INLINE vf added(vf acc, vi products, vf scale, vf min, const IntegerGroup& a, int h) {
  acc = fma(to_float(products), scale * a.scale, acc);
  return has_min ? fma(min, splat(a.sum[part_of<parts>(h)]), acc) : acc;
}

template <class Format> constexpr int kParts = Format::kHalves ? 2 : 1;  // scales of 32 elements

// Without VNNI products with integers up to 31 are summed in 16 bits first, over 4 registers, where they fit.
#if defined(__AVX2__) && !defined(__AVX512VNNI__) && (defined(__AVX512F__) || !defined(__AVXVNNI__))
template <int zero> constexpr bool kShortSums = zero == 0;
#else
template <int zero> constexpr bool kShortSums = false;
#endif

// Some k of a strip, ready to be multiplied. Of each 32 elements 8 registers, then scales, then minima. The integers plus 128,
// or as they are where nothing is added: then at most 31.
template <int parts, bool has_min, int zero> struct Panel {
  static constexpr int kParts = parts, kZero = zero, kVectors = 8 + parts * (has_min ? 2 : 1);
  static constexpr bool kMin = has_min;
  const vb* data;
  MINKE_INLINE vb integers(int64_t group, int t) const { return data[group * kVectors + t]; }
  MINKE_INLINE vf scale(int64_t group, int h) const { return vf(data[group * kVectors + 8 + h]); }
  MINKE_INLINE vf min(int64_t group, int h) const { return vf(data[group * kVectors + 8 + parts + h]); }
};
template <class Format> using PanelOf = Panel<kParts<Format>, Format::kMin, Format::kZero ? 128 : 0>;

constexpr int kPanelGroups = 16;  // so that the panels of a tile stay in the nearest cache; whole blocks of any format
constexpr int64_t kPanelBytes = kPanelGroups * (8 + 2 * 2) * kWidth * 4;

template <class Format>
PanelOf<Format> make_panel(Format& format, const StripRows& b, const char* strip, int groups, char* to) {
  using Panel = PanelOf<Format>;
  vb* panel = reinterpret_cast<vb*>(to);
  for (int begin = 0; begin < groups; begin += b.block_elements / 32, strip += kWidth * b.block_bytes) {
    const StripBlock block{strip};
    format.open(block);
    for (int i = 0; i < b.block_elements / 32; ++i, panel += Panel::kVectors) {
      Strip s;
      format.load(block, i, s);
#pragma GCC unroll 8
      for (int t = 0; t < 8; ++t) panel[t] = s.q[t] + uint8_t(Panel::kZero - Format::kZero);
      for (int h = 0; h < Panel::kParts; ++h) {
        panel[8 + h] = (vb)s.scale[h];
        if (Format::kMin) panel[8 + Panel::kParts + h] = (vb)s.min[h];
      }
    }
  }
  return {reinterpret_cast<const vb*>(to)};
}

#if defined(__AVX512F__)
constexpr int kPanels = 2, kTileRows = 6;
#else
constexpr int kPanels = 1, kTileRows = 4;
#endif

#if defined(__AVX2__)
typedef int16_t vs __attribute__((vector_size(kWidth * 4)));
MINKE_INLINE vs pair_sums(vb w, vb a) {
#if defined(__AVX512BW__)
  return vs(_mm512_maddubs_epi16(__m512i(w), __m512i(a)));
#else
  return vs(_mm256_maddubs_epi16(__m256i(w), __m256i(a)));
#endif
}
MINKE_INLINE vi pair_sums(vs x) {
#if defined(__AVX512BW__)
  return vi(_mm512_madd_epi16(__m512i(x), _mm512_set1_epi16(1)));
#else
  return vi(_mm256_madd_epi16(__m256i(x), _mm256_set1_epi16(1)));
#endif
}
#endif

// x[i][j] = sums of the products of part h of a group of 32, of m rows of a, `stride` apart, and n panels.
template <class Panel, int m, int n>
MINKE_INLINE void sum_products(const IntegerGroup* a, int64_t stride, const Panel* panels, int64_t group, int h,
                               vi (&x)[m][n]) {
  constexpr int kSteps = 8 / Panel::kParts, kZero = Panel::kZero;
  const int begin = h * kSteps;
#pragma GCC unroll 6
  for (int i = 0; i < m; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < n; ++j) x[i][j] = begin_of<kZero>(a[i * stride].zero[part_of<Panel::kParts>(h)]);
#if defined(__AVX2__)
  if constexpr (kShortSums<kZero>) {
#pragma GCC unroll 2
    for (int first = begin; first < begin + kSteps; first += 4) {
      vs sums[m][n] = {};
#pragma GCC unroll 4
      for (int t = first; t < first + 4; ++t)
#pragma GCC unroll 6
        for (int i = 0; i < m; ++i) {
          const vb left = repeat4(a[i * stride].q + 4 * t);
#pragma GCC unroll 2
          for (int j = 0; j < n; ++j) sums[i][j] += pair_sums(panels[j].integers(group, t), left);
        }
#pragma GCC unroll 6
      for (int i = 0; i < m; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < n; ++j) x[i][j] += pair_sums(sums[i][j]);
    }
    return;
  }
#endif
#pragma GCC unroll 8
  for (int t = begin; t < begin + kSteps; ++t) {
    vb w[n];
#pragma GCC unroll 2
    for (int j = 0; j < n; ++j) w[j] = panels[j].integers(group, t);
#pragma GCC unroll 6
    for (int i = 0; i < m; ++i) {
      const vb left = repeat4(a[i * stride].q + 4 * t);
#pragma GCC unroll 2
      for (int j = 0; j < n; ++j) x[i][j] = dot<kZero == 128>(x[i][j], w[j], left);
    }
  }
}

// `groups` groups of m rows of a, `stride` apart, and kPanels panels. sums[i·sums_stride + j]: begin at 0 if `anew`, else go on.
template <class Panel, int m>
MINKE_INLINE void tile(const IntegerGroup* a, int64_t stride, int groups, const Panel* panels, bool anew, vf* sums,
                       int64_t sums_stride) {
  constexpr int kParts = Panel::kParts, n = kPanels;
  vf acc[m][n];
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) acc[i][j] = anew ? vf{} : sums[i * sums_stride + j];
  for (int group = 0; group < groups; ++group, ++a) {
#pragma GCC unroll 2
    for (int h = 0; h < kParts; ++h) {
      vi x[m][n];
      sum_products(a, stride, panels, group, h, x);
#pragma GCC unroll 2
      for (int j = 0; j < n; ++j) {
        const vf scale = panels[j].scale(group, h), min = Panel::kMin ? panels[j].min(group, h) : vf{};
#pragma GCC unroll 6
        for (int i = 0; i < m; ++i)
          acc[i][j] = added<kParts, Panel::kMin>(acc[i][j], x[i][j], scale, min, a[i * stride], h);
      }
    }
  }
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) sums[i * sums_stride + j] = acc[i][j];
}

// Fewer kinds to compile: an odd number of rows takes one row more, one panel goes twice. What that gives is not used.
template <class Panel>
void tile(int m, const IntegerGroup* a, int64_t stride, int groups, const Panel* panels, bool anew, vf* sums,
          int64_t sums_stride) {
  if (m <= 2) return tile<Panel, 2>(a, stride, groups, panels, anew, sums, sums_stride);
#if defined(__AVX512F__)
  if (m > 4) return tile<Panel, 6>(a, stride, groups, panels, anew, sums, sums_stride);
#endif
  tile<Panel, 4>(a, stride, groups, panels, anew, sums, sums_stride);
}

}  // namespace
}  // namespace minke::cpu
