// The products of this instruction set: packing of both sides and the register-tile kernel (Goto & van de Geijn, BLIS).
// The right-hand side lies in panels of kPanel columns, [steps][kPanel] of 4 bytes: a step is one k in f32, one bf16 pair
// (k, k+1) where VDPBF16PS takes pairs. Without that instruction bf16 operands are multiplied as f32 that were rounded
// when they were packed; only weights wait in memory as pairs, 2 bytes an element, and are widened panel by panel. The
// left-hand side is addressed by strides, so that rows which already are what the kernel reads are not copied. Every
// c[m,n] is one chain of additions over k in order, started at 0 for every block_length of k: tails, tiles and packing
// cannot change its bits. Tests: tests/kernels/cpu_blocks_test.cpp.
#pragma once
#include "kernels/cpu/isa/simd.h"
#include "kernels/cpu/isa/table.h"

namespace minke::cpu {
namespace {

// What operands are when they are multiplied.
enum class Mode {
  f32,
  rounded,  // f32, rounded to bf16
  pairs     // pairs of bf16
};
#if defined(__AVX512BF16__)
constexpr Mode kBf16 = Mode::pairs;  // a product in bf16
#else
constexpr Mode kBf16 = Mode::rounded;
#endif
constexpr int kVectors = kWidth == 16 ? 4 : 2;       // vectors per panel row
constexpr int kPanel = kVectors * kWidth;            // columns
constexpr int kTileRows = 6;                         // rows of the register tile: 24 accumulators (12 in AVX2 and SSE)
constexpr int64_t kMaxTileM = 384, kMaxTileN = 256;  // a task's part of c

constexpr int64_t kBlockSteps = 384;  // of k, at most: a panel is read from the first-level cache

template <Mode mode> constexpr int64_t kPerStep = mode == Mode::pairs ? 2 : 1;
template <Mode mode> constexpr int64_t kBlock = kBlockSteps* kPerStep<mode>;

template <Mode mode> MINKE_INLINE int64_t steps_of(int64_t k) { return (k + kPerStep<mode> - 1) / kPerStep<mode>; }

// The k of a block: as few blocks as can be, of like length, because every block costs its beginning and its end. The
// length depends on k and the mode only.
template <Mode mode> inline int64_t block_length(int64_t k) {
  constexpr int64_t unit = 16 * kPerStep<mode>;  // 16 steps: what packing and the tiles of AMX take at a time
  const int64_t blocks = (k + kBlock<mode> - 1) / kBlock<mode>;
  return blocks <= 1 ? k : ((k + blocks - 1) / blocks + unit - 1) / unit * unit;
}

// Left-hand side: the element of (row, step) is at data + (row / 6)·block + (row % 6)·row_bytes + step·step_bytes.
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
          out.add_half};
}

// A tile of sums to memory where whole vectors do not fit, or bf16 is added.
inline __attribute__((noinline)) void store_tile(const float* tile, int rows, int64_t n, const Out& out) {
  for (int r = 0; r < rows; ++r) {
    char* row = out.data + r * out.row_bytes;
    for (int64_t i = 0; i < n; i += kWidth) {
      const int64_t count = smaller<int64_t>(kWidth, n - i);
      vf x = load_as<vf>(tile + r * kPanel + i);
      if (out.add) x += load(out.add + r * out.add_row_bytes, out.add_half, i, count);
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

template <Mode mode, int rows, int vectors>
void micro(const Left& left, int64_t first_block, const char* panel, int64_t steps, int64_t n, const Out& out) {
  vf acc[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) acc[r][v] = vf{};
  const char* a = left.data + first_block * left.block_bytes;
  const int64_t rb = left.row_bytes, sb = left.step_bytes;
  const char* b = panel;
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) __builtin_prefetch(out.data + r * out.row_bytes, 1);
  for (int64_t s = 0; s < steps; ++s, a += sb, b += kPanel * 4) {
    if constexpr (mode == Mode::pairs) {
#if defined(__AVX512BF16__)
      vu bv[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) bv[v] = load_as<vu>(b + v * kWidth * 4);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        const vu x = broadcast_pair(a + r * rb);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
          acc[r][v] = vf(_mm512_dpbf16_ps(__m512(acc[r][v]), (__m512bh)x, (__m512bh)bv[v]));
      }
#endif
    } else {
      vf bv[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) bv[v] = load_as<vf>(b + v * kWidth * 4);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        const vf x = vf(broadcast_pair(a + r * rb));
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) acc[r][v] = fma(x, bv[v], acc[r][v]);
      }
    }
  }
  if (n == vectors * kWidth && !(out.add && out.add_half)) {
    if (out.add) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
          acc[r][v] = load_as<vf>(out.add + r * out.add_row_bytes + v * kWidth * 4) + acc[r][v];
    }
    if (out.half) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) store_as(out.data + r * out.row_bytes + v * kWidth * 2, narrow(acc[r][v]));
    } else {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) store_as(out.data + r * out.row_bytes + v * kWidth * 4, acc[r][v]);
    }
    return;
  }
  alignas(64) float tile[kTileRows * kPanel];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) store_as(tile + r * kPanel + v * kWidth, acc[r][v]);
  store_tile(tile, rows, n, out);
}

using Micro = void (*)(const Left&, int64_t, const char*, int64_t, int64_t, const Out&);

template <Mode mode, int vectors> inline Micro micro_of_rows(int64_t rows) {
  switch (rows) {
    case 1: return micro<mode, 1, vectors>;
    case 2: return micro<mode, 2, vectors>;
    case 3: return micro<mode, 3, vectors>;
    case 4: return micro<mode, 4, vectors>;
    case 5: return micro<mode, 5, vectors>;
    default: return micro<mode, 6, vectors>;
  }
}
template <Mode mode> inline Micro micro_for(int64_t rows, int64_t n) {
  switch ((n + kWidth - 1) / kWidth) {
    case 1: return micro_of_rows<mode, 1>(rows);
    case 2: return micro_of_rows<mode, 2>(rows);
#if defined(__AVX512F__)
    case 3: return micro_of_rows<mode, 3>(rows);
    default: return micro_of_rows<mode, 4>(rows);
#else
    default: return micro_of_rows<mode, 2>(rows);
#endif
  }
}

// out[m, n] = left · panel for one panel (n <= kPanel), and what `out` adds.
template <Mode mode>
inline void multiply_panel(const Left& left, int64_t m, const char* panel, int64_t steps, int64_t n, const Out& out) {
  const int64_t blocks = m / kTileRows, rest = m % kTileRows;
  const Micro whole = micro_for<mode>(kTileRows, n);
  for (int64_t i = 0; i < blocks; ++i) whole(left, i, panel, steps, n, moved(out, i * kTileRows, 0));
  if (rest) micro_for<mode>(rest, n)(left, blocks, panel, steps, n, moved(out, blocks * kTileRows, 0));
}

// out[m, n] = left · panels, the panels panel_bytes apart.
template <Mode mode>
inline void multiply(const Left& left, int64_t m, const char* panels, int64_t panel_bytes, int64_t steps, int64_t n,
                     const Out& out) {
  for (int64_t j = 0; j < n; j += kPanel, panels += panel_bytes)
    multiply_panel<mode>(left, m, panels, steps, smaller<int64_t>(kPanel, n - j), moved(out, 0, j));
}

// ---- packing --------------------------------------------------------------------------------------------------------
struct Source {  // element (i, j) at data + i·row_stride + j·col_stride
  const void* data;
  bool half;
  int64_t row_stride, col_stride;
};
MINKE_INLINE const void* address(const Source& s, int64_t i, int64_t j) {
  return static_cast<const char*>(s.data) + (i * s.row_stride + j * s.col_stride) * (s.half ? 2 : 4);
}
MINKE_INLINE Source moved(const Source& s, int64_t i, int64_t j) {
  return {address(s, i, j), s.half, s.row_stride, s.col_stride};
}
MINKE_INLINE Source swapped(const Source& s) { return {s.data, s.half, s.col_stride, s.row_stride}; }

MINKE_INLINE vh halves(const void* row, int64_t j, int64_t n) {
  const uint16_t* p = static_cast<const uint16_t*>(row) + j;
  return n == kWidth ? load_as<vh>(p) : load_half(p, n);
}

// Steps that packing asks for ahead of time: every row is a new stream, which the hardware sees too late.
constexpr int64_t kAhead = 12, kRowsAhead = 4;

// n elements of a row as f32, rounded where the mode says so.
template <Mode mode> MINKE_INLINE vu element(const void* row, bool half, int64_t j, int64_t n) {
  const vf x = load(row, half, j, n);
  return vu(mode == Mode::rounded && !half ? round_bf16(x) : x);
}

// Lanes: the kPerStep elements of k, k+1 in columns j …; both rows contiguous along the lanes. valid2: row k+1 exists.
template <Mode mode>
MINKE_INLINE vu interleave(const void* row0, const void* row1, bool half, int64_t j, int64_t n, bool valid2) {
  if constexpr (mode != Mode::pairs) {
    return element<mode>(row0, half, j, n);
  } else if (half) {
    const vu low = extend(halves(row0, j, n));
    return valid2 ? low | extend(halves(row1, j, n)) << 16 : low;
  } else {
    return pair_bf16(load(row0, false, j, n), valid2 ? load(row1, false, j, n) : vf{});
  }
}

// The n <= kWidth steps from k on of one line that is contiguous along k; left elements k … end exist.
template <Mode mode> MINKE_INLINE vu along_k(const void* line, bool half, int64_t k, int64_t end) {
  if constexpr (mode != Mode::pairs) {
    return element<mode>(line, half, k, smaller<int64_t>(kWidth, end - k));
  } else {
    const int64_t left = end - k;
    if (half && left >= 2 * kWidth) return load_as<vu>(static_cast<const uint16_t*>(line) + k);
    uint16_t t[2 * kWidth] = {};
    if (half) {
      for (int64_t i = 0; i < smaller<int64_t>(left, 2 * kWidth); ++i) t[i] = static_cast<const uint16_t*>(line)[k + i];
    } else {
      store_as(t, narrow_operand(load(line, false, k, smaller<int64_t>(kWidth, left))));
      if (left > kWidth)
        store_as(t + kWidth, narrow_operand(load(line, false, k + kWidth, smaller<int64_t>(kWidth, left - kWidth))));
    }
    return load_as<vu>(t);
  }
}

template <Mode mode>
MINKE_INLINE uint32_t one_step(const Source& s, int64_t i, int64_t k, int64_t end) {  // element (i, k …) of any strides
  const float x = load_scalar(address(s, i, k), s.half, 0);
  if constexpr (mode == Mode::f32) return __builtin_bit_cast(uint32_t, x);
  if constexpr (mode == Mode::rounded) return uint32_t(narrow_scalar(x)) << 16;
  const float y = k + 1 < end ? load_scalar(address(s, i, k + 1), s.half, 0) : 0.0f;
  return uint32_t(narrow_scalar(x)) | uint32_t(narrow_scalar(y)) << 16;
}

// The row at p and, in pairs, the one after it.
template <Mode mode> MINKE_INLINE void prefetch_rows(const void* p, const Source& rows, int64_t n) {
  const int64_t size = rows.half ? 2 : 4, next = rows.row_stride * size;
  const char* line = static_cast<const char*>(p);
  for (int64_t i = 0; i < n * size; i += 64) {
    __builtin_prefetch(line + i);
    if (mode == Mode::pairs) __builtin_prefetch(line + i + next);
  }
}

// b[k, n] with rows that are contiguous along n: row by row over all panels, so that memory is read in order.
template <Mode mode> inline void pack_rows(const Source& b, int64_t k, int64_t n, char* panels, int64_t panel_bytes) {
  const int64_t steps = steps_of<mode>(k);
  for (int64_t s = 0; s < steps; ++s) {
    const int64_t k0 = s * kPerStep<mode>;
    const bool valid2 = k0 + 1 < k;
    const void* row0 = address(b, k0, 0);
    const void* row1 = valid2 ? address(b, k0 + 1, 0) : row0;
    char* dst = panels + s * kPanel * 4;
    if (k0 + kAhead * kPerStep<mode> < k) prefetch_rows<mode>(address(b, k0 + kAhead * kPerStep<mode>, 0), b, n);
    int64_t j = 0;
    for (; j + kPanel <= n; j += kPanel, dst += panel_bytes)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        store_as(dst + v * kWidth * 4, interleave<mode>(row0, row1, b.half, j + v * kWidth, kWidth, valid2));
    for (int v = 0; j < n && v < kVectors; ++v) {
      const int64_t count = smaller<int64_t>(kWidth, n - j - v * kWidth);
      const vu x = count <= 0 ? vu{} : interleave<mode>(row0, row1, b.half, j + v * kWidth, count, valid2);
      store_as(dst + v * kWidth * 4, x);
    }
  }
}

// One panel of b[k, n] (rows k): [steps][kPanel], missing columns and an odd last k are zeros.
template <Mode mode> inline void pack_panel(const Source& b, int64_t k, int64_t n, char* panel) {
  if (b.col_stride == 1) return pack_rows<mode>(b, k, n, panel, 0);
  const int64_t steps = steps_of<mode>(k);
  uint32_t* dst = reinterpret_cast<uint32_t*>(panel);
  if (b.row_stride == 1) {
    for (int64_t s = 0; s < steps; s += kWidth) {
      const int64_t count = smaller<int64_t>(kWidth, steps - s);
      for (int64_t v = 0; v < kVectors; ++v) {
        vu x[kWidth];
        for (int64_t i = 0; i < kWidth; ++i) {
          const int64_t j = v * kWidth + i;
          x[i] = j < n ? along_k<mode>(address(b, 0, j), b.half, s * kPerStep<mode>, k) : vu{};
        }
        transpose(x);
        for (int64_t i = 0; i < count; ++i) store_as(dst + (s + i) * kPanel + v * kWidth, x[i]);
      }
    }
    return;
  }
  const Source t = swapped(b);
  for (int64_t s = 0; s < steps; ++s)
    for (int64_t j = 0; j < kPanel; ++j) dst[s * kPanel + j] = j < n ? one_step<mode>(t, j, s * kPerStep<mode>, k) : 0;
}

// All panels of b[k, n], panel_bytes apart.
template <Mode mode> inline void pack_panels(const Source& b, int64_t k, int64_t n, char* panels, int64_t panel_bytes) {
  if (b.col_stride == 1) return pack_rows<mode>(b, k, n, panels, panel_bytes);
  for (int64_t j = 0; j < n; j += kPanel, panels += panel_bytes)
    pack_panel<mode>(moved(b, 0, j), k, smaller<int64_t>(kPanel, n - j), panels);
}

// k steps of a panel of pairs as f32, two rows from one.
inline void widen_panel(const char* pairs, int64_t k, char* panel) {
  for (int64_t s = 0; s < k; s += 2, pairs += kPanel * 4, panel += 2 * kPanel * 4)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const vu both = load_as<vu>(pairs + v * kWidth * 4);
      store_as(panel + v * kWidth * 4, both << 16);
      store_as(panel + (kPanel + v * kWidth) * 4, both & 0xffff0000u);
    }
}

// a[m, k] as a left-hand side: in place where its elements already are what the kernel reads, else packed into buffer
// (left_bytes). Elements past an odd k are zeros.
template <Mode mode> inline int64_t left_bytes(int64_t m, int64_t k) {
  return (m + kTileRows - 1) / kTileRows * kTileRows * (steps_of<mode>(k) + kWidth) * 4;
}
template <Mode mode> MINKE_INLINE bool in_place(const Source& a, int64_t k) {
  if (mode == Mode::f32) return !a.half && a.col_stride == 1;
  return mode == Mode::pairs && a.half && a.col_stride == 1 && k % 2 == 0;
}
template <Mode mode> inline Left pack_left(const Source& a, int64_t m, int64_t k, char* buffer) {
  if (in_place<mode>(a, k)) return plain_left(a.data, a.row_stride * (a.half ? 2 : 4), 4);
  const int64_t steps = steps_of<mode>(k);
  if (a.row_stride == 1 && m > 1) {                          // [block][step][6]
    const int64_t block_bytes = steps * kTileRows * 4 + 64;  // no power of two: the blocks' lines share no cache set
    const Left left{buffer, 4, kTileRows * 4, block_bytes};
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t k0 = s * kPerStep<mode>;
      const bool valid2 = k0 + 1 < k;
      const void* row0 = address(a, 0, k0);
      const void* row1 = valid2 ? address(a, 0, k0 + 1) : row0;
      if (k0 + kAhead * kPerStep<mode> < k)
        prefetch_rows<mode>(address(a, 0, k0 + kAhead * kPerStep<mode>), swapped(a), m);
      // Whole vectors, or halves: what they write past the six is written again by the next step.
      char* dst = buffer + s * kTileRows * 4;
      for (int64_t i = 0; i < m; i += kTileRows, dst += block_bytes)
        for (int64_t v = 0; v < smaller<int64_t>(kTileRows, m - i); v += kWidth) {
          const int64_t count = smaller<int64_t>(kWidth, m - i - v);
          const vu x = interleave<mode>(row0, row1, a.half, i + v, count, valid2);
#if defined(__AVX512F__)
          store_as(dst, __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7));
#else
          store_as(dst + v * 4, x);
#endif
        }
    }
    return left;
  }
  const int64_t row_bytes = (steps + kWidth) * 4;  // whole vectors may be stored past the end
  for (int64_t i = 0; i < m; ++i) {
    char* dst = buffer + i * row_bytes;
    if (a.col_stride == 1) {
      if (i + kRowsAhead < m) prefetch_rows<Mode::f32>(address(a, i + kRowsAhead, 0), a, k);
      for (int64_t s = 0; s < steps; s += kWidth)
        store_as(dst + s * 4, along_k<mode>(address(a, i, 0), a.half, s * kPerStep<mode>, k));
    } else {
      for (int64_t s = 0; s < steps; ++s) store_as(dst + s * 4, one_step<mode>(a, i, s * kPerStep<mode>, k));
    }
  }
  return plain_left(buffer, row_bytes, 4);
}

}  // namespace
}  // namespace minke::cpu
