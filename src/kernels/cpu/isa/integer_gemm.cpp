// Products of activations in 8 bits with weights in blocks of integers. Within a group of 32 (or 16) elements sums are exact
// integers; groups are added in FP32, in order:
//   c[i,j] = Σ_g (scale_b[j,g] · scale_a[i,g]) · Σ_{e in g} q_b[j,e] q_a[i,e]  +  min_b[j,g] · (scale_a[i,g] · Σ_{e in g} q_a[i,e]),
// each term with one rounding where there is FMA. So c has the same bits by every way here, and on every instruction set with
// FMA: one strip at a time for a few rows of a, panels for many.
// Test: tests/kernels/integer_products_test.cpp.
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
#else
  for (int i = 0; i < kWidth; ++i)
    for (int t = 0; t < 4; ++t) acc[i] += (int(w[4 * i + t]) - (wide ? 128 : 0)) * int8_t(a[4 * i + t]);
  return acc;
#endif
}

MINKE_INLINE vf to_float(vi x) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_cvtepi32_ps(0xffff, __m512i(x)));
#else
  return __builtin_convertvector(x, vf);
#endif
}
MINKE_INLINE vb repeat16(const int8_t* p) {  // 16 bytes in every lane of 128 bits
#if defined(__AVX512F__)
  return (vb)_mm512_maskz_broadcast_i32x4(0xffff, _mm_loadu_si128((const __m128i*)p));
#elif defined(__AVX2__)
  return (vb)_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)p));
#else
  return load_as<vb>(p);
#endif
}
MINKE_INLINE vb repeat4(const int8_t* p) { return (vb)splat_i(load_as<int32_t>(p)); }

// Of each lane of 128 bits: dwords 0 and 1 (high: 2 and 3) of a and b in turn; quadword 0 (high: 1) of a, then that of b.
template <int high, int... lane> MINKE_INLINE vi zip(vi a, vi b, Lanes<lane...>) {
  return __builtin_shufflevector(a, b, ((lane & ~3) + lane % 4 / 2 + 2 * high + (lane % 2 ? kWidth : 0))...);
}
template <int high, int... lane> MINKE_INLINE vi zip_pairs(vi a, vi b, Lanes<lane...>) {
  return __builtin_shufflevector(a, b, ((lane & ~3) + lane % 2 + 2 * high + (lane % 4 / 2 ? kWidth : 0))...);
}
// Sums over each lane of 128 bits of x[0 … 3], in the order of rows.
MINKE_INLINE vi lane_sums(const vi* x) {
  const AllLanes all;
  const vi a = zip<0>(x[0], x[1], all) + zip<1>(x[0], x[1], all);
  const vi b = zip<0>(x[2], x[3], all) + zip<1>(x[2], x[3], all);
  return zip_pairs<0>(a, b, all) + zip_pairs<1>(a, b, all);
}
// Four registers of rows (Strip::q) as four of elements: register t has elements 4t … 4t + 3 of row after row.
MINKE_INLINE void to_panel(const vb* rows, vb* panel) {
  const AllLanes all;
  const vi a = zip<0>(vi(rows[0]), vi(rows[1]), all), b = zip<0>(vi(rows[2]), vi(rows[3]), all),
           c = zip<1>(vi(rows[0]), vi(rows[1]), all), d = zip<1>(vi(rows[2]), vi(rows[3]), all);
  panel[0] = (vb)zip_pairs<0>(a, b, all), panel[1] = (vb)zip_pairs<1>(a, b, all);
  panel[2] = (vb)zip_pairs<0>(c, d, all), panel[3] = (vb)zip_pairs<1>(c, d, all);
}

struct LeftRow {
  const int8_t* q;
  const float* scale;
  const int32_t* sums;
};
MINKE_INLINE LeftRow row_of(const IntegerRows& a, int64_t k, int64_t i) {
  return {a.q + i * k, a.scale + i * (k / 32), a.sums + i * (k / 16)};
}

// The sum of the integers of a group of elements: of its half h, or of all 32.
template <class Format> MINKE_INLINE int32_t sum_of(const LeftRow& a, int64_t group, int h) {
  return Format::kHalves ? a.sums[2 * group + h] : a.sums[2 * group] + a.sums[2 * group + 1];
}
template <class Format> constexpr bool kWide = Format::kZero == 128;
template <class Format> constexpr int kParts = Format::kHalves ? 2 : 1;
// What the integer sums begin with, so that they are those of the integers without `zero`.
template <class Format> MINKE_INLINE int32_t begin_of(int32_t sum) {
  return kKeepsZero<kWide<Format>> ? -Format::kZero * sum : 0;
}
template <class Format> MINKE_INLINE vf added(vf acc, vi products, vf scale, vf min, float a_scale, int32_t sum) {
  acc = fma(to_float(products), scale * a_scale, acc);
  return Format::kMin ? fma(min, splat(a_scale * float(sum)), acc) : acc;
}

constexpr int kFewRows = 4;  // of a, that one pass over the strips takes

// out[i] = row i of c for the kWidth rows of b from `rows` on.
template <class Format, int m>
MINKE_INLINE void few_rows(Format& format, const IntegerJob& job, const uint8_t* rows, int64_t first, vf* out) {
  constexpr int kParts = cpu::kParts<Format>;
  LeftRow a[m];
  for (int i = 0; i < m; ++i) a[i] = row_of(job.a, job.k, first + i), out[i] = vf{};
  const int strips = job.b.block_elements / 32;
  for (int64_t group = 0; group < job.k / 32; rows += job.b.block_bytes) {
    format.open(rows, job.b.row_bytes);
    for (int i = 0; i < strips; ++i, ++group) {
      Strip s;
      format.load(rows, job.b.row_bytes, i, s);
#pragma GCC unroll 4
      for (int r = 0; r < m; ++r) {
        const vb low = repeat16(a[r].q + group * 32), high = repeat16(a[r].q + group * 32 + 16);
        vi x[2][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          x[0][j] = dot<kWide<Format>>(vi{}, s.q[j], low);
          x[kParts - 1][j] = dot<kWide<Format>>(kParts == 1 ? x[0][j] : vi{}, s.q[4 + j], high);
        }
#pragma GCC unroll 2
        for (int h = 0; h < kParts; ++h) {
          const int32_t sum = sum_of<Format>(a[r], group, h);
          out[r] = added<Format>(out[r], lane_sums(x[h]) + begin_of<Format>(sum), s.scale[h], s.min[h],
                                 a[r].scale[group], sum);
        }
      }
    }
  }
}

// A strip of all k as a panel: of each 32 elements 8 registers, then scales, then minima.
template <class Format> constexpr int kPanelVectors = 8 + kParts<Format>*(Format::kMin ? 2 : 1);
template <class Format> void make_panel(Format& format, const StripRows& b, const uint8_t* rows, int64_t k, vb* panel) {
  for (int64_t begin = 0; begin < k; begin += b.block_elements, rows += b.block_bytes) {
    format.open(rows, b.row_bytes);
    for (int i = 0; i < b.block_elements / 32; ++i, panel += kPanelVectors<Format>) {
      Strip s;
      format.load(rows, b.row_bytes, i, s);
      vb registers[8];
      to_panel(s.q, registers), to_panel(s.q + 4, registers + 4);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) panel[j] = registers[j];
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
  constexpr int kParts = cpu::kParts<Format>, kSteps = 8 / kParts;
  const LeftRow a = row_of(job.a, job.k, first);
  const int64_t k = job.k, groups = k / 32;
  vf acc[m][n] = {};
  for (int64_t group = 0; group < groups; ++group, panels += kPanelVectors<Format>) {
    const int8_t* q = a.q + group * 32;
#pragma GCC unroll 2
    for (int h = 0; h < kParts; ++h) {
      vi x[m][n];
#pragma GCC unroll 6
      for (int i = 0; i < m; ++i) {
        const int32_t* s = a.sums + i * 2 * groups;
        const int32_t sum = Format::kHalves ? s[2 * group + h] : s[2 * group] + s[2 * group + 1];
#pragma GCC unroll 2
        for (int j = 0; j < n; ++j) x[i][j] = splat_i(begin_of<Format>(sum));
      }
#pragma GCC unroll 8
      for (int t = h * kSteps; t < (h + 1) * kSteps; ++t) {
        vb w[n];
#pragma GCC unroll 2
        for (int j = 0; j < n; ++j) w[j] = panels[j * panel_vectors + t];
#pragma GCC unroll 6
        for (int i = 0; i < m; ++i) {
          const vb left = repeat4(q + i * k + 4 * t);
#pragma GCC unroll 2
          for (int j = 0; j < n; ++j) x[i][j] = dot<kWide<Format>>(x[i][j], w[j], left);
        }
      }
#pragma GCC unroll 2
      for (int j = 0; j < n; ++j) {
        const vf scale = vf(panels[j * panel_vectors + 8 + h]);
        const vf min = Format::kMin ? vf(panels[j * panel_vectors + 8 + kParts + h]) : vf{};
#pragma GCC unroll 6
        for (int i = 0; i < m; ++i) {
          const int32_t* s = a.sums + i * 2 * groups;
          const int32_t sum = Format::kHalves ? s[2 * group + h] : s[2 * group] + s[2 * group + 1];
          acc[i][j] = added<Format>(acc[i][j], x[i][j], scale, min, a.scale[i * groups + group], sum);
        }
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
int64_t integer_bytes(int64_t k, int64_t row_bytes) { return kPanels * panel_bytes(k) + kWidth * row_bytes; }

template <class Format> void multiply(const IntegerJob& job) {
  Format format(job.b);
  const StripRows& b = job.b;
  char* spare = job.scratch + kPanels * panel_bytes(job.k);
  // The rows from j on; the last ones, if they are no whole strip, with rows of zeros after them.
  const auto rows_from = [&](int64_t j) {
    const uint8_t* rows = b.data + j * b.row_bytes;
    if (b.n - j >= kWidth) return rows;
    __builtin_memcpy(spare, rows, size_t((b.n - j) * b.row_bytes));
    __builtin_memset(spare + (b.n - j) * b.row_bytes, 0, size_t((kWidth - (b.n - j)) * b.row_bytes));
    return static_cast<const uint8_t*>(static_cast<void*>(spare));
  };
  if (job.m <= 2 * kFewRows) {
    for (int64_t j = 0; j < b.n; j += kWidth) {
      const uint8_t* rows = rows_from(j);
      for (int64_t i = 0; i < job.m; i += kFewRows) {
        vf out[kFewRows];
        const int64_t m = smaller<int64_t>(kFewRows, job.m - i);
        if (m == 1) few_rows<Format, 1>(format, job, rows, i, out);
        else if (m == 2) few_rows<Format, 2>(format, job, rows, i, out);
        else if (m == 3) few_rows<Format, 3>(format, job, rows, i, out);
        else few_rows<Format, 4>(format, job, rows, i, out);
        for (int64_t r = 0; r < m; ++r) put(job, i + r, j, out[r]);
      }
    }
    return;
  }
  vb* panels = reinterpret_cast<vb*>(job.scratch);
  const int64_t panel_vectors = job.k / 32 * kPanelVectors<Format>;
  for (int64_t j = 0; j < b.n; j += kPanels * kWidth) {
    const int64_t n = smaller<int64_t>(kPanels, (b.n - j + kWidth - 1) / kWidth);
    for (int64_t p = 0; p < n; ++p) make_panel(format, b, rows_from(j + p * kWidth), job.k, panels + p * panel_vectors);
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
    default: break;
  }
  if (job.b.halves) return job.b.has_min ? multiply<Unpacked<true, true>>(job) : multiply<Unpacked<true, false>>(job);
  return job.b.has_min ? multiply<Unpacked<false, true>>(job) : multiply<Unpacked<false, false>>(job);
}

// Rows begin … end of a: of each 32 elements the largest becomes ±127, ties go to even. A NaN or an infinity makes the scale NaN.
void round_to_integers(const Matrix& a, int64_t k, const IntegerRows& to, int64_t begin, int64_t end) {
  constexpr int kVectors = 32 / kWidth;
  constexpr float kMagic = 12582912.0f;  // 1.5·2^23: the integer is in the low bits of the sum
  for (int64_t i = begin; i < end; ++i) {
    const char* row = static_cast<const char*>(a.data) + i * a.row_stride * (a.half ? 2 : 4);
    int8_t* q = to.q + i * k;
    int32_t* sums = to.sums + i * (k / 16);
    for (int64_t group = 0; group < k / 32; ++group, q += 32) {
      vf x[kVectors], largest = vf{}, nothing = vf{};
      for (int v = 0; v < kVectors; ++v) {
        const int64_t e = group * 32 + v * kWidth;
        if (a.col_stride == 1) x[v] = load(row, a.half, e, kWidth);
        else
          for (int l = 0; l < kWidth; ++l) x[v][l] = load_scalar(row, a.half, (e + l) * a.col_stride);
        largest = max(largest, vf(vu(x[v]) & 0x7fffffffu)), nothing += x[v] * 0.0f;
      }
      const float most = max_lane(largest), times = most > 0 ? 127.0f / most : 0.0f;
      to.scale[i * (k / 32) + group] = most / 127.0f + sum(nothing);
      for (int v = 0; v < kVectors; ++v) {
        const vi n = vi(x[v] * times + kMagic) - 0x4b400000;
        for (int l = 0; l < kWidth; ++l) q[v * kWidth + l] = int8_t(n[l]);
      }
      for (int h = 0; h < 2; ++h) {
        int32_t sum = 0;
        for (int l = 0; l < 16; ++l) sum += q[h * 16 + l];
        sums[2 * group + h] = sum;
      }
    }
  }
}

}  // namespace

namespace MINKE_ISA {
void fill_integer_gemm(Kernels& kernels) {
  kernels.strip = kPanels * kWidth;
  kernels.integer_bytes = integer_bytes;
  kernels.round_to_integers = round_to_integers;
  kernels.integer_gemm = integer_gemm;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
