// Products of activations in 8 bits with weights in blocks of integers. Within a group of 32 (or 16) elements sums are exact
// integers; groups are added in FP32, in order:
//   c[i,j] = Σ_g (scale_b[j,g] · scale_a[i,g]) · Σ_{e in g} q_b[j,e] q_a[i,e]  +  min_b[j,g] · (scale_a[i,g] · Σ_{e in g} q_a[i,e]),
// each term with one rounding where there is FMA. So c has the same bits by every way here, and on every instruction set with
// FMA: from strips as they lie for a few rows of a, from panels for many.
// Test: tests/kernels/integer_products_test.cpp.
#include "kernels/cpu/isa/grid_strips.h"
#include "kernels/cpu/isa/integer_panels.h"
#include "kernels/cpu/isa/interleave.h"
#include "kernels/cpu/isa/super_strips.h"

namespace minke::cpu {
namespace {

constexpr int kFewRows = 4;  // of a, that one pass over a strip takes

// out[i] = row first + i of c for the kWidth rows of a strip.
template <class Format, int m>
MINKE_INLINE void few_rows(Format& format, const IntegerJob& job, const char* strip, int64_t first, vf* out) {
  constexpr int kParts = cpu::kParts<Format>, kSteps = 8 / kParts;
  const int64_t groups = job.k / 32, stride = row_groups(job.k), block_bytes = kWidth * job.b.block_bytes;
  const IntegerGroup* a = job.a + first * stride;
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
        const IntegerGroup& left = a[r * stride];
#pragma GCC unroll 2
        for (int h = 0; h < kParts; ++h) {
          vi x[2] = {begin_of<Format::kZero>(left.zero[part_of<kParts>(h)]), vi{}};  // two chains
#pragma GCC unroll 8
          for (int t = h * kSteps; t < (h + 1) * kSteps; ++t)
            x[t % 2] = dot<Format::kZero == 128>(x[t % 2], s.q[t], repeat4(left.q + 4 * t));
          acc[r] = added<kParts, Format::kMin>(acc[r], x[0] + x[1], s.scale[h], s.min[h], left, h);
        }
      }
    }
  }
  for (int r = 0; r < m; ++r) out[r] = acc[r];
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

// All strips of row i, the last of which may be partial.
void put_row(const IntegerJob& job, int64_t i, const vf* x) {
  const Matrix& c = job.c;
  int64_t s = 0;
  if (c.col_stride == 1 && !job.accumulate) {  // the common case in tight loops
    char* row = static_cast<char*>(c.data) + i * c.row_stride * (c.half ? 2 : 4);
    const int64_t whole = job.b.n / kWidth;
    if (c.half)
      for (; s < whole; ++s) store_as(row + s * kWidth * 2, narrow(x[s]));
    else
      for (; s < whole; ++s) store_as(row + s * kWidth * 4, x[s]);
  }
  for (; s * kWidth < job.b.n; ++s) put(job, i, s * kWidth, x[s]);
}

constexpr int64_t kMaxRows = 240, kMaxColumns = 256;  // of sums that wait, of many rows
static_assert(kMaxRows % kTileRows == 0);

struct Scratch {
  char *panels, *strip;  // strip: two of them (strip_from)
  vf* sums;              // [kMaxRows, kMaxColumns]
};
Scratch scratch_at(char* base) {
  char* sums = base + kPanels * kPanelBytes;
  return {base, sums + kMaxRows * kMaxColumns * 4, reinterpret_cast<vf*>(sums)};
}
int64_t integer_bytes(int64_t row_bytes) {
  return (kPanels * kPanelBytes + kMaxRows * kMaxColumns * 4) + 2 * kWidth * row_bytes;
}

// The piece of the next strips, asked for while this one is multiplied: some of it with every tile of rows.
struct Ahead {
  const char* next[kPanels] = {};
  int64_t lines = 0, step = 0;
  Ahead(const StripRows& b, int64_t strip, int64_t begin, int64_t bytes, int64_t tiles) {
    if (!b.interleaved || begin >= b.row_bytes) return;
    for (int p = 0; p < kPanels; ++p)
      next[p] = reinterpret_cast<const char*>(b.data) + (strip + p) * kWidth * b.row_bytes + begin * kWidth;
    lines = smaller(bytes, b.row_bytes - begin) * kWidth / 64, step = (lines + tiles - 1) / tiles;
  }
  void ask() {
    const int64_t count = smaller(step, lines);
    lines -= count;
    for (const char*& p : next)
      for (int64_t i = 0; i < count; ++i, p += 64) __builtin_prefetch(p, 0, 2);
  }
};

// Many rows: k in pieces, of each the panels of a tile, of each the rows, so that panels and a piece of a's rows stay near.
template <class Format> void many_rows(Format& format, const IntegerJob& job, int64_t first, int64_t rows) {
  using Panel = PanelOf<Format>;
  const StripRows& b = job.b;
  const int64_t stride = row_groups(job.k), groups = job.k / 32, strips = (b.n + kWidth - 1) / kWidth,
                width = (strips + kPanels - 1) / kPanels * kPanels;
  const Scratch scratch = scratch_at(job.scratch);
  const int64_t piece_bytes = kPanelGroups * 32 / b.block_elements * b.block_bytes;  // of a row of b
  for (int64_t group = 0; group < groups; group += kPanelGroups) {
    const int count = int(smaller<int64_t>(kPanelGroups, groups - group));
    const int64_t begin = group / kPanelGroups * piece_bytes, bytes = smaller(piece_bytes, b.row_bytes - begin);
    for (int64_t s = 0; s < strips; s += kPanels) {
      const int n = int(smaller<int64_t>(kPanels, strips - s));
      Panel panels[kPanels];
      for (int p = 0; p < n; ++p)
        panels[p] = make_panel(format, b, strip_from(b, (s + p) * kWidth, begin, bytes, scratch.strip), count,
                               scratch.panels + p * kPanelBytes);
      for (int p = n; p < kPanels; ++p) panels[p] = panels[0];
      const bool last = s + n == strips;
      Ahead ahead(b, last ? 0 : s + n, last ? begin + piece_bytes : begin, piece_bytes,
                  (rows + kTileRows - 1) / kTileRows);
      for (int64_t i = 0; i < rows; i += kTileRows) {
        ahead.ask();
        tile(int(smaller<int64_t>(kTileRows, rows - i)), job.a + (first + i) * stride + group, stride, count, panels,
             group == 0, scratch.sums + i * width + s, width);
      }
    }
  }
  for (int64_t i = 0; i < rows; ++i) put_row(job, first + i, scratch.sums + i * width);
}

template <class Format> void multiply(const IntegerJob& job) {
  Format format(job.b);
  const StripRows& b = job.b;
  if (job.m <= 2 * kFewRows) {
    for (int64_t j = 0; j < b.n; j += kWidth) {
      const char* strip = strip_from(b, j, 0, b.row_bytes, scratch_at(job.scratch).strip);
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
  for (int64_t i = 0; i < job.m; i += kMaxRows) many_rows(format, job, i, smaller(kMaxRows, job.m - i));
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
    case BlockFormat::iq4_nl: return multiply<IQ4_NL>(job);
    case BlockFormat::mxfp4: return multiply<MXFP4>(job);
    case BlockFormat::q3_k: return multiply<Q3_K>(job);
    case BlockFormat::iq4_xs: return multiply<IQ4_XS>(job);
    case BlockFormat::tq1_0: return multiply<TQ1_0>(job);
    case BlockFormat::tq2_0: return multiply<TQ2_0>(job);
    case BlockFormat::iq1_s: return multiply<IQ1_S>(job);
    case BlockFormat::iq1_m: return multiply<IQ1_M>(job);
    case BlockFormat::iq2_xxs: return multiply<IQ2_XXS>(job);
    case BlockFormat::iq2_xs: return multiply<IQ2_XS>(job);
    case BlockFormat::iq2_s: return multiply<IQ2_S>(job);
    case BlockFormat::iq3_xxs: return multiply<IQ3_XXS>(job);
    case BlockFormat::iq3_s: return multiply<IQ3_S>(job);
    case BlockFormat::f32:
    case BlockFormat::f16:
    case BlockFormat::bf16:
    case BlockFormat::f8_e4m3: break;  // not integers
  }
}

MINKE_INLINE void store_bytes(int8_t* to, vi x) {  // each lane is −128 … 127
#if defined(__AVX512F__)
  _mm_storeu_si128((__m128i*)to, _mm512_maskz_cvtepi32_epi8(0xffff, __m512i(x)));
#else
  for (int l = 0; l < kWidth; ++l) to[l] = int8_t(x[l]);
#endif
}

// Elements e … e + 32 of a row.
constexpr int kVectors = 32 / kWidth;
MINKE_INLINE void load_group(const Matrix& a, const char* row, int64_t e, vf (&x)[kVectors]) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    if (a.col_stride == 1) x[v] = load(row, a.half, e + v * kWidth, kWidth);
    else
      for (int l = 0; l < kWidth; ++l) x[v][l] = load_scalar(row, a.half, (e + v * kWidth + l) * a.col_stride);
  }
}

// `count` groups of a row, at most kWidth: what is of a group is in its lane.
void round_groups(const Matrix& a, const char* row, int64_t first, int count, IntegerGroup* to) {
  constexpr float kMagic = 12582912.0f;  // 1.5·2^23: the integer is in the low bits of the sum
  vf x[kVectors] = {};
  vu most_of[kWidth] = {}, sums_of[2][kWidth] = {};
  for (int g = 0; g < count; ++g) {
    load_group(a, row, (first + g) * 32, x);
    for (int v = 0; v < kVectors; ++v) {  // as integers: an infinity is the largest number, a NaN larger still
      const vu size = vu(x[v]) & 0x7fffffffu;
      most_of[g] = size > most_of[g] ? size : most_of[g];
    }
  }
  const vu most = join_lanes(
      most_of, [](vu p, vu q) __attribute__((always_inline)) { return p > q ? p : q; });
  const vf times = vf(most) >= 0x1p-100f ? 127.0f / vf(most) : vf{};
  const vf scale = vf(most >= 0x7f800000u ? vu{} + 0x7fc00000u : vu(times > 0 ? vf(most) / 127.0f : vf{}));
  for (int g = 0; g < count; ++g) {
    load_group(a, row, (first + g) * 32, x);
    for (int v = 0; v < kVectors; ++v) {
      const vi q = vi(x[v] * times[g] + kMagic) - 0x4b400000;
      store_bytes(to[g].q + v * kWidth, q);
      sums_of[v * kWidth / 16][g] += vu(q);
    }
  }
  const auto plus = [](vu p, vu q) __attribute__((always_inline)) { return p + q; };
  vi sums[3] = {vi(join_lanes(sums_of[0], plus)), vi(join_lanes(sums_of[1], plus)), vi{}};
  sums[2] = sums[0] + sums[1];
  for (int h = 0; h < 3; ++h) {
    const vf sum = scale * to_float(sums[h]);
    const vi zero = vi(vu(sums[h]) * -128u);
    for (int g = 0; g < count; ++g) to[g].sum[h] = sum[g], to[g].zero[h] = zero[g];
  }
  for (int g = 0; g < count; ++g) to[g].scale = scale[g];
}

// Rows begin … end of a: of each 32 elements the largest becomes ±127, ties go to even; where all are below 2^-100, zeros. A NaN
// or an infinity makes the scale NaN.
void round_to_integers(const Matrix& a, int64_t k, IntegerGroup* to, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const char* row = static_cast<const char*>(a.data) + i * a.row_stride * (a.half ? 2 : 4);
    for (int64_t g = 0; g < k / 32; g += kWidth)
      round_groups(a, row, g, int(smaller<int64_t>(kWidth, k / 32 - g)), to + i * row_groups(k) + g);
  }
}

}  // namespace

namespace MINKE_ISA {
void fill_integer_gemm(Kernels& kernels) {
  kernels.strip = kWidth, kernels.strips = kPanels, kernels.max_integer_columns = kMaxColumns;
  kernels.integer_bytes = integer_bytes;
  kernels.round_to_integers = round_to_integers;
  kernels.integer_gemm = integer_gemm;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
