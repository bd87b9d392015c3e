// Backward of attention.cpp (Dao et al. 2022, algorithm 4): probabilities are made again from lse, block by block.
//   P = exp(s − lse), δ = Σ dout·out, dP = dout·vᵀ, dS = P∘(dP − δ), dv = Pᵀ·dout, dk = scale·dSᵀ·q, dq = scale·dS·k.
// Queries ascend in the outer loop and key chunks in the inner one, which fixes the order of every sum.
#include "kernels/cpu/isa/attention_parts.h"

namespace minke::cpu {
namespace {

struct Buffers {
  char *keys, *key_columns, *key_rows,
      *value_columns;  // columns: [channel, key] for s and dP; rows: [key, channel] for dq
  char *queries, *douts, *query_rows, *dout_rows, *probs, *slopes, *probs_t, *slopes_t;
  float *scores, *dprobs, *dq, *dk, *dv;
  int64_t key_panel_bytes, value_panel_bytes, key_row_panel_bytes, key_row_chunk_bytes, query_panel_bytes, bytes;
};

template <Mode mode> Buffers buffers_of(const AttentionJob& job, int64_t length, char* base) {
  const int64_t width = job.dk + job.dr, chunks = (length + kChunk - 1) / kChunk,
                panels = rounded(length, kPanel) / kPanel;
  Bump bump{base};
  Buffers b;
  b.key_panel_bytes = whole_steps_of<mode>(width) * kPanel * 4;
  b.value_panel_bytes = whole_steps_of<mode>(job.dv) * kPanel * 4;
  b.key_row_panel_bytes = steps_of<mode>(kChunk) * kPanel * 4;
  b.key_row_chunk_bytes = rounded(width, kPanel) / kPanel * b.key_row_panel_bytes;
  b.query_panel_bytes = steps_of<mode>(kQueries) * kPanel * 4;
  b.keys = bump.take(job.dr ? length * width * 4 : 0);
  b.key_columns = bump.take(panels * b.key_panel_bytes);
  b.value_columns = bump.take(panels * b.value_panel_bytes);
  b.key_rows = bump.take(chunks * b.key_row_chunk_bytes);
  b.queries = bump.take(left_bytes<mode>(kQueries, width));
  b.douts = bump.take(left_bytes<mode>(kQueries, job.dv));
  b.query_rows = bump.take(rounded(width, kPanel) / kPanel * b.query_panel_bytes);
  b.dout_rows = bump.take(rounded(job.dv, kPanel) / kPanel * b.query_panel_bytes);
  b.probs = bump.take(kQueries * kChunk * 4);
  b.slopes = bump.take(kQueries * kChunk * 4);
  b.probs_t = bump.take(kQueries * kChunk * 4);
  b.slopes_t = bump.take(kQueries * kChunk * 4);
  b.scores = reinterpret_cast<float*>(bump.take(kQueries * kChunk * 4));
  b.dprobs = reinterpret_cast<float*>(bump.take(kQueries * kChunk * 4));
  b.dq = reinterpret_cast<float*>(bump.take(kQueries * width * 4));
  b.dk = reinterpret_cast<float*>(bump.take(length * width * 4));
  b.dv = reinterpret_cast<float*>(bump.take(length * job.dv * 4));
  b.bytes = bump.used;
  return b;
}

struct Query {
  int64_t low, high;  // visible keys of the chunk
  float lse, delta;   // lse to the base 2, as exp2 wants it
};

float dot_rows(const void* x, bool x_half, const void* y, bool y_half, int64_t n) {
  vf total = {};
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t count = smaller<int64_t>(kWidth, n - i);
    total = fma(load(x, x_half, i, count), load(y, y_half, i, count), total);
  }
  return sum(total);
}

void scale_into(char* dst, bool half, const float* src, int64_t width, float scale) {
  for (int64_t i = 0; i < width; i += kWidth) {
    const int64_t n = smaller<int64_t>(kWidth, width - i);
    store(dst, half, i, n, load(src, false, i, n) * scale);
  }
}

struct Slope {
  vf p, ds;
};
// ds without the factor scale, which dq and dk get at the end.
MINKE_INLINE Slope slope_of(const Buffers& b, int64_t i, int64_t j, const Query& q, float scale) {
  if (j >= q.high || j + kWidth <= q.low) return {vf{}, vf{}};
  vf p = exp2(fma(load_f32(b.scores + i * kChunk + j), splat(scale), splat(-q.lse)));
  vf ds = p * (load_f32(b.dprobs + i * kChunk + j) - q.delta);
  if (j < q.low || j + kWidth > q.high) {
    const vi seen = visible(j, q.low, q.high);
    p = seen ? p : vf{};
    ds = seen ? ds : vf{};
  }
  return {p, ds};
}

// Probabilities and slopes of rows × n: slopes by query for dq; both by key for dv and dk. With the dot product those
// are pairs of queries [query/2][key]; in f32 the rows serve both ways.
template <Mode mode> void make_slopes(const Buffers& b, int64_t rows, int64_t n, const Query* queries, float scale) {
  const int64_t row_bytes = kChunk * kProbSize<mode>, made_rows = kInTiles<mode> ? kQueries : rows;
  for (int64_t i = 0; i < made_rows; i += 2) {
    const bool two = i + 1 < rows;
    for (int64_t j = 0; j < made_keys<mode>(n); j += kWidth) {
      const Slope s0 = i < rows ? slope_of(b, i, j, queries[i], scale) : Slope{vf{}, vf{}};
      const Slope s1 = two ? slope_of(b, i + 1, j, queries[i + 1], scale) : Slope{vf{}, vf{}};
      store_prob<mode>(b.slopes + i * row_bytes, j, s0.ds);
      store_prob<mode>(b.slopes + (i + 1) * row_bytes, j, s1.ds);
      if constexpr (mode == Mode::pairs) {
        store_as(b.probs_t + (i / 2 * kChunk + j) * 4, pair_bf16(s0.p, s1.p));
        store_as(b.slopes_t + (i / 2 * kChunk + j) * 4, pair_bf16(s0.ds, s1.ds));
      } else {
        store_prob<mode>(b.probs + i * row_bytes, j, s0.p);
        store_prob<mode>(b.probs + (i + 1) * row_bytes, j, s1.p);
      }
    }
  }
}

// As the left side of a product that sums over queries. Tiles want the pairs of a key next to each other, which go to `rows`.
template <Mode mode> Left by_key(char* rows, const char* pairs, [[maybe_unused]] int64_t n) {
  if constexpr (kInTiles<mode>) {
    constexpr int64_t row_bytes = kQueries * 2;
    for (int64_t j = 0; j < n; j += kWidth)
      for (int64_t i = 0; i < kQueries / 2; i += kWidth) {
        vu x[kWidth];
        for (int64_t r = 0; r < kWidth; ++r) x[r] = load_as<vu>(pairs + ((i + r) * kChunk + j) * 4);
        transpose(x);
        for (int64_t r = 0; r < kWidth; ++r) store_as(rows + (j + r) * row_bytes + i * 4, x[r]);
      }
    return plain_left(rows, row_bytes, 4);
  }
  if constexpr (mode == Mode::pairs) return plain_left(pairs, 4, kChunk * 4);
  return plain_left(rows, 4, kChunk * 4 * kPerStep<mode>);
}

template <Mode mode>
void head_backward(const AttentionJob& job, const Buffers& b, int64_t t0, int64_t length, int64_t h) {
  const int64_t width = job.dk + job.dr;
  for (int64_t q0 = 0; q0 < length; q0 += kQueries) {
    const int64_t rows = smaller(kQueries, length - q0);
    const Source q = tokens_of(job.q, t0 + q0, h), dout = tokens_of(job.dout, t0 + q0, h);
    const Left queries = pack_left<mode>(q, rows, width, b.queries, kWholeTiles),
               douts = pack_left<mode>(dout, rows, job.dv, b.douts, kWholeTiles);
    pack_panels<mode>(q, rows, width, b.query_rows, b.query_panel_bytes);
    pack_panels<mode>(dout, rows, job.dv, b.dout_rows, b.query_panel_bytes);
    prefetch_block(job.q, t0 + q0 + kQueries, t0 + length, h, width);
    prefetch_block(job.dout, t0 + q0 + kQueries, t0 + length, h, job.dv);
    prefetch_block(job.out, t0 + q0 + kQueries, t0 + length, h, job.dv);
    Query query[kQueries];
    int64_t first[kQueries], earliest = q0;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t t = t0 + q0 + i;
      first[i] = job.first_visible ? larger<int64_t>(job.first_visible[t] - t0, 0) : 0;
      earliest = smaller(earliest, first[i]);
      query[i].lse = job.lse[t * job.lse_stride + h * job.lse_head_stride] * kLog2E;
      query[i].delta = dot_rows(row_of(job.dout, t, h), job.dout.half, row_of(job.out, t, h), job.out.half, job.dv);
    }
    for (int64_t i = 0; i < rows * width; ++i) b.dq[i] = 0;
    for (int64_t c0 = earliest / kChunk * kChunk; c0 < q0 + rows; c0 += kChunk) {
      const int64_t n = smaller(kChunk, q0 + rows - c0), panel = c0 / kPanel, diagonal = q0 - c0;
      for (int64_t i = 0; i < rows; ++i)
        query[i].low = larger<int64_t>(first[i] - c0, 0), query[i].high = smaller(n, i + diagonal + 1);
      multiply_band<mode>(queries, rows, b.key_columns + panel * b.key_panel_bytes, b.key_panel_bytes, n, b.scores,
                          kChunk, false, scores_band<mode>(steps_of<mode>(width), diagonal));
      multiply_band<mode>(douts, rows, b.value_columns + panel * b.value_panel_bytes, b.value_panel_bytes, n, b.dprobs,
                          kChunk, false, scores_band<mode>(steps_of<mode>(job.dv), diagonal));
      make_slopes<mode>(b, rows, n, query, job.scale * kLog2E);
      multiply_band<mode>(by_key<mode>(b.probs, b.probs_t, n), n, b.dout_rows, b.query_panel_bytes, job.dv,
                          b.dv + c0 * job.dv, job.dv, true, queries_band<mode>(rows, diagonal));
      multiply_band<mode>(by_key<mode>(kInTiles<mode> ? b.probs : b.slopes, b.slopes_t, n), n, b.query_rows,
                          b.query_panel_bytes, width, b.dk + c0 * width, width, true,
                          queries_band<mode>(rows, diagonal));
      multiply_band<mode>(prob_left<mode>(b.slopes), rows, b.key_rows + c0 / kChunk * b.key_row_chunk_bytes,
                          b.key_row_panel_bytes, width, b.dq, width, true, keys_band<mode>(n, diagonal));
    }
    for (int64_t i = 0; i < rows; ++i)
      scale_into(row_of(job.dq, t0 + q0 + i, h), job.dq.half, b.dq + i * width, width, job.scale);
  }
}

template <Mode mode> void backward(const AttentionJob& job, int64_t sequence, int64_t kv_head, int thread) {
  const int64_t t0 = job.sequence_offsets[sequence], length = job.sequence_offsets[sequence + 1] - t0;
  const int64_t width = job.dk + job.dr, group = job.heads / job.kv_heads;
  const Buffers b = buffers_of<mode>(job, length, job.scratch + thread * job.thread_bytes);
  const Source keys = join_keys<mode>(job, t0, length, kv_head, b.keys), values = tokens_of(job.v, t0, kv_head);
  pack_panels<mode>(swapped(keys), width, length, b.key_columns, b.key_panel_bytes);
  pack_panels<mode>(swapped(values), job.dv, length, b.value_columns, b.value_panel_bytes);
  for (int64_t c0 = 0; c0 < length; c0 += kChunk)
    pack_panels<mode>(moved(keys, c0, 0), smaller(kChunk, length - c0), width,
                      b.key_rows + c0 / kChunk * b.key_row_chunk_bytes, b.key_row_panel_bytes);
  for (int64_t i = 0; i < length * width; ++i) b.dk[i] = 0;
  for (int64_t i = 0; i < length * job.dv; ++i) b.dv[i] = 0;
  for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) head_backward<mode>(job, b, t0, length, h);
  for (int64_t t = 0; t < length; ++t) {
    scale_into(row_of(job.d_k, t0 + t, kv_head), job.d_k.half, b.dk + t * width, job.dk, job.scale);
    convert_row(row_of(job.dv_out, t0 + t, kv_head), job.dv_out.half, b.dv + t * job.dv, false, job.dv);
    float* part = job.rope_parts + ((t0 + t) * job.kv_heads + kv_head) * job.dr;
    for (int64_t i = 0; i < job.dr; ++i) part[i] = b.dk[t * width + job.dk + i] * job.scale;
  }
}

void attention_backward(const AttentionJob& job, int64_t sequence, int64_t kv_head, int thread) {
  [[maybe_unused]] const TileRegisters registers;
  if (job.bf16) backward<kBf16>(job, sequence, kv_head, thread);
  else backward<Mode::f32>(job, sequence, kv_head, thread);
}

int64_t attention_backward_bytes(const AttentionJob& job, int64_t longest) {
  return job.bf16 ? buffers_of<kBf16>(job, longest, nullptr).bytes : buffers_of<Mode::f32>(job, longest, nullptr).bytes;
}

}  // namespace

namespace MINKE_ISA {
void fill_attention_backward(Kernels& kernels) {
  kernels.attention_backward = attention_backward;
  kernels.attention_backward_bytes = attention_backward_bytes;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
