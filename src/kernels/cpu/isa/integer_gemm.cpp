// Products of activations in 8 bits with weights in blocks of integers. Within a group of 32 (or 16) elements sums are exact
// integers; groups are added in FP32, in order:
//   c[i,j] = Σ_g (scale_b[j,g] · scale_a[i,g]) · Σ_{e in g} q_b[j,e] q_a[i,e]  +  min_b[j,g] · (scale_a[i,g] · Σ_{e in g} q_a[i,e]),
// each term with one rounding where there is FMA. So c has the same bits by every way here, and on every instruction set with
// FMA: from strips as they lie for a few rows of a, from panels for many.
// Test: tests/kernels/integer_products_test.cpp.
#include "kernels/cpu/isa/interleave.h"
#include "kernels/cpu/isa/strips.h"

namespace minke::cpu {
namespace {

// acc + the sums of four neighbouring products, w without a sign, a with one (−127 … 127). wide: w may be above 127, and is
// an integer from −128 on to which 128 was added: the product is that of the integer then, where instructions would saturate.
#if defined(__AVX512VNNI__)
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

template <class Format> constexpr bool kWide = Format::kZero == 128;
template <class Format> constexpr int kParts = Format::kHalves ? 2 : 1;  // scales of 32 elements
// Which of the sums of a group is that of part h.
template <class Format> MINKE_INLINE int part_of(int h) { return Format::kHalves ? h : 2; }

// What the integer sums begin with, so that they are those of the integers without `zero`.
template <int zero> MINKE_INLINE vi begin_of(int32_t sum) {
  if (!kKeepsZero<zero == 128> || zero == 0) return vi{};
  return splat_i(sum) >> __builtin_ctz(128 / (zero ? zero : 128));
}
template <class Format> MINKE_INLINE vf added(vf acc, vi products, vf scale, vf min, const IntegerGroup& a, int h) {
  acc = fma(to_float(products), scale * a.scale, acc);
  return Format::kMin ? fma(min, splat(a.sum[part_of<Format>(h)]), acc) : acc;
}

constexpr int kFewRows = 4;  // of a, that one pass over a strip takes

// out[i] = row first + i of c for the kWidth rows of a strip.
template <class Format, int m>
MINKE_INLINE void few_rows(Format& format, const IntegerJob& job, const char* strip, int64_t first, vf* out) {
  constexpr int kParts = cpu::kParts<Format>, kSteps = 8 / kParts;
  const int64_t groups = job.k / 32, block_bytes = kWidth * job.b.block_bytes;
  const IntegerGroup* a = job.a + first * groups;
  vf acc[m] = {};
  const int strips = job.b.block_elements / 32;
  for (int64_t group = 0; group < groups; strip += block_bytes) {
    prefetch_ahead(strip, block_bytes);
    const StripBlock block{strip};
    format.open(block);
    for (int i = 0; i < strips; ++i, ++group, ++a) {
      Strip s;
      format.load(block, i, s);
#pragma GCC unroll 4
      for (int r = 0; r < m; ++r) {
        const IntegerGroup& left = a[r * groups];
#pragma GCC unroll 2
        for (int h = 0; h < kParts; ++h) {
          vi x[2] = {begin_of<Format::kZero>(left.zero[part_of<Format>(h)]), vi{}};  // two chains
#pragma GCC unroll 8
          for (int t = h * kSteps; t < (h + 1) * kSteps; ++t)
            x[t % 2] = dot<kWide<Format>>(x[t % 2], s.q[t], repeat4(left.q + 4 * t));
          acc[r] = added<Format>(acc[r], x[0] + x[1], s.scale[h], s.min[h], left, h);
        }
      }
    }
  }
  for (int r = 0; r < m; ++r) out[r] = acc[r];
}

// A strip of all k as a panel: of each 32 elements 8 registers, then scales, then minima. The integers plus 128, or as they are
// where nothing is added.
template <class Format> constexpr int kPanelZero = Format::kZero ? 128 : 0;
template <class Format> constexpr int kPanelVectors = 8 + kParts<Format>*(Format::kMin ? 2 : 1);
template <class Format> void make_panel(Format& format, const StripRows& b, const char* strip, int64_t k, vb* panel) {
  for (int64_t begin = 0; begin < k; begin += b.block_elements, strip += kWidth * b.block_bytes) {
    const StripBlock block{strip};
    format.open(block);
    for (int i = 0; i < b.block_elements / 32; ++i, panel += kPanelVectors<Format>) {
      Strip s;
      format.load(block, i, s);
#pragma GCC unroll 8
      for (int t = 0; t < 8; ++t) panel[t] = s.q[t] + uint8_t(kPanelZero<Format> - Format::kZero);
      for (int h = 0; h < kParts<Format>; ++h) {
        panel[8 + h] = (vb)s.scale[h];
        if (Format::kMin) panel[8 + kParts<Format> + h] = (vb)s.min[h];
      }
    }
  }
}

#if defined(__AVX512F__)
constexpr int kPanels = 2, kTileRows = 6;
#else
constexpr int kPanels = 1, kTileRows = 4;
#endif

// m rows of c for n panels.
template <class Format, int m, int n>
MINKE_INLINE void tile(const IntegerJob& job, const vb* panels, int64_t panel_vectors, int64_t first,
                       vf (*out)[kPanels]) {
  constexpr int kParts = cpu::kParts<Format>, kSteps = 8 / kParts, kZero = kPanelZero<Format>;
  const int64_t groups = job.k / 32;
  const IntegerGroup* a = job.a + first * groups;
  vf acc[m][n] = {};
  for (int64_t group = 0; group < groups; ++group, ++a, panels += kPanelVectors<Format>) {
#pragma GCC unroll 2
    for (int h = 0; h < kParts; ++h) {
      vi x[m][n];
#pragma GCC unroll 6
      for (int i = 0; i < m; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < n; ++j) x[i][j] = begin_of<kZero>(a[i * groups].zero[part_of<Format>(h)]);
#pragma GCC unroll 8
      for (int t = h * kSteps; t < (h + 1) * kSteps; ++t) {
        vb w[n];
#pragma GCC unroll 2
        for (int j = 0; j < n; ++j) w[j] = panels[j * panel_vectors + t];
#pragma GCC unroll 6
        for (int i = 0; i < m; ++i) {
          const vb left = repeat4(a[i * groups].q + 4 * t);
#pragma GCC unroll 2
          for (int j = 0; j < n; ++j) x[i][j] = dot<kZero == 128>(x[i][j], w[j], left);
        }
      }
#pragma GCC unroll 2
      for (int j = 0; j < n; ++j) {
        const vf scale = vf(panels[j * panel_vectors + 8 + h]);
        const vf min = Format::kMin ? vf(panels[j * panel_vectors + 8 + kParts + h]) : vf{};
#pragma GCC unroll 6
        for (int i = 0; i < m; ++i) acc[i][j] = added<Format>(acc[i][j], x[i][j], scale, min, a[i * groups], h);
      }
    }
  }
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) out[i][j] = acc[i][j];
}

template <class Format, int n>
void tiles(const IntegerJob& job, const vb* panels, int64_t panel_vectors, int64_t first, int m, vf (*out)[kPanels]) {
  switch (m) {
    case 1: return tile<Format, 1, n>(job, panels, panel_vectors, first, out);
    case 2: return tile<Format, 2, n>(job, panels, panel_vectors, first, out);
    case 3: return tile<Format, 3, n>(job, panels, panel_vectors, first, out);
    case 4: return tile<Format, 4, n>(job, panels, panel_vectors, first, out);
#if defined(__AVX512F__)
    case 5: return tile<Format, 5, n>(job, panels, panel_vectors, first, out);
    default: return tile<Format, 6, n>(job, panels, panel_vectors, first, out);
#else
    default: return;
#endif
  }
}

void put(const IntegerJob& job, int64_t i, int64_t j, vf x) {
  const Matrix& c = job.c;
  const int64_t n = smaller<int64_t>(kWidth, job.b.n - j);
  char* row = static_cast<char*>(c.data) + i * c.row_stride * (c.half ? 2 : 4);
  if (c.col_stride == 1) {
    if (job.accumulate) x += load(row, c.half, j, n);
    return store(row, c.half, j, n, x);
  }
  for (int64_t l = 0; l < n; ++l) {
    const int64_t at = (j + l) * c.col_stride;
    store_scalar(row, c.half, at, job.accumulate ? load_scalar(row, c.half, at) + x[l] : x[l]);
  }
}

constexpr int64_t kMostPanelVectors = 8 + 2 * 2;
int64_t panel_bytes(int64_t k) { return k / 32 * kMostPanelVectors * kWidth * 4; }
int64_t integer_bytes(int64_t k, int64_t row_bytes) { return kPanels * panel_bytes(k) + 2 * kWidth * row_bytes; }

template <class Format> void multiply(const IntegerJob& job) {
  Format format(job.b);
  const StripRows& b = job.b;
  char* spare = job.scratch + kPanels * panel_bytes(job.k);
  const auto strip_at = [&](int64_t j) { return strip_from(b, j, spare); };
  if (job.m <= 2 * kFewRows) {
    for (int64_t j = 0; j < b.n; j += kWidth) {
      const char* strip = strip_at(j);
      for (int64_t i = 0; i < job.m; i += kFewRows) {
        vf out[kFewRows];
        const int64_t m = smaller<int64_t>(kFewRows, job.m - i);
        if (m == 1) few_rows<Format, 1>(format, job, strip, i, out);
        else if (m == 2) few_rows<Format, 2>(format, job, strip, i, out);
        else if (m == 3) few_rows<Format, 3>(format, job, strip, i, out);
        else few_rows<Format, 4>(format, job, strip, i, out);
        for (int64_t r = 0; r < m; ++r) put(job, i + r, j, out[r]);
      }
    }
    return;
  }
  vb* panels = reinterpret_cast<vb*>(job.scratch);
  const int64_t panel_vectors = job.k / 32 * kPanelVectors<Format>;
  for (int64_t j = 0; j < b.n; j += kPanels * kWidth) {
    const int64_t n = smaller<int64_t>(kPanels, (b.n - j + kWidth - 1) / kWidth);
    for (int64_t p = 0; p < n; ++p) make_panel(format, b, strip_at(j + p * kWidth), job.k, panels + p * panel_vectors);
    for (int64_t i = 0; i < job.m; i += kTileRows) {
      vf out[kTileRows][kPanels];
      const int64_t m = smaller<int64_t>(kTileRows, job.m - i);
      if (n == kPanels) tiles<Format, kPanels>(job, panels, panel_vectors, i, int(m), out);
      else tiles<Format, 1>(job, panels, panel_vectors, i, int(m), out);
      for (int64_t r = 0; r < m; ++r)
        for (int64_t p = 0; p < n; ++p) put(job, i + r, j + p * kWidth, out[r][p]);
    }
  }
}

void integer_gemm(const IntegerJob& job) {
  switch (job.b.format) {
    case BlockFormat::q8_0: return multiply<Q8_0>(job);
    case BlockFormat::q4_0: return multiply<Q4_0>(job);
    case BlockFormat::q4_1: return multiply<Q4_1>(job);
    case BlockFormat::q5_0: return multiply<Q5_0>(job);
    case BlockFormat::q5_1: return multiply<Q5_1>(job);
    case BlockFormat::q2_k: return multiply<Q2_K>(job);
    case BlockFormat::q4_k: return multiply<Q4_K>(job);
    case BlockFormat::q5_k: return multiply<Q5_K>(job);
    case BlockFormat::q6_k: return multiply<Q6_K>(job);
    default: break;
  }
  if (job.b.halves) return job.b.has_min ? multiply<Unpacked<true, true>>(job) : multiply<Unpacked<true, false>>(job);
  return job.b.has_min ? multiply<Unpacked<false, true>>(job) : multiply<Unpacked<false, false>>(job);
}

MINKE_INLINE void store_bytes(int8_t* to, vi x) {  // each lane is −128 … 127
#if defined(__AVX512F__)
  _mm_storeu_si128((__m128i*)to, _mm512_maskz_cvtepi32_epi8(0xffff, __m512i(x)));
#else
  for (int l = 0; l < kWidth; ++l) to[l] = int8_t(x[l]);
#endif
}

// Rows begin … end of a: of each 32 elements the largest becomes ±127, ties go to even. A NaN or an infinity makes the scale NaN.
void round_to_integers(const Matrix& a, int64_t k, IntegerGroup* to, int64_t begin, int64_t end) {
  constexpr int kVectors = 32 / kWidth;
  constexpr float kMagic = 12582912.0f;  // 1.5·2^23: the integer is in the low bits of the sum
  to += begin * (k / 32);
  for (int64_t i = begin; i < end; ++i) {
    const char* row = static_cast<const char*>(a.data) + i * a.row_stride * (a.half ? 2 : 4);
    for (int64_t e = 0; e < k; e += 32, ++to) {
      vf x[kVectors], largest = vf{}, nothing = vf{};
      for (int v = 0; v < kVectors; ++v) {
        if (a.col_stride == 1) x[v] = load(row, a.half, e + v * kWidth, kWidth);
        else
          for (int l = 0; l < kWidth; ++l) x[v][l] = load_scalar(row, a.half, (e + v * kWidth + l) * a.col_stride);
        largest = max(largest, vf(vu(x[v]) & 0x7fffffffu)), nothing += x[v] * 0.0f;
      }
      const float most = max_lane(largest), times = most > 0 ? 127.0f / most : 0.0f;
      float sums[3] = {};
      for (int v = 0; v < kVectors; ++v) {
        const vf shifted = x[v] * times + kMagic;
        store_bytes(to->q + v * kWidth, vi(shifted) - 0x4b400000);
        sums[v * kWidth / 16] += sum(shifted - kMagic);  // of integers: exact
      }
      sums[2] = sums[0] + sums[1];
      to->scale = most / 127.0f + sum(nothing);
      for (int h = 0; h < 3; ++h) {
        to->sum[h] = to->scale * sums[h];
        to->zero[h] =
            sums[h] >= -4096 && sums[h] <= 4096 ? -128 * int32_t(sums[h]) : 0;  // 0: not finite, as the scale is
      }
    }
  }
}

}  // namespace

namespace MINKE_ISA {
void fill_integer_gemm(Kernels& kernels) {
  kernels.strip = kWidth, kernels.strips = kPanels;
  kernels.integer_bytes = integer_bytes;
  kernels.round_to_integers = round_to_integers;
  kernels.integer_gemm = integer_gemm;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
