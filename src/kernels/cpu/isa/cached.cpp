// Attention of a few queries to the pages of a cache. The rows (query, head of the group) are the columns of sᵀ = k·qᵀ, so
// the cache is read in place as a left-hand side and every lane is one row: nothing depends on how many rows there are.
// Keys go in chunks inside segments counted from the start of the sequence; segments are merged in order, whether one
// task did them one after another or several at a time. A chunk is read page by page, once for all panels of rows.
#include "kernels/cpu/isa/attention_parts.h"
#include "kernels/cpu/isa/cached_values.h"
#include "kernels/cpu/isa/latents.h"

namespace minke::cpu {
namespace {

constexpr int64_t kSegment = 2048;  // keys
static_assert(kSegment % kChunk == 0);
constexpr int64_t kRows = 128;  // of a block
static_assert(kRows % kPanel == 0);
constexpr int64_t kMostPages = kChunk / 2;  // of a chunk
constexpr int64_t kMerges = 8;              // tasks that merge the segments of a block

struct Buffers {
  char *query_rows, *queries, *decoded, *keys, *values, *probs;
  float *scores, *part, *total;
  int64_t query_panel_bytes, key_page_bytes, value_panel_bytes, bytes;
};

template <Mode mode> Buffers buffers_of(const CachedJob& job, char* base) {
  Bump bump{base};
  Buffers b;
  b.query_panel_bytes = whole_steps_of<mode>(job.dk) * kPanel * 4;
  b.key_page_bytes = rounded(left_bytes<mode>(job.page, job.dk), 64);
  b.value_panel_bytes = (whole_steps_of<mode>(kChunk) + kTileSteps) * kPanel * 4;  // zeros behind a page
  b.query_rows = bump.take(kPanel * job.dk * 4);
  b.queries = bump.take(kRows / kPanel * b.query_panel_bytes);
  b.decoded = bump.take(job.fp8 ? kChunk * job.dk * 4 : 0);
  b.keys = bump.take(kChunk / job.page * b.key_page_bytes);
  b.values = bump.take(rounded(job.dv, kPanel) / kPanel * b.value_panel_bytes);
  b.probs = bump.take(kChunk * kPanel * 4);
  b.scores = reinterpret_cast<float*>(bump.take(kChunk * kPanel * 4));
  b.part = reinterpret_cast<float*>(bump.take(kRows * job.part_width * 4));
  b.total = reinterpret_cast<float*>(bump.take(kRows * job.part_width * 4));
  b.bytes = bump.used;
  return b;
}

// Row r of a part: dv sums and room up to whole panels, at last maximum and sum of the exponentials.
struct Block {
  int64_t kv_head, first_query, first_row, rows;  // of the sequence: its first query, and rows from first_row on
  int64_t length, past;                           // keys; keys before the one of the first query
  const int32_t* pages;
};
Block block_of(const CachedJob& job, int64_t index) {
  const CachedBlock& b = job.blocks[index % job.num_blocks];
  const int64_t begin = job.row_offsets[b.sequence], queries = job.row_offsets[b.sequence + 1] - begin;
  const int64_t all = queries * (job.heads / job.kv_heads), length = job.length[b.sequence];
  return {.kv_head = index / job.num_blocks,
          .first_query = begin,
          .first_row = b.first_row,
          .rows = smaller<int64_t>(kRows, all - b.first_row),
          .length = length,
          .past = length - queries,
          .pages = job.block_table + b.sequence * job.table_stride};
}
int64_t segments_of(const Block& block) { return (block.length + kSegment - 1) / kSegment; }
// The `m` tokens from `key` on, which lie in one page.
template <Mode mode>
Tokens tokens_of_page(const CachedJob& job, const Block& block, int64_t key, int64_t m, char* decoded) {
  const int64_t slot = block.pages[key / job.page] * job.page + key % job.page;
  if (!job.fp8) return {tokens_of(job.k, slot, block.kv_head), tokens_of(job.v, slot, block.kv_head)};
  constexpr bool half = mode != Mode::f32;
  constexpr int64_t size = half ? 2 : 4;
  for (int64_t i = 0; i < m; ++i) {
    char* row = decoded + i * job.dk * size;
    decode_latent(job.latents, job.latents.data + (slot + i) * job.latents.row_bytes, row, half, row + job.dv * size,
                  half);
  }
  const Source rows{decoded, half, job.dk, 1};
  return {rows, rows};
}

// Asks for the bytes of keys before they are needed, a few lines of the cache at a time, while others are worked on: the hardware
// does not see which page comes next.
struct Ahead {
  const char* pool;
  const int32_t* pages;
  int64_t page_bytes, page, end;  // of the pool; the pages from … to of the sequence
  int64_t at, lines;              // in the page; asked for at a time

  MINKE_INLINE void operator()() {
    for (int64_t i = 0; i < lines && page < end; ++i) {
      __builtin_prefetch(pool + pages[page] * page_bytes + at, 0, 2);
      at += 64;
      if (at >= page_bytes) at = 0, ++page;
    }
  }
};
// From the second of the keys' chunks on. `calls` of them are made in the time of a chunk.
Ahead keys_ahead(const CachedJob& job, const Block& block, int64_t begin, int64_t end, int64_t calls) {
  const int64_t row_bytes = job.fp8 ? job.latents.row_bytes : job.k.outer_stride * (job.k.half ? 2 : 4);
  const char* pool = job.fp8 ? reinterpret_cast<const char*>(job.latents.data) : static_cast<const char*>(job.k.data);
  Ahead ahead{pool, block.pages, job.page * row_bytes, (begin + kChunk) / job.page, (end + job.page - 1) / job.page, 0,
              0};
  if (job.kv_heads == 1) ahead.lines = kChunk * row_bytes / 64 / calls + 1;  // else rows of other heads lie between
  return ahead;
}

template <Mode mode> void pack_queries(const CachedJob& job, const Block& block, const Buffers& b) {
  constexpr bool half = mode != Mode::f32;
  const int64_t group = job.heads / job.kv_heads;
  for (int64_t first = 0; first < block.rows; first += kPanel) {
    const int64_t n = smaller<int64_t>(kPanel, block.rows - first);
    for (int64_t r = 0; r < n; ++r) {
      const int64_t row = block.first_row + first + r;
      convert_row(b.query_rows + r * job.dk * (half ? 2 : 4), half,
                  row_of(job.q, block.first_query + row / group, block.kv_head * group + row % group), job.q.half,
                  job.dk);
    }
    pack_panel<mode>({b.query_rows, half, 1, job.dk}, job.dk, n, b.queries + first / kPanel * b.query_panel_bytes);
  }
}

// out[m, n] = left · panel.
template <Mode mode>
MINKE_INLINE void multiply_left(const Left& left, int64_t m, const char* panel, int64_t steps, int64_t n,
                                const Out& out, [[maybe_unused]] Ahead& ahead) {
#if defined(MINKE_AMX)
  if constexpr (kInTiles<mode>) return multiply_panel_tiles(left, m, panel, steps, n, out, ahead);
#endif
  multiply_panel<mode>(left, m, panel, steps, n, out);
}
// sums[m, n] += left · panels, sums a multiple of kPanel wide; in tiles it and the left side have whole tiles of rows.
template <Mode mode>
MINKE_INLINE void add_products(const Left& left, int64_t m, const char* panels, int64_t panel_bytes, int64_t steps,
                               int64_t n, float* sums, int64_t width) {
#if defined(MINKE_AMX)
  if constexpr (kInTiles<mode>) {
    for (int64_t j = 0; j < n; j += kPanel, panels += panel_bytes)
      add_panel_tiles(left, m, panels, steps, reinterpret_cast<char*>(sums + j), width * 4);
    return;
  }
#endif
  multiply<mode>(left, m, panels, panel_bytes, steps, n,
                 added_to({reinterpret_cast<char*>(sums), width * 4, false}, true));
}

// Of the rows of a block so far: the last key that each may see, the largest score, the sum of 2^(score − maximum), and what
// the sums so far are scaled by. Scores are taken times scale·log2(e).
struct Running {
  alignas(64) int32_t last[kRows];
  alignas(64) float maximum[kRows], total[kRows], keep[kRows];
};

// Probabilities of the keys j and j + 1 of kWidth rows.
template <Mode mode> MINKE_INLINE void store_probs(char* probs, int64_t j, vf p0, vf p1) {
  if constexpr (mode == Mode::pairs) {
    store_as(probs + j / 2 * kPanel * 4, pair_bf16(p0, p1));
  } else {
    store_as(probs + j * kPanel * 4, mode == Mode::rounded ? round_bf16(p0) : p0);
    store_as(probs + (j + 1) * kPanel * 4, mode == Mode::rounded ? round_bf16(p1) : p1);
  }
}

// Scores of n keys from c0 on, [key][kPanel] → probabilities relative to the new maximum, for the kWidth rows at l of a panel
// whose first row is r. `masked`: some of the rows do not see all of the keys.
template <Mode mode, bool masked>
void soften(const float* scores, int64_t n, int64_t c0, float scale, int64_t l, int64_t r, Running& running,
            char* probs) {
  const vi limit = load_as<vi>(running.last + r);
  const vf old = load_as<vf>(running.maximum + r);
  vf top[4] = {old, old, old, old};
  for (int64_t j = 0; j < n; ++j) {
    const vf x = load_f32(scores + j * kPanel + l) * scale;
    vf& t = top[j % 4];
    const vf larger_one = max(x, t);
    if constexpr (masked) t = splat_i(int32_t(c0 + j)) <= limit ? larger_one : t;
    else t = larger_one;
  }
  const vf all = max(max(top[0], top[1]), max(top[2], top[3]));
  const vf factor = old == -kInfinity ? vf{} : exp2(old - all);
  vf added = {};
  const auto prob = [&](int64_t j) __attribute__((always_inline)) {
    const vf p = exp2(fma(load_f32(scores + j * kPanel + l), splat(scale), -all));
    if constexpr (!masked) return p;
    return splat_i(int32_t(c0 + j)) <= limit ? p : vf{};
  };
  const auto pair = [&](int64_t j, vf & p0, vf & p1) __attribute__((always_inline)) {
    p0 = j < n ? prob(j) : vf{}, p1 = j + 1 < n ? prob(j + 1) : vf{};
    added += p0;
    added += p1;
  };
  if constexpr (kInTiles<mode>) {  // rows of 16 pairs, zeros up to there
    for (int64_t j = 0; j < n; j += 2 * kWidth) {
      vu x[kWidth];
      for (int64_t i = 0; i < kWidth; ++i) {
        vf p0, p1;
        pair(j + 2 * i, p0, p1);
        x[i] = pair_bf16(p0, p1);
      }
      transpose(x);
      for (int64_t i = 0; i < kWidth; ++i) store_as(probs + (l + i) * kProbRow<mode> + j * 2, x[i]);
    }
  } else {
    for (int64_t j = 0; j < n; j += 2) {
      vf p0, p1;
      pair(j, p0, p1);
      store_probs<mode>(probs + l * 4, j, p0, p1);
    }
  }
  store_as(running.maximum + r, all);
  store_as(running.total + r, load_as<vf>(running.total + r) * factor + added);
  store_as(running.keep + r, factor);
}

// The keys [begin, end) of one segment for one block of rows, from nothing into part.
template <Mode mode>
void run_segment(const CachedJob& job, const Block& block, int64_t begin, int64_t end, const Buffers& b, float* part) {
  const int64_t width = job.part_width, group = job.heads / job.kv_heads;
  const int64_t lanes = rounded(block.rows, kWidth);
  const float scale = job.scale * kLog2E;
  Running running;
  for (int64_t r = 0; r < lanes; ++r) {
    const int64_t row = smaller(r, block.rows - 1) + block.first_row;
    running.last[r] = int32_t(block.past + row / group);
    running.maximum[r] = -kInfinity;
    running.total[r] = 0;
  }
  const int64_t made_rows = rounded(block.rows, kInTiles<mode> ? kTileSteps : 1);
  for (int64_t i = 0; i < made_rows * width; ++i) part[i] = 0;
  Left keys[kMostPages];
  Page pages[kMostPages];
  // A few rows take keys and values where they lie: a copy would be used once.
  const bool few = !kInTiles<mode> && block.rows <= kFewRows && job.dv % kWidth == 0;
  const int64_t panels = (block.rows + kPanel - 1) / kPanel,
                tiles =
                    kInTiles<mode> ? panels * kChunk / (2 * kTileSteps) * whole_steps_of<mode>(job.dk) / kTileSteps : 0;
  const int64_t calls =
      few ? kChunk / kPerStep<mode> * larger<int64_t>(job.dv / kPanel, 1) : steps_of<mode>(kChunk) + tiles;
  Ahead ahead = keys_ahead(job, block, begin, end, calls);
  for (int64_t c0 = begin; c0 < end; c0 += kChunk) {
    const int64_t n = smaller(kChunk, end - c0);
    for (int64_t p = 0, i = 0; p < n; p += job.page, ++i) {
      const int64_t m = smaller(job.page, n - p);
      const Tokens tokens =
          tokens_of_page<mode>(job, block, c0 + p, m, b.decoded + p * job.dk * (mode == Mode::f32 ? 4 : 2));
      pages[i] = {tokens, m};
      if (few) continue;
      pack_rows<mode>(tokens.values, m, job.dv, b.values + steps_of<mode>(p) * kPanel * 4, b.value_panel_bytes, ahead);
      keys[i] = pack_left<mode>(tokens.keys, m, job.dk, b.keys + i * b.key_page_bytes);
    }
    for (int64_t first = 0; first < block.rows; first += kPanel) {
      const int64_t rows = smaller<int64_t>(kPanel, block.rows - first);
      const char* queries = b.queries + first / kPanel * b.query_panel_bytes;
      for (int64_t p = 0, i = 0; p < n; p += job.page, ++i) {
        const int64_t at_once = few ? 2 * kTileRows : job.page;  // so many stay in the first-level cache
        for (int64_t t = 0; t < pages[i].count; t += at_once) {
          const int64_t m = smaller(at_once, pages[i].count - t);
          const Left left = few ? pack_left<mode>(moved(pages[i].tokens.keys, t, 0), m, job.dk, b.keys) : keys[i];
          multiply_left<mode>(left, m, queries, whole_steps_of<mode>(job.dk), rounded(rows, kWidth),
                              {reinterpret_cast<char*>(b.scores + (p + t) * kPanel), kPanel * 4, false}, ahead);
        }
      }
      const bool masked = c0 + n - 1 > running.last[first];
      for (int64_t l = 0; l < rounded(rows, kWidth); l += kWidth)
        (masked ? soften<mode, true> : soften<mode, false>)(b.scores, n, c0, scale, l, first + l, running, b.probs);
      for (int64_t r = first; r < first + rows; ++r) {
        if (running.keep[r] == 1) continue;
        float* row = part + r * width;
        for (int64_t i = 0; i < rounded(job.dv, kWidth); i += kWidth)
          store_as(row + i, load_f32(row + i) * running.keep[r]);
      }
      if constexpr (!kInTiles<mode>)
        if (few) {
          add_all_values<mode>(b.probs, pages, n, rows, job.dv, part, width, ahead);
          continue;
        }
      const Left probs = plain_left(b.probs, kProbRow<mode>, kProbStep<mode>);
      add_products<mode>(probs, rows, b.values, b.value_panel_bytes, whole_steps_of<mode>(n), job.dv,
                         part + first * width, width);
    }
  }
  for (int64_t r = 0; r < block.rows; ++r)
    part[(r + 1) * width - 2] = running.maximum[r], part[(r + 1) * width - 1] = running.total[r];
}

// total ← total joined with part, row by row. A row that saw no key has sum 0 and changes nothing.
void merge(float* total, const float* part, int64_t rows, int64_t width, int64_t dv) {
  for (int64_t r = 0; r < rows; ++r, total += width, part += width) {
    const float *of_part = part + width - 2, sum = of_part[1];
    float* of_total = total + width - 2;
    if (sum == 0) continue;
    const float maximum = larger(of_total[0], of_part[0]);
    const float a = of_total[1] == 0 ? 0 : exp2(splat(of_total[0] - maximum))[0],
                b = exp2(splat(of_part[0] - maximum))[0];
    for (int64_t i = 0; i < rounded(dv, kWidth); i += kWidth)
      store_as(total + i, load_f32(total + i) * a + load_f32(part + i) * b);
    of_total[0] = maximum;
    of_total[1] = of_total[1] * a + sum * b;
  }
}

void finish(const CachedJob& job, const Block& block, float* total) {
  const int64_t group = job.heads / job.kv_heads, width = job.part_width;
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first_row + r;
    char* out = row_of(job.out, block.first_query + row / group, block.kv_head * group + row % group);
    const float scale = 1 / total[(r + 1) * width - 1];
    for (int64_t i = 0; i < job.dv; i += kWidth) {
      const int64_t count = smaller<int64_t>(kWidth, job.dv - i);
      store(out, job.out.half, i, count, load(total + r * width, false, i, count) * scale);
    }
  }
}

template <Mode mode> void run(const CachedJob& job, int64_t task, int thread) {
  [[maybe_unused]] const TileRegisters registers;
  const Buffers b = buffers_of<mode>(job, job.scratch + thread * job.thread_bytes);
  const int64_t index = job.split ? task / job.segments : task;
  const Block block = block_of(job, index);
  pack_queries<mode>(job, block, b);
  if (job.split) {
    const int64_t begin = task % job.segments * kSegment;
    if (begin >= block.length) return;
    run_segment<mode>(job, block, begin, smaller(begin + kSegment, block.length), b,
                      job.parts + task * kRows * job.part_width);
    return;
  }
  for (int64_t s = 0; s < segments_of(block); ++s) {
    run_segment<mode>(job, block, s * kSegment, smaller((s + 1) * kSegment, block.length), b, s ? b.part : b.total);
    if (s) merge(b.total, b.part, block.rows, job.part_width, job.dv);
  }
  finish(job, block, b.total);
}

void cached(const CachedJob& job, int64_t task, int thread) {
  if (job.bf16) run<kBf16>(job, task, thread);
  else run<Mode::f32>(job, task, thread);
}

void cached_merge(const CachedJob& job, int64_t task) {
  const int64_t index = task / kMerges, first = task % kMerges * (kRows / kMerges), part_size = kRows * job.part_width;
  Block block = block_of(job, index);
  block.first_row += first;
  block.rows = smaller(block.rows - first, kRows / kMerges);
  if (block.rows <= 0) return;
  float* total = job.parts + index * job.segments * part_size + first * job.part_width;
  for (int64_t s = 1; s < segments_of(block); ++s)
    merge(total, total + s * part_size, block.rows, job.part_width, job.dv);
  finish(job, block, total);
}

int64_t cached_bytes(const CachedJob& job) {
  return job.bf16 ? buffers_of<kBf16>(job, nullptr).bytes : buffers_of<Mode::f32>(job, nullptr).bytes;
}

}  // namespace

namespace MINKE_ISA {
void fill_cached(Kernels& kernels) {
  kernels.segment = kSegment;
  kernels.row_block = kRows;
  kernels.merges = kMerges;
  kernels.cached = cached;
  kernels.cached_merge = cached_merge;
  kernels.cached_bytes = cached_bytes;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
