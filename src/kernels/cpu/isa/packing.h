// Packing of both sides of a product into what the register-tile kernel of micro.h reads: panels on the right, rows or
// blocks of kTileRows rows on the left.
#pragma once
#include "kernels/cpu/isa/micro.h"

namespace minke::cpu {
namespace {

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

// Steps of k, and rows of the left side, that packing asks for ahead of time: every row is a new stream, which the hardware
// sees too late.
constexpr int64_t kStepsAhead = 12, kRowsAhead = 4;

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

MINKE_INLINE void prefetch_row(const char* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
}
// The row at p and, in pairs, the one after it.
template <Mode mode> MINKE_INLINE void prefetch_rows(const void* p, const Source& rows, int64_t n) {
  const int64_t size = rows.half ? 2 : 4;
  prefetch_row(static_cast<const char*>(p), n * size);
  if (mode == Mode::pairs) prefetch_row(static_cast<const char*>(p) + rows.row_stride * size, n * size);
}

// The steps of a panel after those of k, up to what tiles take at a time.
template <Mode mode> MINKE_INLINE void zero_rest(char* panel, int64_t k) {
  const int64_t steps = steps_of<mode>(k), whole = whole_steps_of<mode>(k);
  if (steps < whole) __builtin_memset(panel + steps * kPanel * 4, 0, size_t(whole - steps) * kPanel * 4);
}

// b[k, n] with rows that are contiguous along n: row by row over all panels, so that memory is read in order. each_step() is
// called with every step.
template <Mode mode, class EachStep = Nothing>
inline void pack_rows(const Source& b, int64_t k, int64_t n, char* panels, int64_t panel_bytes,
                      EachStep&& each_step = {}) {
  const int64_t steps = steps_of<mode>(k);
  for (int64_t s = 0; s < steps; ++s) {
    each_step();
    const int64_t k0 = s * kPerStep<mode>;
    const bool valid2 = k0 + 1 < k;
    const void* row0 = address(b, k0, 0);
    const void* row1 = valid2 ? address(b, k0 + 1, 0) : row0;
    char* dst = panels + s * kPanel * 4;
    if (k0 + kStepsAhead * kPerStep<mode> < k)
      prefetch_rows<mode>(address(b, k0 + kStepsAhead * kPerStep<mode>, 0), b, n);
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
  for (int64_t j = 0; j < n; j += kPanel, panels += panel_bytes) zero_rest<mode>(panels, k);
}

// One panel of b[k, n] (rows k): [steps][kPanel], missing columns and an odd last k are zeros.
template <Mode mode> inline void pack_panel(const Source& b, int64_t k, int64_t n, char* panel) {
  if (b.col_stride == 1) return pack_rows<mode>(b, k, n, panel, 0);
  const int64_t steps = steps_of<mode>(k);
  uint32_t* dst = reinterpret_cast<uint32_t*>(panel);
  zero_rest<mode>(panel, k);
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
  for (int64_t s = 0; s < k; s += 2, pairs += kPanel * 4, panel += 2 * kPanel * 4) {
    prefetch_ahead(pairs, kPanel * 4);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const vu both = load_as<vu>(pairs + v * kWidth * 4);
      store_as(panel + v * kWidth * 4, both << 16);
      store_as(panel + (kPanel + v * kWidth) * 4, both & 0xffff0000u);
    }
  }
}

// k steps of a panel of codes (e4m3.h) as what a product in this mode multiplies.
template <Mode mode> inline void widen_panel_of_codes(const char* codes, int64_t k, char* panel) {
  const int64_t steps = steps_of<mode>(k);
  for (int64_t s = 0; s < steps; ++s, panel += kPanel * 4, codes += kPerStep<mode> * kPanel) {
    prefetch_ahead(codes, kPerStep<mode> * kPanel);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      vu x = vu(widen_codes(codes + v * kWidth));
      if constexpr (mode == Mode::pairs) {  // exact: bf16 holds every value
        x >>= 16;
        if (2 * s + 1 < k) x |= vu(widen_codes(codes + kPanel + v * kWidth)) & 0xffff0000u;
      }
      store_as(panel + v * kWidth * 4, x);
    }
  }
  if (steps < whole_steps_of<mode>(k)) __builtin_memset(panel, 0, size_t(whole_steps_of<mode>(k) - steps) * kPanel * 4);
}

// a[m, k] as a left-hand side: in place where its elements already are what the kernel reads, else packed into buffer
// (left_bytes). Elements past k are zeros, up to an even number or to whole steps of tiles.
template <Mode mode> inline int64_t left_bytes(int64_t m, int64_t k) {
  return (m + kRowUnit<mode> - 1) / kRowUnit<mode> * kRowUnit<mode> * (steps_of<mode>(k) + kWidth) * 4;
}
// Tiles read 16 rows: the last 16 of m, or with `whole_tiles` some behind m, which only a buffer has.
template <Mode mode> MINKE_INLINE bool in_place(const Source& a, int64_t m, int64_t k, bool whole_tiles) {
  if (mode == Mode::f32) return !a.half && a.col_stride == 1;
  const bool has_rows = !kInTiles<mode> || (whole_tiles ? m % kRowUnit<mode> == 0 : m >= kRowUnit<mode>);
  return mode == Mode::pairs && a.half && a.col_stride == 1 && has_rows && k % (2 * kTileSteps) == 0;
}
// Rows of a[m, k] that lie next to each other along m, as rows of pairs next to each other along k.
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
template <Mode mode>
inline Left pack_left(const Source& a, int64_t m, int64_t k, char* buffer, bool whole_tiles = false) {
  if (in_place<mode>(a, m, k, whole_tiles)) return plain_left(a.data, a.row_stride * (a.half ? 2 : 4), 4);
  const int64_t steps = steps_of<mode>(k);
  if constexpr (kInTiles<mode>)
    if (a.row_stride == 1 && m > 1) return pack_left_rows(a, m, k, buffer);
  if (a.row_stride == 1 && m > 1) {                          // [block][step][kTileRows]
    const int64_t block_bytes = steps * kTileRows * 4 + 64;  // no power of two: the blocks' lines share no cache set
    const Left left{buffer, 4, kTileRows * 4, block_bytes};
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t k0 = s * kPerStep<mode>;
      const bool valid2 = k0 + 1 < k;
      const void* row0 = address(a, 0, k0);
      const void* row1 = valid2 ? address(a, 0, k0 + 1) : row0;
      if (k0 + kStepsAhead * kPerStep<mode> < k)
        prefetch_rows<mode>(address(a, 0, k0 + kStepsAhead * kPerStep<mode>), swapped(a), m);
      // Whole vectors, or halves: what they write past the rows is written again by the next step.
      char* dst = buffer + s * kTileRows * 4;
      for (int64_t i = 0; i < m; i += kTileRows, dst += block_bytes)
        for (int64_t v = 0; v < smaller<int64_t>(kTileRows, m - i); v += kWidth) {
          const int64_t count = smaller<int64_t>(kWidth, m - i - v);
          const vu x = interleave<mode>(row0, row1, a.half, i + v, count, valid2);
#if defined(__AVX512F__)
          if constexpr (kTileRows <= 8) store_as(dst, __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7));
          else store_as(dst, x);
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
      if (i + kRowsAhead < m)
        prefetch_row(static_cast<const char*>(address(a, i + kRowsAhead, 0)), k * (a.half ? 2 : 4));
      const char* line = static_cast<const char*>(address(a, i, 0));
      int64_t s = 0;
      if (mode != Mode::pairs && a.half)  // the common case in a tight loop
        for (; s + kWidth <= steps; s += kWidth) store_as(dst + s * 4, widen(load_as<vh>(line + s * 2)));
      for (; s < steps; s += kWidth) store_as(dst + s * 4, along_k<mode>(line, a.half, s * kPerStep<mode>, k));
    } else {
      for (int64_t s = 0; s < steps; ++s) store_as(dst + s * 4, one_step<mode>(a, i, s * kPerStep<mode>, k));
      for (int64_t s = steps; s < whole_steps_of<mode>(k); ++s) store_as(dst + s * 4, uint32_t(0));
    }
  }
  return plain_left(buffer, row_bytes, 4);
}

}  // namespace
}  // namespace minke::cpu
