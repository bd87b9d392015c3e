// Products through the tile registers of AMX-BF16 (Intel SDM vol. 1 §18, TDPBF16PS): eight registers of 16 rows × 64 bytes.
// A panel's rows of bf16 pairs are what TDPBF16PS wants on its right, so packed weights are those of avx512_bf16.
// Compiled with MINKE_AMX_EMULATED, the registers are arrays and the instructions loops over them: so the arithmetic is tested
// on machines without AMX (tests/support/emulated.h); what that cannot test are the encodings below.
// Every c[m,n] is one chain over k as elsewhere: whole steps of 16 pairs in tiles, the rest by micro().
#pragma once
#include "kernels/cpu/isa/packing.h"

namespace minke::cpu {
namespace {

constexpr int kTile = 16;  // rows of a tile, and its columns of 4 bytes

#if defined(MINKE_AMX_EMULATED)
inline __thread uint32_t emulated_tiles[8][kTile][kTile];
MINKE_INLINE void tiles_begin() {}
MINKE_INLINE void tiles_end() {}
template <int t> MINKE_INLINE void tile_zero() { __builtin_memset(emulated_tiles[t], 0, sizeof emulated_tiles[t]); }
template <int t> MINKE_INLINE void tile_load(const char* p, int64_t row_bytes) {
  for (int r = 0; r < kTile; ++r) __builtin_memcpy(emulated_tiles[t][r], p + r * row_bytes, kTile * 4);
}
template <int t> MINKE_INLINE void tile_store(char* p, int64_t row_bytes) {
  for (int r = 0; r < kTile; ++r) __builtin_memcpy(p + r * row_bytes, emulated_tiles[t][r], kTile * 4);
}
template <int c, int a, int b> MINKE_INLINE void tile_dot() {
  const auto f32 = [](uint32_t bits) { return __builtin_bit_cast(float, bits); };
  for (int i = 0; i < kTile; ++i)
    for (int k = 0; k < kTile; ++k)
      for (int j = 0; j < kTile; ++j) {
        const uint32_t x = emulated_tiles[a][i][k], y = emulated_tiles[b][k][j];
        float sum = f32(emulated_tiles[c][i][j]);
        sum = __builtin_fmaf(f32(x << 16), f32(y << 16), sum);
        sum = __builtin_fmaf(f32(x & 0xffff0000u), f32(y & 0xffff0000u), sum);
        emulated_tiles[c][i][j] = __builtin_bit_cast(uint32_t, sum);
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
template <int t> MINKE_INLINE void tile_store(char* p, int64_t row_bytes) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(row_bytes), "i"(t) : "memory");
}
template <int c, int a, int b> MINKE_INLINE void tile_dot() {  // AT&T order: right, left, sums
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}
#endif

constexpr int kPanelTiles = kPanel / kTile;  // sums of 16 rows of a panel: tiles 0 … 3
static_assert(kPanel % kTile == 0 && 1 <= kPanelTiles && kPanelTiles <= 4);

// Tile 4 holds 16 rows of the left side; 5, 6, 7 take turns for the panel.
template <int column = 0> MINKE_INLINE void dot_panel(const char* panel) {
  constexpr int right = 5 + column % 3;
  tile_load<right>(panel + column * kTile * 4, kPanel * 4);
  tile_dot<column, 4, right>();
  if constexpr (column + 1 < kPanelTiles) dot_panel<column + 1>(panel);
}
template <int column = 0> MINKE_INLINE void zero_sums() {
  tile_zero<column>();
  if constexpr (column + 1 < kPanelTiles) zero_sums<column + 1>();
}
template <int column = 0> MINKE_INLINE void store_sums_of(float* sums) {
  tile_store<column>(reinterpret_cast<char*>(sums + column * kTile), kPanel * 4);
  if constexpr (column + 1 < kPanelTiles) store_sums_of<column + 1>(sums);
}

// out[m, n] (+)= left · panel for one panel; the steps of a row of left lie next to each other.
inline void multiply_panel_tiles(const Left& left, int64_t m, const char* panel, int64_t steps, int64_t n,
                                 const Out& out) {
  const int64_t whole = steps / kTile * kTile;
  alignas(64) float sums[kTile * kPanel];
  alignas(64) char padded[kTile * kBlockSteps * 4];
  for (int64_t i = 0; i < m; i += kTile) {
    const int64_t rows = smaller<int64_t>(kTile, m - i);
    Left a = plain_left(left.data + i * left.row_bytes, left.row_bytes, 4);
    if (rows < kTile) {  // tiles read 16 rows
      for (int64_t r = 0; r < rows; ++r)
        __builtin_memcpy(padded + r * kBlockSteps * 4, a.data + r * a.row_bytes, size_t(steps) * 4);
      __builtin_memset(padded + rows * kBlockSteps * 4, 0, size_t(kTile - rows) * kBlockSteps * 4);
      a = plain_left(padded, kBlockSteps * 4, 4);
    }
    if (whole) {
      zero_sums();
      for (int64_t s = 0; s < whole; s += kTile) {
        tile_load<4>(a.data + s * 4, a.row_bytes);
        dot_panel(panel + s * kPanel * 4);
      }
      store_sums_of(sums);
    }
    if (whole < steps || !whole) {
      a.data += whole * 4;
      multiply_panel<Mode::pairs>(a, kTile, panel + whole * kPanel * 4, steps - whole, kPanel,
                                  added_to({reinterpret_cast<char*>(sums), kPanel * 4, false}, whole > 0));
    }
    store_tile(sums, int(rows), n, moved(out, i, 0));
  }
}

// a[m, k] with rows next to each other in memory, as rows of steps.
inline Left pack_left_rows(const Source& a, int64_t m, int64_t k, char* buffer) {
  const int64_t steps = steps_of<Mode::pairs>(k), row_bytes = (steps + kWidth) * 4;
  for (int64_t s = 0; s < steps; s += kWidth)
    for (int64_t i = 0; i < m; i += kWidth) {
      const int64_t count = smaller<int64_t>(kWidth, m - i);
      vu x[kWidth] = {};
      for (int64_t t = 0; t < smaller<int64_t>(kWidth, steps - s); ++t) {
        const int64_t k0 = 2 * (s + t);
        const bool valid2 = k0 + 1 < k;
        const void* row0 = address(a, 0, k0);
        x[t] = interleave<Mode::pairs>(row0, valid2 ? address(a, 0, k0 + 1) : row0, a.half, i, count, valid2);
      }
      transpose(x);
      for (int64_t r = 0; r < count; ++r) store_as(buffer + (i + r) * row_bytes + s * 4, x[r]);
    }
  return plain_left(buffer, row_bytes, 4);
}

}  // namespace
}  // namespace minke::cpu
