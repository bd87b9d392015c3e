// Attention: checks and the cut into tasks, one per sequence and key head. The arithmetic is in isa/attention*.cpp.
#include "kernels/cpu/common.h"

namespace minke::cpu {
namespace {

Rows head_rows(const Operand& o, const char* what) {
  check(o.rank == 3, what);
  return rows_of(o);
}

// Of operands whose ranks are right, only the sizes.
AttentionJob sized_job(const AttentionArgs& args) {
  AttentionJob job;
  job.heads = args.q.shape[1], job.kv_heads = args.k.shape[1];
  job.dk = args.k.shape[2], job.dv = args.v.shape[2];
  if (args.k_rope) job.dr = args.k_rope.shape[args.k_rope.rank - 1];
  job.bf16 = is_bf16_compute(args.compute);
  return job;
}

AttentionJob checked_job(const AttentionArgs& args) {
  AttentionJob job = sized_job(args);
  job.q = head_rows(args.q, "attention: q is [N,H,dk+dr]");
  job.k = head_rows(args.k, "attention: k is [N,Hkv,dk]");
  job.v = head_rows(args.v, "attention: v is [N,Hkv,dv]");
  job.out = head_rows(args.out, "attention: out is [N,H,dv]");
  const int64_t n = args.q.shape[0];
  if (args.k_rope) {
    job.k_rope = rows_of(args.k_rope);
    expect_shape(args.k_rope, {n, job.dr}, "attention: k_rope is [N,dr]");
  }
  check(job.kv_heads > 0 && job.heads % job.kv_heads == 0, "attention: heads");
  expect_shape(args.q, {n, job.heads, job.dk + job.dr}, "attention: q is [N,H,dk+dr]");
  expect_shape(args.k, {n, job.kv_heads, job.dk}, "attention: k is [N,Hkv,dk]");
  expect_shape(args.v, {n, job.kv_heads, job.dv}, "attention: v is [N,Hkv,dv]");
  expect_shape(args.out, {n, job.heads, job.dv}, "attention: out is [N,H,dv]");
  if (args.lse) {
    expect_shape(args.lse, {n, job.heads}, "attention: lse is [N,H]");
    check(args.lse.dtype == DType::f32, "attention: lse is f32");
    job.lse = static_cast<float*>(args.lse.data);
    job.lse_stride = args.lse.stride[0], job.lse_head_stride = args.lse.stride[1];
  }
  job.scale = float(args.scale);
  job.sequence_offsets = args.sequence_offsets;
  check(args.num_sequences == 0 ? n == 0
                                : args.sequence_offsets[0] == 0 && args.sequence_offsets[args.num_sequences] == n,
        "attention: the sequences cover all tokens");
  if (args.first_visible) {
    expect_shape(args.first_visible, {n}, "attention: first_visible is [N]");
    job.first_visible = i32_data(args.first_visible);
  }
  for (int64_t i = 0; i < args.num_sequences; ++i) {
    const int64_t begin = args.sequence_offsets[i], end = args.sequence_offsets[i + 1];
    check(begin <= end, "attention: sequence offsets ascend");
    for (int64_t t = begin; job.first_visible && t < end; ++t)
      check(begin <= job.first_visible[t] && job.first_visible[t] <= t,
            "attention: first_visible lies in the sequence, up to the token");
  }
  return job;
}

int64_t longest_sequence(const AttentionArgs& args) {
  int64_t longest = 0;
  for (int64_t i = 0; i < args.num_sequences; ++i)
    longest = std::max(longest, args.sequence_offsets[i + 1] - args.sequence_offsets[i]);
  return longest;
}

void take_scratch(Arena& arena, const Kernels& kernels, int threads, const AttentionArgs& args, AttentionJob& job) {
  job.thread_bytes = kernels.attention_bytes(job, longest_sequence(args));
  job.scratch = take<char>(arena, threads * job.thread_bytes);
}
void take_backward_scratch(Arena& arena, const Kernels& kernels, int threads, const AttentionArgs& args,
                           AttentionJob& job) {
  job.rope_parts = take<float>(arena, args.q.shape[0] * job.kv_heads * job.dr);
  job.thread_bytes = kernels.attention_backward_bytes(job, longest_sequence(args));
  job.scratch = take<char>(arena, threads * job.thread_bytes);
}

template <class Task> void for_each_head(const Context& ctx, const AttentionArgs& args, AttentionJob& job, Task task) {
  ctx.threads->for_each(args.num_sequences * job.kv_heads, [&](int64_t i, int thread) {
    const int64_t sequence = i / job.kv_heads;
    if (args.sequence_offsets[sequence] < args.sequence_offsets[sequence + 1])
      task(job, sequence, i % job.kv_heads, thread);
  });
}

CachedJob sized_job(const Kernels& kernels, int threads, const CachedAttentionArgs& args) {
  CachedJob job;
  job.queries = args.q.shape[0], job.heads = args.q.shape[1], job.dk = args.q.shape[2];
  job.kv_heads = args.k.shape[1], job.dv = args.v.shape[2], job.cached = args.cached;
  check(
      job.kv_heads > 0 && job.heads % job.kv_heads == 0 && args.v.shape[1] == job.kv_heads && args.k.shape[2] == job.dk,
      "cached_attention: heads");
  job.bf16 = is_bf16_compute(args.compute);
  job.row_blocks = divided_up(job.queries * (job.heads / job.kv_heads), kernels.row_block);
  job.segments = divided_up(job.cached, kernels.segment);
  job.thread_bytes = kernels.cached_bytes(job);
  // Segments go to several threads only while there are few blocks; the arithmetic is the same either way.
  job.split = job.segments > 1 && job.kv_heads * job.row_blocks < 4 * threads && threads > 1;
  return job;
}
void take_scratch(Arena& arena, const Kernels& kernels, int threads, CachedJob& job) {
  job.scratch = take<char>(arena, threads * job.thread_bytes);
  if (job.split)
    job.parts = take<float>(arena, job.kv_heads * job.row_blocks * job.segments * kernels.row_block * (job.dv + 2));
}

}  // namespace

size_t scratch_of(const Kernels& kernels, int threads, const AttentionArgs& args) {
  AttentionJob job = sized_job(args);
  return measured([&](Arena& arena) { take_scratch(arena, kernels, threads, args, job); });
}
size_t scratch_of(const Kernels& kernels, int threads, const AttentionBackwardArgs& args) {
  AttentionJob job = sized_job(args.forward);
  return measured([&](Arena& arena) { take_backward_scratch(arena, kernels, threads, args.forward, job); });
}
size_t scratch_of(const Kernels& kernels, int threads, const CachedAttentionArgs& args) {
  CachedJob job = sized_job(kernels, threads, args);
  // Fewer rows than these may be few enough to be split: what is enough for many must be enough for them.
  job.split = job.segments > 1 && threads > 1;
  job.row_blocks = std::min(job.row_blocks, divided_up(4 * threads, job.kv_heads));
  return measured([&](Arena& arena) { take_scratch(arena, kernels, threads, job); });
}

void attention(const Kernels& kernels, const Context& ctx, const AttentionArgs& args) {
  AttentionJob job = checked_job(args);
  ArenaScope scope(*ctx.scratch);
  take_scratch(*ctx.scratch, kernels, ctx.threads->count(), args, job);
  for_each_head(ctx, args, job, kernels.attention);
}

void attention_backward(const Kernels& kernels, const Context& ctx, const AttentionBackwardArgs& args) {
  const AttentionArgs& forward = args.forward;
  AttentionJob job = checked_job(forward);
  const int64_t n = forward.q.shape[0];
  check(bool(forward.lse), "attention_backward: lse of the forward pass");
  expect_shape(args.dout, {n, job.heads, job.dv}, "attention_backward: dout is [N,H,dv]");
  expect_shape(args.dq, {n, job.heads, job.dk + job.dr}, "attention_backward: dq is [N,H,dk+dr]");
  expect_shape(args.dk, {n, job.kv_heads, job.dk}, "attention_backward: dk is [N,Hkv,dk]");
  expect_shape(args.dv, {n, job.kv_heads, job.dv}, "attention_backward: dv is [N,Hkv,dv]");
  job.dout = rows_of(args.dout), job.dq = rows_of(args.dq), job.d_k = rows_of(args.dk), job.dv_out = rows_of(args.dv);
  ArenaScope scope(*ctx.scratch);
  take_backward_scratch(*ctx.scratch, kernels, ctx.threads->count(), forward, job);
  for_each_head(ctx, forward, job, kernels.attention_backward);
  if (!job.dr) return;
  expect_shape(args.dk_rope, {n, job.dr}, "attention_backward: dk_rope is [N,dr]");
  const Rows out = rows_of(args.dk_rope);
  constexpr int64_t kMost = 256;
  in_chunks(ctx, n, job.kv_heads * job.dr, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      char* row = row_data(out, t);
      for (int64_t first = 0; first < job.kv_heads; first += kMost) {  // in the order of the heads
        int32_t heads[kMost];
        const int64_t count = std::min(kMost, job.kv_heads - first);
        for (int64_t h = 0; h < count; ++h) heads[h] = int32_t(h);
        const Rows group{job.rope_parts + (t * job.kv_heads + first) * job.dr, false, 1, job.dr, 0};
        kernels.sum_rows(row, out.half, first > 0, group, heads, count, job.dr);
      }
    }
  });
}

void cached_attention(const Kernels& kernels, const Context& ctx, const CachedAttentionArgs& args) {
  const Rows q = head_rows(args.q, "cached_attention: q is [S,H,dk]"),
             k = head_rows(args.k, "cached_attention: k is [T,Hkv,dk]"),
             v = head_rows(args.v, "cached_attention: v is [T,Hkv,dv]"),
             out = head_rows(args.out, "cached_attention: out is [S,H,dv]");
  CachedJob job = sized_job(kernels, ctx.threads->count(), args);
  job.q = q, job.k = k, job.v = v, job.out = out;
  check(job.queries <= job.cached && job.cached <= args.k.shape[0] && job.cached <= args.v.shape[0],
        "cached_attention: keys");
  expect_shape(args.out, {job.queries, job.heads, job.dv}, "cached_attention: out is [S,H,dv]");
  if (job.queries == 0) return;
  job.scale = float(args.scale);
  const int64_t blocks = job.kv_heads * job.row_blocks;
  ArenaScope scope(*ctx.scratch);
  take_scratch(*ctx.scratch, kernels, ctx.threads->count(), job);
  if (!job.split) {
    ctx.threads->for_each(blocks, [&](int64_t task, int thread) { kernels.cached(job, task, thread); });
    return;
  }
  ctx.threads->for_each(blocks * job.segments, [&](int64_t task, int thread) { kernels.cached(job, task, thread); });
  ctx.threads->for_each(blocks, [&](int64_t index, int) { kernels.cached_merge(job, index); });
}

}  // namespace minke::cpu
