// Products through the tile registers of AMX-BF16 (Intel SDM vol. 1 §18): eight registers of 16 rows × 64 bytes. TDPBF16PS
// multiplies 16 rows of pairs by 16 rows of pairs: of every 16 pairs it sums first and second elements apart, adds the two
// sums, and that to c. A panel's rows of bf16 pairs are what it wants on its right, so packing is that of avx512_bf16.
// Compiled with MINKE_AMX_EMULATED, the registers are arrays and the instructions loops over them: so the arithmetic is tested
// on machines without AMX (tests/support/emulated.h).
// Every c[m,n] is one chain over k in steps of 16 pairs: both sides of a product are zeros up to there.
#pragma once
#include "kernels/cpu/isa/packing.h"

namespace minke::cpu {
namespace {

constexpr int kTile = 16;  // rows of a tile, and its columns of 4 bytes
static_assert(kTile == kTileSteps);

#if defined(MINKE_AMX_EMULATED)
inline __thread float emulated_sums[8][kTile][kTile];
inline __thread uint32_t emulated_pairs[8][kTile][kTile];
MINKE_INLINE void tiles_begin() {}
MINKE_INLINE void tiles_end() {}
template <int t> MINKE_INLINE void tile_zero() { __builtin_memset(emulated_sums[t], 0, sizeof emulated_sums[t]); }
template <int t> MINKE_INLINE void tile_load(const char* p, int64_t row_bytes) {
  for (int r = 0; r < kTile; ++r) __builtin_memcpy(emulated_pairs[t][r], p + r * row_bytes, kTile * 4);
}
template <int t> MINKE_INLINE void tile_load_sums(const char* p, int64_t row_bytes) {
  for (int r = 0; r < kTile; ++r) __builtin_memcpy(emulated_sums[t][r], p + r * row_bytes, kTile * 4);
}
template <int t> MINKE_INLINE void tile_store(char* p, int64_t row_bytes) {
  for (int r = 0; r < kTile; ++r) __builtin_memcpy(p + r * row_bytes, emulated_sums[t][r], kTile * 4);
}
template <int c, int a, int b> MINKE_INLINE void tile_dot() {
  const auto low = [](uint32_t pair) { return __builtin_bit_cast(float, pair << 16); };
  const auto high = [](uint32_t pair) { return __builtin_bit_cast(float, pair & 0xffff0000u); };
  for (int i = 0; i < kTile; ++i)
    for (int j = 0; j < kTile; ++j) {
      float first = 0, second = 0;
      for (int k = 0; k < kTile; ++k) {
        const uint32_t x = emulated_pairs[a][i][k], y = emulated_pairs[b][k][j];
        first = __builtin_fmaf(low(x), low(y), first);
        second = __builtin_fmaf(high(x), high(y), second);
      }
      emulated_sums[c][i][j] += first + second;
    }
}
#else
// In assembly, because the intrinsics of GCC 12 take no template argument for a register.
MINKE_INLINE void tiles_begin() {
  struct {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  static_assert(sizeof config == 64);
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}
MINKE_INLINE void tiles_end() { __asm__ volatile("tilerelease" ::: "memory"); }
template <int t> MINKE_INLINE void tile_zero() { __asm__ volatile("tilezero %%tmm%c0" ::"i"(t)); }
template <int t> MINKE_INLINE void tile_load(const char* p, int64_t row_bytes) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(row_bytes), "i"(t) : "memory");
}
template <int t> MINKE_INLINE void tile_load_sums(const char* p, int64_t row_bytes) { tile_load<t>(p, row_bytes); }
template <int t> MINKE_INLINE void tile_store(char* p, int64_t row_bytes) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(row_bytes), "i"(t) : "memory");
}
template <int c, int a, int b> MINKE_INLINE void tile_dot() {  // AT&T order: right, left, sums
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}
#endif

// The registers are configured while this lives (ldtilecfg takes 100 ns: once a task).
struct TileRegisters {
  TileRegisters() { tiles_begin(); }
  ~TileRegisters() { tiles_end(); }
};

static_assert(kPanel == 2 * kTile);

// Sums in tiles 0 … 3 are increased by products of `row_tiles` × `column_tiles` (1 or 2 each). The left side goes to 4 and 5, the panel to 6 and 7: two
// by two, every tile that is loaded is used twice. each_step() is called with every 16 steps.
template <int row_tiles, int column_tiles, class EachStep = Nothing>
MINKE_INLINE void add_tiles(const char* left, int64_t row_bytes, const char* panel, int64_t steps,
                            EachStep&& each_step = {}) {
  for (int64_t s = 0; s < steps; s += kTile, left += kTile * 4, panel += kTile * kPanel * 4) {
    if constexpr (row_tiles == 1) prefetch_ahead(panel, kTile * kPanel * 4);
    each_step();
    tile_load<4>(left, row_bytes);
    tile_load<6>(panel, kPanel * 4);
    tile_dot<0, 4, 6>();
    if constexpr (column_tiles == 2) {
      tile_load<7>(panel + kTile * 4, kPanel * 4);
      tile_dot<1, 4, 7>();
    }
    if constexpr (row_tiles == 2) {
      tile_load<5>(left + kTile * row_bytes, row_bytes);
      tile_dot<2, 5, 6>();
      if constexpr (column_tiles == 2) tile_dot<3, 5, 7>();
    }
  }
}
template <int row_tiles, int column_tiles, class EachStep = Nothing>
MINKE_INLINE void sum_tiles(const char* left, int64_t row_bytes, const char* panel, int64_t steps,
                            EachStep&& each_step = {}) {
  tile_zero<0>();
  if constexpr (column_tiles == 2) tile_zero<1>();
  if constexpr (row_tiles == 2) tile_zero<2>();
  if constexpr (row_tiles == 2 && column_tiles == 2) tile_zero<3>();
  add_tiles<row_tiles, column_tiles>(left, row_bytes, panel, steps, each_step);
}
template <int row_tiles, int column_tiles> MINKE_INLINE void load_sums(const char* from, int64_t row_bytes) {
  tile_load_sums<0>(from, row_bytes);
  if constexpr (column_tiles == 2) tile_load_sums<1>(from + kTile * 4, row_bytes);
  if constexpr (row_tiles == 2) tile_load_sums<2>(from + kTile * row_bytes, row_bytes);
  if constexpr (row_tiles == 2 && column_tiles == 2) tile_load_sums<3>(from + kTile * row_bytes + kTile * 4, row_bytes);
}
template <int row_tiles, int column_tiles> MINKE_INLINE void store_sums(char* to, int64_t row_bytes) {
  tile_store<0>(to, row_bytes);
  if constexpr (column_tiles == 2) tile_store<1>(to + kTile * 4, row_bytes);
  if constexpr (row_tiles == 2) tile_store<2>(to + kTile * row_bytes, row_bytes);
  if constexpr (row_tiles == 2 && column_tiles == 2) tile_store<3>(to + kTile * row_bytes + kTile * 4, row_bytes);
}

// Rows [first, last) of whole vectors to memory, with what `out` adds. Sums of tiles are never subnormal, so narrow_operand
// loses nothing but subnormal sums with what is added.
template <int vectors> inline void store_rows(const float* sums, int first, int last, const Out& out) {
  for (int r = first; r < last; ++r) {
    char* row = out.data + r * out.row_bytes;
    const char* add = out.add + r * out.add_row_bytes;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      vf x = load_as<vf>(sums + r * kPanel + v * kWidth);
      const vf added = out.add ? load(add, out.add_half, v * kWidth, kWidth) : vf{};
      if (out.scale) x = fma(x, load_as<vf>(out.scale + v * kWidth), added);
      else if (out.add) x = added + x;
      if (out.half) store_as(row + v * kWidth * 2, narrow_operand(x));
      else store_as(row + v * kWidth * 4, x);
    }
  }
}

// out[first … last, n] = these rows of left · panel; the left side has whole tiles of rows, n takes `column_tiles`.
template <int row_tiles, int column_tiles, class EachStep>
inline void multiply_tile(const char* left, int64_t row_bytes, const char* panel, int64_t steps, int first, int last,
                          int64_t n, const Out& out, EachStep&& each_step) {
  sum_tiles<row_tiles, column_tiles>(left, row_bytes, panel, steps, each_step);
  const bool whole = n == column_tiles * kTile;
  if (whole && last - first == row_tiles * kTile && !out.half && !out.add && !out.scale)
    return store_sums<row_tiles, column_tiles>(out.data, out.row_bytes);
  alignas(64) float sums[row_tiles * kTile * kPanel];
  store_sums<row_tiles, column_tiles>(reinterpret_cast<char*>(sums), kPanel * 4);
  if (whole) store_rows<column_tiles>(sums, first, last, out);
  else store_tile(sums + first * kPanel, last - first, n, moved(out, first, 0));
}
template <int row_tiles, class EachStep = Nothing>
inline void multiply_tile(const char* left, int64_t row_bytes, const char* panel, int64_t steps, int first, int last,
                          int64_t n, const Out& out, EachStep&& each_step = {}) {
  if (n <= kTile) multiply_tile<row_tiles, 1>(left, row_bytes, panel, steps, first, last, n, out, each_step);
  else multiply_tile<row_tiles, 2>(left, row_bytes, panel, steps, first, last, n, out, each_step);
}

// out[m, n] = left · panel for one panel, and what `out` adds. The steps of a row of left lie next to each other; steps past
// the last are zeros on both sides up to a multiple of 16. The last rows may overlap those before; where m < 16, what lies
// behind the m rows is read, too, and its sums are left out.
template <class EachStep = Nothing>
inline void multiply_panel_tiles(const Left& left, int64_t m, const char* panel, int64_t steps, int64_t n,
                                 const Out& out, EachStep&& each_step = {}) {
  int64_t i = 0;
  for (; i + 2 * kTile <= m; i += 2 * kTile)
    multiply_tile<2>(left.data + i * left.row_bytes, left.row_bytes, panel, steps, 0, 2 * kTile, n, moved(out, i, 0),
                     each_step);
  for (; i < m; i += kTile) {
    const int64_t begin = smaller(i, larger<int64_t>(m - kTile, 0)), last = smaller<int64_t>(kTile, m - begin);
    multiply_tile<1>(left.data + begin * left.row_bytes, left.row_bytes, panel, steps, int(i - begin), int(last), n,
                     moved(out, begin, 0), each_step);
  }
}

constexpr unsigned kSubnormalsAreZeros = 0x8040;  // FTZ and DAZ of MXCSR
// out[rows, n] = left · panel of codes, for a few rows: what the tiles compute, in f32 registers, where codes need no way
// through memory. As in tiles, subnormal numbers count as zeros.
template <int rows>
inline void multiply_codes_like_tiles(const Left& left, const char* codes, int64_t steps, int64_t n, const Out& out) {
  vf acc[rows][2] = {};
  const unsigned flags = _mm_getcsr();
  _mm_setcsr(flags | kSubnormalsAreZeros);
  for (int64_t s = 0; s < steps; s += kTile) {
    vf first[rows][2] = {}, second[rows][2] = {};
    for (int64_t i = s; i < s + kTile; ++i, codes += 2 * kPanel) {
      prefetch_ahead(codes, 2 * kPanel);
      const vf x[2] = {widen_codes(codes), widen_codes(codes + kWidth)},
               y[2] = {widen_codes(codes + kPanel), widen_codes(codes + kPanel + kWidth)};
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) {
        const vu pair = broadcast_pair(left.data + r * left.row_bytes + i * left.step_bytes);
        const vf low = vf(pair << 16), high = vf(pair & 0xffff0000u);
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v)
          first[r][v] = fma(low, x[v], first[r][v]), second[r][v] = fma(high, y[v], second[r][v]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) acc[r][v] += first[r][v] + second[r][v];
  }
  alignas(64) float sums[rows * kPanel];
  _mm_setcsr(flags);
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) store_as(sums + r * kPanel + v * kWidth, acc[r][v]);
  store_tile(sums, rows, n, out);
}

// sums[m, kPanel] += left · panel; sums and the left side have whole tiles of rows. The chain of additions goes on from what is
// there.
inline void add_panel_tiles(const Left& left, int64_t m, const char* panel, int64_t steps, char* sums,
                            int64_t row_bytes) {
  int64_t i = 0;
  for (; i + kTile < m; i += 2 * kTile) {
    load_sums<2, 2>(sums + i * row_bytes, row_bytes);
    add_tiles<2, 2>(left.data + i * left.row_bytes, left.row_bytes, panel, steps);
    store_sums<2, 2>(sums + i * row_bytes, row_bytes);
  }
  if (i < m) {
    load_sums<1, 2>(sums + i * row_bytes, row_bytes);
    add_tiles<1, 2>(left.data + i * left.row_bytes, left.row_bytes, panel, steps);
    store_sums<1, 2>(sums + i * row_bytes, row_bytes);
  }
}

}  // namespace
}  // namespace minke::cpu
