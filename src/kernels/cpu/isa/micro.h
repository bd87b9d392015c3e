// The products of this instruction set: the register-tile kernel (Goto & van de Geijn, BLIS); packing is in packing.h.
// The right-hand side lies in panels of kPanel columns, [steps][kPanel] of 4 bytes: a step is one k in f32, one bf16 pair
// (k, k+1) where VDPBF16PS takes pairs. Without that instruction bf16 operands are multiplied as f32 that were rounded
// when they were packed; only weights wait in memory as pairs, 2 bytes an element, and are widened panel by panel. The
// left-hand side is addressed by strides, so that rows which already are what the kernel reads are not copied. Every
// c[m,n] is one chain of additions over k in order, started at 0 for every block_length of k: tails, tiles and packing
// cannot change its bits. Tests: tests/kernels/cpu_blocks_test.cpp.
#pragma once
#include "kernels/cpu/isa/e4m3.h"
#include "kernels/cpu/isa/kernels.h"

namespace minke::cpu {
namespace {

struct Nothing {
  MINKE_INLINE void operator()() const {}
};

// What operands are when they are multiplied.
enum class Mode {
  f32,
  rounded,  // f32, rounded to bf16
  pairs,    // pairs of bf16
  // The right side becomes f32 in registers, which pays for a few rows; the left is f32 or rounded.
  widened,  // pairs of bf16
  codes     // bytes, E4M3 (e4m3.h)
};
#if defined(__AVX512BF16__)
constexpr Mode kBf16 = Mode::pairs;  // a product in bf16
#else
constexpr Mode kBf16 = Mode::rounded;
#endif
// Vectors per panel row, and rows of the register tile: 24 accumulators in AVX-512, 12 in AVX2 and SSE.
#if defined(MINKE_AMX)
constexpr int kVectors = 2, kTileRows = 12;  // two tiles to a panel; products in f32 only
#else
constexpr int kVectors = kWidth == 16 ? 4 : 2, kTileRows = 6;
#endif
constexpr int kPanel = kVectors * kWidth;            // columns
constexpr int64_t kMaxTileM = 384, kMaxTileN = 256;  // a task's part of c

constexpr int64_t kBlockSteps = 384;  // of k, at most: a panel is read from the first-level cache

template <Mode mode> constexpr int64_t kPerStep = mode == Mode::pairs ? 2 : 1;
template <Mode mode> constexpr int64_t kBlock = kBlockSteps* kPerStep<mode>;

template <Mode mode> MINKE_INLINE int64_t steps_of(int64_t k) { return (k + kPerStep<mode> - 1) / kPerStep<mode>; }

// Tiles (tiles.h) take pairs in 16 rows and 16 steps at a time: packed operands have zeros up to there.
#if defined(MINKE_AMX)
constexpr int64_t kTileSteps = 16;
template <Mode mode> constexpr bool kInTiles = mode == Mode::pairs;
#else
constexpr int64_t kTileSteps = 1;
template <Mode mode> constexpr bool kInTiles = false;
#endif
template <Mode mode> constexpr int64_t kRowUnit = kInTiles<mode> ? 16 : kTileRows;  // rows of a register tile
template <Mode mode> MINKE_INLINE int64_t whole_steps_of(int64_t k) {
  const int64_t unit = kInTiles<mode> ? kTileSteps : 1;
  return (steps_of<mode>(k) + unit - 1) / unit * unit;
}

// The k of a block: as few blocks as can be, of like length, because every block costs its beginning and its end. The
// length depends on k and the mode only.
template <Mode mode> inline int64_t block_length(int64_t k) {
  constexpr int64_t unit = 16 * kPerStep<mode>;  // 16 steps: what packing and the tiles of AMX take at a time
  const int64_t blocks = (k + kBlock<mode> - 1) / kBlock<mode>;
  return blocks <= 1 ? k : ((k + blocks - 1) / blocks + unit - 1) / unit * unit;
}

// Left-hand side: the element of (row, step) is at data + (row / kTileRows)·block + (row % kTileRows)·row_bytes
// + step·step_bytes.
struct Left {
  const char* data;
  int64_t row_bytes, step_bytes, block_bytes;
};
MINKE_INLINE Left plain_left(const void* data, int64_t row_bytes, int64_t step_bytes) {
  return {static_cast<const char*>(data), row_bytes, step_bytes, row_bytes * kTileRows};
}
MINKE_INLINE Left rows_from(const Left& left, int64_t row) {  // row: a multiple of kTileRows
  return {left.data + row / kTileRows * left.block_bytes, left.row_bytes, left.step_bytes, left.block_bytes};
}

struct Out {
  char* data;
  int64_t row_bytes;
  bool half;
  const char* add = nullptr;  // rows that are added to the products; null: none
  int64_t add_row_bytes = 0;
  bool add_half = false;
  const float* scale = nullptr;  // [kPanel]: the products of a column are multiplied with it; null: as they are
};
MINKE_INLINE Out added_to(Out out, bool add) {  // to what is there
  if (add) out.add = out.data, out.add_row_bytes = out.row_bytes, out.add_half = out.half;
  return out;
}
MINKE_INLINE Out moved(const Out& out, int64_t i, int64_t j) {
  const char* add = out.add ? out.add + i * out.add_row_bytes + j * (out.add_half ? 2 : 4) : nullptr;
  return {out.data + i * out.row_bytes + j * (out.half ? 2 : 4),
          out.row_bytes,
          out.half,
          add,
          out.add_row_bytes,
          out.add_half,
          out.scale ? out.scale + j : nullptr};
}

// A tile of sums to memory where whole vectors do not fit, or bf16 is added.
inline __attribute__((noinline)) void store_tile(const float* tile, int rows, int64_t n, const Out& out) {
  for (int r = 0; r < rows; ++r) {
    char* row = out.data + r * out.row_bytes;
    for (int64_t i = 0; i < n; i += kWidth) {
      const int64_t count = smaller<int64_t>(kWidth, n - i);
      vf x = load_as<vf>(tile + r * kPanel + i);
      const vf add = out.add ? load(out.add + r * out.add_row_bytes, out.add_half, i, count) : vf{};
      if (out.scale) x = fma(x, load_as<vf>(out.scale + i), add);
      else if (out.add) x += add;
      store(row, out.half, i, count, x);
    }
  }
}

MINKE_INLINE vu broadcast_pair(const char* p) {
#if defined(__AVX512F__)
  return vu(_mm512_set1_epi32(load_as<int32_t>(p)));
#else
  return splat_u(load_as<uint32_t>(p));
#endif
}

template <Mode mode> MINKE_INLINE vf multiply_add(vu x, vu y, vf sum) {
#if defined(__AVX512BF16__)
  if constexpr (mode == Mode::pairs) return vf(_mm512_dpbf16_ps(__m512(sum), (__m512bh)x, (__m512bh)y));
#endif
  return fma(vf(x), vf(y), sum);
}

// streamed: the panel comes from memory, and is asked for ahead of time.
template <Mode mode, int rows, int vectors, bool streamed>
void micro(const Left& left, int64_t first_block, const char* panel, int64_t steps, int64_t n, const Out& out) {
  vf acc[rows][vectors];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) acc[r][v] = vf{};
  // Three rows to a pointer: p, p + rb and p + 2·rb are addresses of one instruction each, and twelve
  // pointers would not fit the registers.
  constexpr int kPointers = (rows + 2) / 3;
  const int64_t rb = left.row_bytes, sb = left.step_bytes;
  const char* a[kPointers];
  for (int i = 0; i < kPointers; ++i) a[i] = left.data + first_block * left.block_bytes + 3 * i * rb;
  const char* b = panel;
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) __builtin_prefetch(out.data + r * out.row_bytes, 1);
  const auto add_step = [&](const vf(&bv)[vectors]) {
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      const vf x = vf(broadcast_pair(a[r / 3] + r % 3 * rb));
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) acc[r][v] = fma(x, bv[v], acc[r][v]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kPointers; ++i) a[i] += sb;
  };
  constexpr int64_t kStepBytes = kPanel * (mode == Mode::codes ? 1 : 4);
  for (int64_t s = 0; s < steps; ++s, b += kStepBytes) {
    if constexpr (streamed) prefetch_ahead(b, kStepBytes);
    if constexpr (mode == Mode::pairs) {
#if defined(__AVX512BF16__)
      vu bv[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) bv[v] = load_as<vu>(b + v * kWidth * 4);
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r) {
        const vu x = broadcast_pair(a[r / 3] + r % 3 * rb);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) acc[r][v] = multiply_add<mode>(x, bv[v], acc[r][v]);
      }
#pragma GCC unroll 4
      for (int i = 0; i < kPointers; ++i) a[i] += sb;
#endif
    } else if constexpr (mode == Mode::widened) {
      vu both[vectors];
      vf bv[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) both[v] = load_as<vu>(b + v * kWidth * 4), bv[v] = vf(both[v] << 16);
      add_step(bv);
      if (++s == steps) break;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) bv[v] = vf(both[v] & 0xffff0000u);
      add_step(bv);
    } else if constexpr (mode == Mode::codes) {
      vf bv[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) bv[v] = widen_codes(b + v * kWidth);
      add_step(bv);
    } else {
      vf bv[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) bv[v] = load_as<vf>(b + v * kWidth * 4);
      add_step(bv);
    }
  }
  if (n == vectors * kWidth && !(out.add && out.add_half)) {
    if (out.scale) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        const vf scale = load_as<vf>(out.scale + v * kWidth);
#pragma GCC unroll 12
        for (int r = 0; r < rows; ++r)
          acc[r][v] =
              fma(acc[r][v], scale, out.add ? load_as<vf>(out.add + r * out.add_row_bytes + v * kWidth * 4) : vf{});
      }
    } else if (out.add) {
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
          acc[r][v] = load_as<vf>(out.add + r * out.add_row_bytes + v * kWidth * 4) + acc[r][v];
    }
    if (out.half) {
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) store_as(out.data + r * out.row_bytes + v * kWidth * 2, narrow(acc[r][v]));
    } else {
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) store_as(out.data + r * out.row_bytes + v * kWidth * 4, acc[r][v]);
    }
    return;
  }
  alignas(64) float tile[rows * kPanel];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) store_as(tile + r * kPanel + v * kWidth, acc[r][v]);
  store_tile(tile, rows, n, out);
}

using Micro = void (*)(const Left&, int64_t, const char*, int64_t, int64_t, const Out&);

template <Mode mode, int vectors, bool streamed, int rows = kTileRows> inline Micro micro_of_rows(int64_t wanted) {
  if constexpr (rows > 1)
    if (wanted < rows) return micro_of_rows<mode, vectors, streamed, rows - 1>(wanted);
  return micro<mode, rows, vectors, streamed>;
}
template <Mode mode, bool streamed = false, int vectors = kVectors> inline Micro micro_for(int64_t rows, int64_t n) {
  if constexpr (vectors > 1)
    if (n <= (vectors - 1) * kWidth) return micro_for<mode, streamed, vectors - 1>(rows, n);
  return micro_of_rows < mode, vectors, streamed && vectors == kVectors > (rows);
}

// out[m, n] = left · panel for one panel (n <= kPanel), and what `out` adds. streamed: the first rows find it in memory.
template <Mode mode, bool streamed = false>
inline void multiply_panel(const Left& left, int64_t m, const char* panel, int64_t steps, int64_t n, const Out& out) {
  for (int64_t i = 0; i < m; i += kTileRows) {
    const int64_t rows = smaller<int64_t>(kTileRows, m - i);
    const Micro block = streamed && i == 0 ? micro_for<mode, true>(rows, n) : micro_for<mode>(rows, n);
    block(left, i / kTileRows, panel, steps, n, moved(out, i, 0));
  }
}

// out[m, n] = left · panels, the panels panel_bytes apart.
template <Mode mode>
inline void multiply(const Left& left, int64_t m, const char* panels, int64_t panel_bytes, int64_t steps, int64_t n,
                     const Out& out) {
  for (int64_t j = 0; j < n; j += kPanel, panels += panel_bytes)
    multiply_panel<mode>(left, m, panels, steps, smaller<int64_t>(kPanel, n - j), moved(out, 0, j));
}

}  // namespace
}  // namespace minke::cpu
