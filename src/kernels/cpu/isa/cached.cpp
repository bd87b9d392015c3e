// Attention of a few queries to the pages of a cache. The rows (query, head of the group) are the columns of sᵀ = k·qᵀ, so
// the cache is read in place as a left-hand side and every lane is one row: nothing depends on how many rows there are.
// Keys go in chunks inside segments counted from the start of the sequence; segments are merged in order, whether one
// task did them one after another or several at a time. A chunk is read page by page.
#include "kernels/cpu/isa/attention_parts.h"
#include "kernels/cpu/isa/latents.h"

namespace minke::cpu {
namespace {

constexpr int64_t kSegment = 1024;  // keys
static_assert(kSegment % kChunk == 0);

struct Buffers {
  char *query_rows, *queries, *decoded, *keys, *values, *probs;
  float *scores, *part, *total;
  int64_t value_panel_bytes, bytes;
};

template <Mode mode> Buffers buffers_of(const CachedJob& job, char* base) {
  Bump bump{base};
  Buffers b;
  b.value_panel_bytes = steps_of<mode>(kChunk) * kPanel * 4;
  b.query_rows = bump.take(kPanel * job.dk * 4);
  b.queries = bump.take(steps_of<mode>(job.dk) * kPanel * 4);
  b.decoded = bump.take(job.fp8 ? kChunk * job.dk * 4 : 0);
  b.keys = bump.take(left_bytes<mode>(kChunk, job.dk));
  b.values = bump.take(rounded(job.dv, kPanel) / kPanel * b.value_panel_bytes);
  b.probs = bump.take(kChunk * kPanel * 4);
  b.scores = reinterpret_cast<float*>(bump.take(kChunk * kPanel * 4));
  b.part = reinterpret_cast<float*>(bump.take(kPanel * (job.dv + 2) * 4));
  b.total = reinterpret_cast<float*>(bump.take(kPanel * (job.dv + 2) * 4));
  b.bytes = bump.used;
  return b;
}

// Row r of a part: dv sums, then maximum and sum of the exponentials.
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
          .rows = smaller<int64_t>(kPanel, all - b.first_row),
          .length = length,
          .past = length - queries,
          .pages = job.block_table + b.sequence * job.table_stride};
}
int64_t segments_of(const Block& block) { return (block.length + kSegment - 1) / kSegment; }
// The keys and values of `m` tokens from `key` on, which lie in one page: as they are, or decoded.
struct Tokens {
  Source keys, values;
};
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

template <Mode mode> void pack_queries(const CachedJob& job, const Block& block, const Buffers& b) {
  constexpr bool half = mode != Mode::f32;
  const int64_t group = job.heads / job.kv_heads;
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first_row + r;
    convert_row(b.query_rows + r * job.dk * (half ? 2 : 4), half,
                row_of(job.q, block.first_query + row / group, block.kv_head * group + row % group), job.q.half,
                job.dk);
  }
  pack_panel<mode>({b.query_rows, half, 1, job.dk}, job.dk, block.rows, b.queries);
}

// The keys [begin, end) of one segment for one block of rows, from nothing into part.
template <Mode mode>
void run_segment(const CachedJob& job, const Block& block, int64_t begin, int64_t end, const Buffers& b, float* part) {
  const int64_t width = job.dv + 2, group = job.heads / job.kv_heads;
  const int64_t lanes = rounded(block.rows, kWidth);
  const float scale = job.scale * kLog2E;  // maxima are to the base 2
  alignas(64) int32_t last[kPanel];        // the last key a row may see
  alignas(64) float maximum[kPanel], total[kPanel], keep[kPanel];
  for (int64_t r = 0; r < lanes; ++r) {
    const int64_t row = smaller(r, block.rows - 1) + block.first_row;
    last[r] = int32_t(block.past + row / group);
    maximum[r] = -kInfinity;
    total[r] = 0;
  }
  for (int64_t i = 0; i < block.rows * width; ++i) part[i] = 0;
  for (int64_t c0 = begin; c0 < end; c0 += kChunk) {
    const int64_t n = smaller(kChunk, end - c0);
    for (int64_t p = 0; p < n; p += job.page) {
      const int64_t m = smaller(job.page, n - p);
      const Tokens tokens = tokens_of_page<mode>(job, block, c0 + p, m, b.decoded);
      const Left keys = pack_left<mode>(tokens.keys, m, job.dk, b.keys);
      multiply_panel<mode>(keys, m, b.queries, steps_of<mode>(job.dk), block.rows,
                           {reinterpret_cast<char*>(b.scores + p * kPanel), kPanel * 4, false});
      pack_panels<mode>(tokens.values, m, job.dv, b.values + steps_of<mode>(p) * kPanel * 4, b.value_panel_bytes);
    }
    for (int64_t l = 0; l < lanes; l += kWidth) {
      const vi limit = load_as<vi>(last + l);
      const vf old = load_as<vf>(maximum + l);
      vf top = old;
      for (int64_t j = 0; j < n; ++j) {
        const vf x = load_f32(b.scores + j * kPanel + l) * scale;
        top = splat_i(int32_t(c0 + j)) <= limit ? max(x, top) : top;
      }
      const vf factor = old == -kInfinity ? vf{} : exp2(old - top);
      vf added = {};
      const auto prob = [&](int64_t j) {
        const vf p = exp2(fma(load_f32(b.scores + j * kPanel + l), splat(scale), -top));
        return splat_i(int32_t(c0 + j)) <= limit ? p : vf{};
      };
      for (int64_t j = 0; j < n; j += 2) {
        const vf p0 = prob(j), p1 = j + 1 < n ? prob(j + 1) : vf{};
        added += p0;
        added += p1;
        if constexpr (mode == Mode::pairs) {
          store_as(b.probs + (j / 2 * kPanel + l) * 4, pair_bf16(p0, p1));
        } else {
          store_as(b.probs + (j * kPanel + l) * 4, mode == Mode::rounded ? round_bf16(p0) : p0);
          store_as(b.probs + ((j + 1) * kPanel + l) * 4, mode == Mode::rounded ? round_bf16(p1) : p1);
        }
      }
      store_as(maximum + l, top);
      store_as(total + l, load_as<vf>(total + l) * factor + added);
      store_as(keep + l, factor);
    }
    for (int64_t r = 0; r < block.rows; ++r) {
      if (keep[r] == 1) continue;
      float* row = part + r * width;
      for (int64_t i = 0; i < job.dv; i += kWidth) {
        const int64_t count = smaller<int64_t>(kWidth, job.dv - i);
        store(row, false, i, count, load(row, false, i, count) * keep[r]);
      }
    }
    const Left probs = plain_left(b.probs, 4, kPanel * 4 * (mode == Mode::pairs ? 1 : kPerStep<mode>));
    multiply<mode>(probs, block.rows, b.values, b.value_panel_bytes, steps_of<mode>(n), job.dv,
                   added_to({reinterpret_cast<char*>(part), width * 4, false}, true));
  }
  for (int64_t r = 0; r < block.rows; ++r)
    part[r * width + job.dv] = maximum[r], part[r * width + job.dv + 1] = total[r];
}

// total ← total joined with part, row by row. A row that saw no key has sum 0 and changes nothing.
void merge(float* total, const float* part, int64_t rows, int64_t dv) {
  for (int64_t r = 0; r < rows; ++r, total += dv + 2, part += dv + 2) {
    if (part[dv + 1] == 0) continue;
    const float maximum = larger(total[dv], part[dv]);
    const float a = total[dv + 1] == 0 ? 0 : exp2(splat(total[dv] - maximum))[0],
                b = exp2(splat(part[dv] - maximum))[0];
    for (int64_t i = 0; i < dv; i += kWidth) {
      const int64_t count = smaller<int64_t>(kWidth, dv - i);
      store(total, false, i, count, load(total, false, i, count) * a + load(part, false, i, count) * b);
    }
    total[dv] = maximum;
    total[dv + 1] = total[dv + 1] * a + part[dv + 1] * b;
  }
}

void finish(const CachedJob& job, const Block& block, float* total) {
  const int64_t group = job.heads / job.kv_heads, width = job.dv + 2;
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first_row + r;
    char* out = row_of(job.out, block.first_query + row / group, block.kv_head * group + row % group);
    const float scale = 1 / total[r * width + job.dv + 1];
    for (int64_t i = 0; i < job.dv; i += kWidth) {
      const int64_t count = smaller<int64_t>(kWidth, job.dv - i);
      store(out, job.out.half, i, count, load(total + r * width, false, i, count) * scale);
    }
  }
}

template <Mode mode> void run(const CachedJob& job, int64_t task, int thread) {
  const Buffers b = buffers_of<mode>(job, job.scratch + thread * job.thread_bytes);
  const int64_t index = job.split ? task / job.segments : task;
  const Block block = block_of(job, index);
  pack_queries<mode>(job, block, b);
  if (job.split) {
    const int64_t begin = task % job.segments * kSegment;
    if (begin >= block.length) return;
    run_segment<mode>(job, block, begin, smaller(begin + kSegment, block.length), b,
                      job.parts + task * kPanel * (job.dv + 2));
    return;
  }
  for (int64_t s = 0; s < segments_of(block); ++s) {
    run_segment<mode>(job, block, s * kSegment, smaller((s + 1) * kSegment, block.length), b, s ? b.part : b.total);
    if (s) merge(b.total, b.part, block.rows, job.dv);
  }
  finish(job, block, b.total);
}

void cached(const CachedJob& job, int64_t task, int thread) {
  if (job.bf16) run<kBf16>(job, task, thread);
  else run<Mode::f32>(job, task, thread);
}

void cached_merge(const CachedJob& job, int64_t index) {
  const Block block = block_of(job, index);
  const int64_t part_size = kPanel * (job.dv + 2);
  float* total = job.parts + index * job.segments * part_size;
  for (int64_t s = 1; s < segments_of(block); ++s) merge(total, total + s * part_size, block.rows, job.dv);
  finish(job, block, total);
}

int64_t cached_bytes(const CachedJob& job) {
  return job.bf16 ? buffers_of<kBf16>(job, nullptr).bytes : buffers_of<Mode::f32>(job, nullptr).bytes;
}

}  // namespace

namespace MINKE_ISA {
void fill_cached(Kernels& kernels) {
  kernels.segment = kSegment;
  kernels.row_block = kPanel;
  kernels.cached = cached;
  kernels.cached_merge = cached_merge;
  kernels.cached_bytes = cached_bytes;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
