// What forward and backward attention share: chunk sizes, rows of heads, masks, probabilities as a left-hand side.
#pragma once
#include "kernels/cpu/isa/packing.h"
#if defined(MINKE_AMX)
#include "kernels/cpu/isa/tiles.h"
#endif

namespace minke::cpu {
namespace {

constexpr int64_t kChunk = 128;  // keys, counted from the start of the sequence: part of the order of additions
#if defined(MINKE_AMX)
constexpr int64_t kQueries = 64;  // queries at a time
#else
constexpr int64_t kQueries = 60;  // … whole register tiles; even, so that pairs of bf16 fit
struct TileRegisters {};
#endif
constexpr bool kWholeTiles = true;  // multiply_band reads whole register tiles of the left side
static_assert(kChunk % kPanel == 0 && kQueries % (2 * kTileSteps) == 0 && kQueries % kRowUnit<kBf16> == 0);

MINKE_INLINE int64_t rounded(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Hands out parts of a thread's scratch; with a null base it only counts.
struct Bump {
  char* base;
  int64_t used = 0;
  char* take(int64_t bytes) {
    char* p = base ? base + used : nullptr;
    used += rounded(bytes, 64);
    return p;
  }
};

MINKE_INLINE char* row_of(const Rows& r, int64_t t, int64_t h) {
  return static_cast<char*>(r.data) + (t * r.outer_stride + h * r.stride) * (r.half ? 2 : 4);
}
// Tokens from t on of one head as a matrix [token, channel].
MINKE_INLINE Source tokens_of(const Rows& r, int64_t t, int64_t h) {
  return {row_of(r, t, h), r.half, r.outer_stride, 1};
}

// dst[i] = src[i] for one row, converting.
inline void convert_row(char* dst, bool dst_half, const void* src, bool src_half, int64_t n) {
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t count = smaller<int64_t>(kWidth, n - i);
    store(dst, dst_half, i, count, load(src, src_half, i, count));
  }
}

// Rows of one head lie far apart, so the hardware does not see the next one coming.
MINKE_INLINE void prefetch_head(const Rows& r, int64_t t, int64_t head, int64_t width) {
  const char* row = row_of(r, t, head);
  for (int64_t i = 0; i < width * (r.half ? 2 : 4); i += 64) __builtin_prefetch(row + i);
}
// The queries after this block, up to `end`.
MINKE_INLINE void prefetch_block(const Rows& r, int64_t t, int64_t end, int64_t head, int64_t width) {
  for (int64_t i = t; i < smaller(t + kQueries, end); ++i) prefetch_head(r, i, head, width);
}

// The keys of a head [T, dk+dr]: as they are, or with the shared rotary part joined on in `buffer`.
template <Mode mode>
inline Source join_keys(const AttentionJob& job, int64_t t0, int64_t length, int64_t head, char* buffer) {
  if (!job.dr) return tokens_of(job.k, t0, head);
  constexpr bool half = mode != Mode::f32;
  const int64_t size = half ? 2 : 4, width = job.dk + job.dr;
  for (int64_t t = 0; t < length; ++t) {
    char* row = buffer + t * width * size;
    if (t + kStepsAhead < length) {
      prefetch_head(job.k, t0 + t + kStepsAhead, head, job.dk);
      prefetch_head(job.k_rope, t0 + t + kStepsAhead, 0, job.dr);
    }
    convert_row(row, half, row_of(job.k, t0 + t, head), job.k.half, job.dk);
    convert_row(row + job.dk * size, half, row_of(job.k_rope, t0 + t, 0), job.k_rope.half, job.dr);
  }
  return {buffer, half, width, 1};
}

// Lanes j … j+kWidth lie in [low, high)?
MINKE_INLINE vi visible(int64_t j, int64_t low, int64_t high) {
  const vi at = iota() + int32_t(j);
  return (at >= splat_i(int32_t(low))) & (at < splat_i(int32_t(high)));
}

// out[m, n] (+)= left · panels, of every register tile only the steps [begin, end) that `band(i, j)` names for the tile at
// row i, column j: what lies above the diagonal of a causal mask is left out, zeros that would change no sum. A tile
// without steps is not touched.
struct Band {
  int64_t begin, end;
};
template <Mode mode, class BandOf>
inline void multiply_band(const Left& left, int64_t m, const char* panels, int64_t panel_bytes, int64_t n, float* out,
                          int64_t stride, bool add, BandOf band) {
  for (int64_t j = 0; j < n; j += kPanel, panels += panel_bytes) {
    const int64_t columns = smaller<int64_t>(kPanel, n - j);
    [[maybe_unused]] const Micro whole = micro_for<mode>(kTileRows, columns);
    for (int64_t i = 0; i < m; i += kRowUnit<mode>) {
      const Band b = band(i, j);
      if (b.begin >= b.end) continue;
      const int64_t rows = smaller<int64_t>(kRowUnit<mode>, m - i);
      const Out to = added_to({reinterpret_cast<char*>(out + i * stride + j), stride * 4, false}, add);
#if defined(MINKE_AMX)
      if constexpr (kInTiles<mode>) {  // whole steps of tiles: what the band leaves out is zeros
        const int64_t begin = b.begin / kTileSteps * kTileSteps;
        multiply_tile<1>(left.data + i * left.row_bytes + begin * 4, left.row_bytes, panels + begin * kPanel * 4,
                         rounded(b.end - begin, kTileSteps), 0, int(rows), columns, to);
        continue;
      }
#endif
      Left from = left;
      from.data += b.begin * left.step_bytes;
      const Micro tile = rows == kTileRows ? whole : micro_for<mode>(rows, columns);
      tile(from, i / kTileRows, panels + b.begin * kPanel * 4, b.end - b.begin, columns, to);
    }
  }
}
// The bands of a chunk of keys whose first key is `diagonal` before the first query: query i sees keys up to
// i + diagonal. Queries × keys; queries × channels, summed over the n keys; keys × channels, summed over the queries.
template <Mode mode> auto scores_band(int64_t steps, int64_t diagonal) {
  return [=](int64_t i, int64_t j) { return Band{0, j < i + kRowUnit<mode> + diagonal ? steps : 0}; };
}
template <Mode mode> auto keys_band(int64_t n, int64_t diagonal) {
  return [=](int64_t i, int64_t) { return Band{0, steps_of<mode>(smaller(n, i + kRowUnit<mode> + diagonal))}; };
}
template <Mode mode> auto queries_band(int64_t rows, int64_t diagonal) {
  return [=](int64_t i, int64_t) {
    return Band{larger<int64_t>(i - diagonal, 0) / kPerStep<mode>, steps_of<mode>(rows)};
  };
}
// Keys whose probabilities are made, and are zeros where they are not seen, so that tiles may read them.
template <Mode mode> MINKE_INLINE int64_t made_keys(int64_t n) {
  return kInTiles<mode> ? rounded(n, 2 * kTileSteps) : n;
}

// Probabilities [query][kChunk] as what pack_left would make of them.
template <Mode mode> constexpr int64_t kProbSize = mode == Mode::pairs ? 2 : 4;
template <Mode mode> MINKE_INLINE void store_prob(char* row, int64_t j, vf p) {
  if constexpr (mode == Mode::pairs) store_as(row + j * 2, narrow_operand(p));
  else if constexpr (mode == Mode::rounded) store_as(row + j * 4, round_bf16(p));
  else store_as(row + j * 4, p);
}
template <Mode mode> MINKE_INLINE Left prob_left(const char* p) {
  return plain_left(p, kChunk * kProbSize<mode>, kProbSize<mode> * kPerStep<mode>);
}

}  // namespace
}  // namespace minke::cpu
