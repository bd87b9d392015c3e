// Attention: checks and the cut into tasks, one per sequence and key head; to a cache, one per block of rows and key head.
// The arithmetic is in isa/attention*.cpp and isa/cached.cpp.
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
  check(args.sequence_offsets || !args.num_sequences, "attention: sequence_offsets");
  job.sequence_offsets = args.sequence_offsets;
  job.key_offsets = args.key_offsets ? args.key_offsets : args.sequence_offsets;
  const int64_t keys = args.num_sequences ? job.key_offsets[args.num_sequences] : 0;
  if (args.k_rope) {
    job.k_rope = rows_of(args.k_rope);
    expect_shape(args.k_rope, {keys, job.dr}, "attention: k_rope is [N,dr]");
  }
  check(job.kv_heads > 0 && job.heads % job.kv_heads == 0, "attention: heads");
  expect_shape(args.q, {n, job.heads, job.dk + job.dr}, "attention: q is [N,H,dk+dr]");
  expect_shape(args.k, {keys, job.kv_heads, job.dk}, "attention: k is [N,Hkv,dk]");
  expect_shape(args.v, {keys, job.kv_heads, job.dv}, "attention: v is [N,Hkv,dv]");
  expect_shape(args.out, {n, job.heads, job.dv}, "attention: out is [N,H,dv]");
  if (args.lse) {
    expect_shape(args.lse, {n, job.heads}, "attention: lse is [N,H]");
    check(args.lse.dtype == DType::f32, "attention: lse is f32");
    job.lse = static_cast<float*>(args.lse.data);
    job.lse_stride = args.lse.stride[0], job.lse_head_stride = args.lse.stride[1];
  }
  job.scale = float(args.scale);
  check(args.num_sequences == 0 ? n == 0
                                : args.sequence_offsets[0] == 0 && args.sequence_offsets[args.num_sequences] == n,
        "attention: the sequences cover all tokens");
  if (args.first_visible) {
    check(!args.key_offsets, "attention: first_visible goes without key_offsets");
    expect_shape(args.first_visible, {n}, "attention: first_visible is [N]");
    job.first_visible = i32_data(args.first_visible);
  }
  for (int64_t i = 0; i < args.num_sequences; ++i) {
    const int64_t begin = args.sequence_offsets[i], end = args.sequence_offsets[i + 1];
    check(begin <= end, "attention: sequence offsets ascend");
    check(job.key_offsets[i] <= job.key_offsets[i + 1] && end - begin <= job.key_offsets[i + 1] - job.key_offsets[i],
          "attention: the tokens are among the keys");
    for (int64_t t = begin; job.first_visible && t < end; ++t)
      check(begin <= job.first_visible[t] && job.first_visible[t] <= t,
            "attention: first_visible lies in the sequence, up to the token");
  }
  return job;
}

int64_t longest_sequence(const AttentionArgs& args) {
  const int64_t* keys = args.key_offsets ? args.key_offsets : args.sequence_offsets;
  int64_t longest = 0;
  for (int64_t i = 0; i < args.num_sequences; ++i) longest = std::max(longest, keys[i + 1] - keys[i]);
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

// By sizes alone; blocks and segments are the most that there can be.
CachedJob sized_job(const Kernels& kernels, const CachedAttentionArgs& args) {
  CachedJob job;
  job.heads = args.q.shape[1], job.dk = args.q.shape[2];
  job.kv_heads = args.k.shape[1], job.dv = args.out.shape[2];
  check(job.kv_heads > 0 && job.heads % job.kv_heads == 0, "cached_attention: heads");
  if (args.k.dtype == DType::u8) {
    check(job.kv_heads == 1 && job.dv <= job.dk, "cached_attention: an FP8 cache has one head");
    job.fp8 = true;
    job.latents = latent_rows(args.k, job.dv, job.dk - job.dv);
  } else {
    check(args.v.shape[1] == job.kv_heads && args.v.shape[2] == job.dv && args.k.shape[2] == job.dk,
          "cached_attention: k is [slots,Hkv,dk], v is [slots,Hkv,dv]");
  }
  job.bf16 = is_bf16_compute(args.compute);
  job.page = args.page;
  check(args.page > 0 && args.page % 2 == 0 && kernels.chunk % args.page == 0, "cached_attention: page");
  constexpr int64_t kPanel = 64, kLine = 16;  // floats; the widest panel of any instruction set
  job.part_width = divided_up(job.dv, kPanel) * kPanel + kLine;
  job.num_blocks = args.q.shape[0] * (job.heads / job.kv_heads) / kernels.row_block + args.length.shape[0];
  job.segments = divided_up(args.max_length, kernels.segment);
  job.thread_bytes = kernels.cached_bytes(job);
  return job;
}
// Segments go to several threads only while there are few blocks; the arithmetic is the same either way.
bool is_split(const CachedJob& job, int threads) {
  return job.segments > 1 && job.kv_heads * job.num_blocks < 4 * threads && threads > 1;
}
void take_scratch(Arena& arena, int threads, CachedJob& job) {
  job.scratch = take<char>(arena, threads * job.thread_bytes);
  job.blocks = take<CachedBlock>(arena, job.num_blocks);
}
void take_parts(Arena& arena, const Kernels& kernels, CachedJob& job) {
  job.parts = take<float>(arena, job.kv_heads * job.num_blocks * job.segments * kernels.row_block * job.part_width);
}

// Fills in the blocks; returns the keys of the longest sequence.
int64_t cut_into_blocks(const Kernels& kernels, const CachedAttentionArgs& args, CachedJob& job) {
  const int64_t sequences = args.length.shape[0], slots = args.k.shape[0], group = job.heads / job.kv_heads;
  int64_t blocks = 0, longest = 0;
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t queries = job.row_offsets[s + 1] - job.row_offsets[s], length = job.length[s];
    check(0 <= queries && queries <= length && length <= args.max_length &&
              length <= args.block_table.shape[1] * args.page,
          "cached_attention: rows and keys of a sequence");
    for (int64_t p = 0; p * args.page < length; ++p)
      bounded(job.block_table[s * job.table_stride + p], slots / args.page, "cached_attention: block_table");
    if (queries > 0) longest = std::max(longest, length);
    for (int64_t row = 0; row < queries * group; row += kernels.row_block)
      job.blocks[blocks++] = {int32_t(s), int32_t(row)};
  }
  job.num_blocks = blocks;
  return longest;
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
  CachedJob job = sized_job(kernels, args);
  return measured([&](Arena& arena) {
    take_scratch(arena, threads, job);
    // Fewer blocks than the most that there can be may be few enough to be split.
    job.num_blocks = std::min(job.num_blocks, divided_up(4 * threads, job.kv_heads));
    if (job.segments > 1 && threads > 1) take_parts(arena, kernels, job);
  });
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
  check(!forward.key_offsets, "attention_backward: the tokens are all the keys");
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
  const Rows q = head_rows(args.q, "cached_attention: q is [N,H,dk]"),
             out = head_rows(args.out, "cached_attention: out is [N,H,dv]");
  check(args.k.rank == 3, "cached_attention: k is [slots,Hkv,dk]");
  const int64_t n = args.q.shape[0], sequences = args.length.shape[0];
  const bool plain = args.k.dtype != DType::u8;
  if (plain) {
    check(args.v.rank == 3 && args.k.shape[0] == args.v.shape[0], "cached_attention: slots");
  }
  CachedJob job = sized_job(kernels, args);
  job.q = q, job.out = out;
  if (plain) job.k = rows_of(args.k), job.v = rows_of(args.v);
  expect_shape(args.out, {n, job.heads, job.dv}, "cached_attention: out is [N,H,dv]");
  expect_shape(args.row_offsets, {sequences + 1}, "cached_attention: row_offsets is [S+1]");
  expect_shape(args.length, {sequences}, "cached_attention: length is [S]");
  check(args.block_table.rank == 2 && args.block_table.shape[0] == sequences && args.block_table.dtype == DType::i32 &&
            args.block_table.stride[1] == 1,
        "cached_attention: block_table is i32 [S,pages]");
  job.row_offsets = i32_data(args.row_offsets), job.length = i32_data(args.length);
  job.block_table = static_cast<const int32_t*>(args.block_table.data), job.table_stride = args.block_table.stride[0];
  job.scale = float(args.scale);
  check(job.row_offsets[0] == 0 && job.row_offsets[sequences] == n, "cached_attention: row_offsets cover the rows");
  if (n == 0) return;
  ArenaScope scope(*ctx.scratch);
  const int threads = ctx.threads->count();
  take_scratch(*ctx.scratch, threads, job);
  job.segments = divided_up(cut_into_blocks(kernels, args, job), kernels.segment);
  job.split = is_split(job, threads);
  const int64_t blocks = job.kv_heads * job.num_blocks;
  if (!job.split) {
    ctx.threads->for_each(blocks, [&](int64_t task, int thread) { kernels.cached(job, task, thread); });
    return;
  }
  take_parts(*ctx.scratch, kernels, job);
  ctx.threads->for_each(blocks * job.segments, [&](int64_t task, int thread) { kernels.cached(job, task, thread); });
  ctx.threads->for_each(blocks * kernels.merges, [&](int64_t task, int) { kernels.cached_merge(job, task); });
}

}  // namespace minke::cpu
