// Forward attention in tiles (Dao et al. 2022, algorithm 1): a running maximum and sum per query, keys in chunks.
#include "kernels/cpu/isa/attention_parts.h"

namespace minke::cpu {
namespace {

struct Buffers {
  char *keys, *key_panels, *value_panels, *queries, *probs;
  float *scores, *sums;
  int64_t key_panel_bytes, value_panel_bytes, value_chunk_bytes, bytes;
};

template <Mode mode> Buffers buffers_of(const AttentionJob& job, int64_t length, char* base) {
  const int64_t width = job.dk + job.dr, chunks = (length + kChunk - 1) / kChunk;
  Bump bump{base};
  Buffers b;
  b.key_panel_bytes = whole_steps_of<mode>(width) * kPanel * 4;
  b.value_panel_bytes = steps_of<mode>(kChunk) * kPanel * 4;
  b.value_chunk_bytes = rounded(job.dv, kPanel) / kPanel * b.value_panel_bytes;
  b.keys = bump.take(job.dr ? length * width * 4 : 0);
  b.key_panels = bump.take(rounded(length, kPanel) / kPanel * b.key_panel_bytes);
  b.value_panels = bump.take(chunks * b.value_chunk_bytes);
  b.queries = bump.take(left_bytes<mode>(kQueries, width));
  b.probs = bump.take(kQueries * kChunk * kProbSize<mode>);
  b.scores = reinterpret_cast<float*>(bump.take(kQueries * kChunk * 4));
  b.sums = reinterpret_cast<float*>(bump.take(kQueries * job.dv * 4));
  b.bytes = bump.used;
  return b;
}

// Of one query so far: the largest score, and the sum of 2^(score − maximum). Scores are taken times scale·log2(e).
struct Running {
  float maximum, sum;
};

// One chunk of one query: scores[0, n) → probabilities relative to the new maximum, zeros outside [low, high).
// Returns what the sums so far must be scaled by.
template <Mode mode>
float soften(const float* scores, int64_t n, int64_t low, int64_t high, float scale, Running& running, char* probs) {
  if (high <= low) {
    for (int64_t j = 0; j < n; j += kWidth) store_prob<mode>(probs, j, vf{});
    return 1;
  }
  const int64_t begin = low / kWidth * kWidth;
  vf top = splat(-kInfinity);
  for (int64_t j = begin; j < high; j += kWidth) {
    vf x = load_f32(scores + j) * scale;
    if (j < low || j + kWidth > high) x = visible(j, low, high) ? x : splat(-kInfinity);
    top = max(x, top);
  }
  const float maximum = larger(max_lane(top), running.maximum);
  vf total = {};
  for (int64_t j = 0; j < begin; j += kWidth) store_prob<mode>(probs, j, vf{});
  for (int64_t j = begin; j < high; j += kWidth) {
    vf p = exp2(fma(load_f32(scores + j), splat(scale), splat(-maximum)));
    if (j < low || j + kWidth > high) p = visible(j, low, high) ? p : vf{};
    total += p;
    store_prob<mode>(probs, j, p);
  }
  for (int64_t j = rounded(high, kWidth); j < n; j += kWidth) store_prob<mode>(probs, j, vf{});
  const float keep = running.sum > 0 ? exp2(splat(running.maximum - maximum))[0] : 0;
  running = {maximum, running.sum * keep + sum(total)};
  return keep;
}

void scale_row(float* row, int64_t n, float factor) {
  if (factor == 1) return;
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t count = smaller<int64_t>(kWidth, n - i);
    store(row, false, i, count, load(row, false, i, count) * factor);
  }
}

template <Mode mode> void forward(const AttentionJob& job, int64_t sequence, int64_t kv_head, int thread) {
  const int64_t t0 = job.sequence_offsets[sequence], length = job.sequence_offsets[sequence + 1] - t0;
  const int64_t k0 = job.key_offsets[sequence], num_keys = job.key_offsets[sequence + 1] - k0;
  const int64_t past = num_keys - length;  // keys before the first query
  const int64_t width = job.dk + job.dr, group = job.heads / job.kv_heads;
  const float scale = job.scale * kLog2E;
  const Buffers b = buffers_of<mode>(job, num_keys, job.scratch + thread * job.thread_bytes);
  const Source keys = join_keys<mode>(job, k0, num_keys, kv_head, b.keys);
  pack_panels<mode>(swapped(keys), width, num_keys, b.key_panels, b.key_panel_bytes);
  for (int64_t c0 = 0; c0 < num_keys; c0 += kChunk)
    pack_panels<mode>(tokens_of(job.v, k0 + c0, kv_head), smaller(kChunk, num_keys - c0), job.dv,
                      b.value_panels + c0 / kChunk * b.value_chunk_bytes, b.value_panel_bytes);

  for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h)
    for (int64_t q0 = 0; q0 < length; q0 += kQueries) {
      const int64_t rows = smaller(kQueries, length - q0);
      const Left queries = pack_left<mode>(tokens_of(job.q, t0 + q0, h), rows, width, b.queries, kWholeTiles);
      prefetch_block(job.q, t0 + q0 + kQueries, t0 + length, h, width);
      Running running[kQueries];
      int64_t first[kQueries], earliest = past + q0;
      for (int64_t i = 0; i < rows; ++i) {
        running[i] = {-kInfinity, 0};
        first[i] = job.first_visible ? larger<int64_t>(job.first_visible[t0 + q0 + i] - k0, 0) : 0;
        earliest = smaller(earliest, first[i]);
      }
      for (int64_t i = 0; i < rows * job.dv; ++i) b.sums[i] = 0;
      const int64_t end = past + q0 + rows;
      for (int64_t c0 = earliest / kChunk * kChunk; c0 < end; c0 += kChunk) {
        const int64_t n = smaller(kChunk, end - c0), diagonal = past + q0 - c0;
        multiply_band<mode>(queries, rows, b.key_panels + c0 / kPanel * b.key_panel_bytes, b.key_panel_bytes, n,
                            b.scores, kChunk, false, scores_band<mode>(steps_of<mode>(width), diagonal));
        for (int64_t i = 0; i < rows; ++i) {
          const float keep =
              soften<mode>(b.scores + i * kChunk, made_keys<mode>(n), larger<int64_t>(first[i] - c0, 0),
                           smaller(n, i + diagonal + 1), scale, running[i], b.probs + i * kChunk * kProbSize<mode>);
          scale_row(b.sums + i * job.dv, job.dv, keep);
        }
        multiply_band<mode>(prob_left<mode>(b.probs), rows, b.value_panels + c0 / kChunk * b.value_chunk_bytes,
                            b.value_panel_bytes, job.dv, b.sums, job.dv, true, keys_band<mode>(n, diagonal));
      }
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t t = t0 + q0 + i;
        scale_row(b.sums + i * job.dv, job.dv, 1 / running[i].sum);
        convert_row(row_of(job.out, t, h), job.out.half, b.sums + i * job.dv, false, job.dv);
        if (job.lse)
          job.lse[t * job.lse_stride + h * job.lse_head_stride] =
              running[i].maximum * kLn2 + __builtin_logf(running[i].sum);
      }
    }
}

void attention(const AttentionJob& job, int64_t sequence, int64_t kv_head, int thread) {
  [[maybe_unused]] const TileRegisters registers;
  if (job.bf16) forward<kBf16>(job, sequence, kv_head, thread);
  else forward<Mode::f32>(job, sequence, kv_head, thread);
}

int64_t attention_bytes(const AttentionJob& job, int64_t longest) {
  return job.bf16 ? buffers_of<kBf16>(job, longest, nullptr).bytes : buffers_of<Mode::f32>(job, longest, nullptr).bytes;
}

}  // namespace

namespace MINKE_ISA {
void fill_attention(Kernels& kernels) {
  kernels.chunk = kChunk;
  kernels.attention = attention;
  kernels.attention_bytes = attention_bytes;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
