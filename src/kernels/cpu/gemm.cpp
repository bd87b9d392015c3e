// Products: checks, the cut of c into tasks, packing of weights. The arithmetic is in isa/gemm.cpp.
#include "kernels/cpu/gemm.h"

namespace minke::cpu {
namespace {

// Weights wait as pairs of bf16 on every instruction set (isa/packing.h).
int64_t panel_steps(const Kernels& kernels, int64_t k, DType compute) {
  return compute == DType::bf16 ? divided_up(divided_up(k, 2), kernels.step_unit) * kernels.step_unit : k;
}

// The next larger candidate of a search whose steps grow with the number.
int64_t next_count(int64_t n) { return n + std::max<int64_t>(n / 4, 1); }

// The tiles with the least estimated time: each task packs its part of a (and of b) again, so few large tiles pack least;
// the threads end together only if there are many. In multiply-adds for every k: `kernels.macs_per_packed` is how many are
// done while one element is packed.
void choose_tiles(const Kernels& kernels, const GemmShape& s, int64_t threads, GemmJob& job) {
  const int64_t groups = job.split == Split::rows ? std::max<int64_t>(s.groups, 1) : s.groups;
  const int64_t m = std::max<int64_t>(job.split == Split::rows ? divided_up(s.m, groups) : s.m, 1);
  const int64_t row_tiles = divided_up(m, kernels.tile_rows), panels = divided_up(s.n, kernels.panel_width);
  // Sums that go straight to c need no buffer of a tile's width.
  const bool one_block = s.k <= (job.bf16 ? kernels.block_k_bf16 : kernels.block_k);
  const bool any_width = job.c.col_stride == 1 && (one_block || !job.c.half);
  const int64_t widest = any_width ? panels : kernels.max_tile_n / kernels.panel_width;
  const double packed = kernels.macs_per_packed, b_packed = job.panels ? 0.2 * packed : packed;
  constexpr double kTaskMacs = 30'000;  // a task's fixed price
  const int64_t most_rows = job.panels ? kernels.max_tile_m : kernels.max_rows_plain_b;
  double best = 0;
  for (int64_t r = divided_up(row_tiles * kernels.tile_rows, most_rows); r <= row_tiles; r = next_count(r)) {
    const int64_t tile_m = divided_up(row_tiles, r) * kernels.tile_rows;
    for (int64_t c = divided_up(panels, widest); c <= panels; c = next_count(c)) {
      const int64_t tile_n = divided_up(panels, c) * kernels.panel_width,
                    tasks = groups * divided_up(m, tile_m) * divided_up(s.n, tile_n);
      const double task = double(tile_m) * double(tile_n) + packed * double(tile_m) + b_packed * double(tile_n) +
                          kTaskMacs / double(std::max<int64_t>(s.k, 1));
      // Threads wait at the end: for whole tasks where those do not divide evenly, for a part of one as the machine goes.
      const double time = task * std::max(double(tasks) / double(threads) + (threads > 1 ? 0.1 : 0.0),
                                          double(divided_up(tasks, threads)));
      if (best == 0 || time < best) best = time, job.tile_m = tile_m, job.tile_n = tile_n;
      if (tasks >= 16 * threads) break;
    }
    if (groups * r >= 16 * threads) break;
  }
}

struct Scratch {
  int64_t* first_task;
  char* buffers;
};
Scratch take_scratch(Arena& arena, const Kernels& kernels, int threads, int64_t groups) {
  return {take<int64_t>(arena, groups + 1), take<char>(arena, threads * kernels.gemm_scratch_bytes)};
}

}  // namespace

// Checked, because a wrong offset would reach memory outside the operands.
const int32_t* checked_gemm_offsets(const Operand& offsets, int64_t groups, int64_t limit) {
  expect_shape(offsets, {groups + 1}, "gemm: offsets are [G+1]");
  const int32_t* o = i32_data(offsets);
  check(o[0] == 0, "gemm: offsets start at 0");
  for (int64_t g = 0; g < groups; ++g)
    check(o[g] <= o[g + 1] && o[g + 1] <= limit, "gemm: offsets ascend within the operands");
  return o;
}

GemmShape checked_gemm_shape(const GemmArgs& args) {
  const Operand &a = args.a, &b = args.b, &c = args.c;
  switch (args.grouping) {
    case Grouping::none:
      check(a.rank == 2 && b.rank == 2 && c.rank == 2, "gemm: ranks without groups");
      check(a.shape[0] == c.shape[0] && a.shape[1] == b.shape[0] && b.shape[1] == c.shape[1], "gemm: shapes");
      return {1, c.shape[0], c.shape[1], a.shape[1]};
    case Grouping::batch:
      check(a.rank == 3 && b.rank == 3 && c.rank == 3, "gemm: ranks of a batch");
      check(a.shape[0] == c.shape[0] && b.shape[0] == c.shape[0], "gemm: groups of a batch");
      check(a.shape[1] == c.shape[1] && a.shape[2] == b.shape[1] && b.shape[2] == c.shape[2],
            "gemm: shapes of a batch");
      return {c.shape[0], c.shape[1], c.shape[2], a.shape[2]};
    case Grouping::rows:
      check(a.rank == 2 && b.rank == 3 && c.rank == 2, "gemm: ranks of row groups");
      check(a.shape[0] == c.shape[0] && a.shape[1] == b.shape[1] && b.shape[2] == c.shape[1],
            "gemm: shapes of row groups");
      return {b.shape[0], c.shape[0], c.shape[1], a.shape[1]};
    case Grouping::inner:
      check(a.rank == 2 && b.rank == 2 && c.rank == 3, "gemm: ranks of inner groups");
      check(a.shape[0] == c.shape[1] && a.shape[1] == b.shape[0] && b.shape[1] == c.shape[2],
            "gemm: shapes of inner groups");
      return {c.shape[0], c.shape[1], c.shape[2], a.shape[1]};
  }
  bug("gemm: grouping", SourceLocation::current());
}

const int32_t* checked_block_offsets(const GemmArgs& args, const GemmShape& s) {
  const bool by_rows = args.grouping == Grouping::rows;
  check(by_rows || args.grouping == Grouping::none, "gemm: blocks are multiplied without groups or by row groups");
  check(args.b.packing == Packing::blocks && args.b.stride[args.b.rank - 2] == 1 && args.b.parts > 0,
        "gemm: b is blocks, which run along the inner axis");
  return by_rows ? checked_gemm_offsets(args.offsets, s.groups, s.m) : nullptr;
}

size_t scratch_of(const Kernels& kernels, int threads, const GemmArgs& args) {
  if (args.compute == DType::i8) return scratch_of_integer_gemm(kernels, threads, args);
  if (args.b.packing == Packing::blocks) return scratch_of_block_gemm(kernels, threads, args);
  return measured([&](Arena& arena) { take_scratch(arena, kernels, threads, checked_gemm_shape(args).groups); });
}

size_t packed_bytes(const Kernels& kernels, int64_t k, int64_t n, DType compute) {
  return size_t(divided_up(n, kernels.panel_width)) * size_t(panel_steps(kernels, k, compute)) *
         size_t(kernels.panel_width) * 4;
}

void gemm(const Kernels& kernels, const Context& ctx, const GemmArgs& args) {
  const GemmShape s = checked_gemm_shape(args);
  if (args.compute == DType::i8) return integer_gemm(kernels, ctx, args);
  if (args.b.packing == Packing::blocks) return block_gemm(kernels, ctx, args);
  GemmJob job;
  job.a = matrix_of(args.a), job.c = matrix_of(args.c);
  job.bf16 = is_bf16_compute(args.compute), job.accumulate = args.accumulate;
  if (args.b.packing == Packing::panels) {
    check(args.b.dtype == args.compute, "gemm: b is packed for another compute dtype");
    check(args.grouping != Grouping::inner, "gemm: inner groups take a plain b");
    job.panels = static_cast<const char*>(args.b.data);
    job.panels_group_bytes = int64_t(packed_bytes(kernels, s.k, s.n, args.compute));
  } else {
    job.b = matrix_of(args.b);
  }
  job.m = s.m, job.n = s.n, job.k = s.k, job.groups = s.groups;
  if (args.grouping == Grouping::rows || args.grouping == Grouping::inner) {
    job.split = args.grouping == Grouping::rows ? Split::rows : Split::inner;
    job.offsets = checked_gemm_offsets(args.offsets, s.groups, args.grouping == Grouping::rows ? s.m : s.k);
    (job.split == Split::rows ? job.a : job.b).group_stride = 0;
    if (job.split == Split::rows) job.c.group_stride = 0;
  }
  if (s.groups == 0 || s.m == 0 || s.n == 0) return;

  choose_tiles(kernels, s, ctx.threads->count(), job);
  ArenaScope scope(*ctx.scratch);
  const auto [first_task, buffers] = take_scratch(*ctx.scratch, kernels, ctx.threads->count(), s.groups);
  job.scratch = buffers;
  first_task[0] = 0;
  for (int64_t g = 0; g < s.groups; ++g) {
    const int64_t rows = job.split == Split::rows ? job.offsets[g + 1] - job.offsets[g] : s.m;
    first_task[g + 1] = first_task[g] + divided_up(rows, job.tile_m) * divided_up(s.n, job.tile_n);
  }
  job.first_task = first_task;
  ctx.threads->for_each(first_task[s.groups], [&](int64_t task, int thread) { kernels.gemm(job, task, thread); });
}

void pack_weight(const Kernels& kernels, const Context& ctx, const PackWeightArgs& args) {
  const Operand& b = args.b;
  check(b.rank == 2 || b.rank == 3, "pack_weight: b is [K,N] or [G,K,N]");
  check(args.packed.packing == Packing::panels && args.packed.dtype == args.compute && args.packed.rank == b.rank &&
            args.packed.shape == b.shape,
        "pack_weight: the packed operand");
  PackJob job;
  job.b = matrix_of(b);
  job.panels = static_cast<char*>(args.packed.data);
  job.k = b.shape[b.rank - 2], job.n = b.shape[b.rank - 1];
  job.bf16 = is_bf16_compute(args.compute);
  job.group_bytes = int64_t(packed_bytes(kernels, job.k, job.n, args.compute));
  const int64_t groups = b.rank == 3 ? b.shape[0] : 1, panels = divided_up(job.n, kernels.panel_width);
  in_chunks(ctx, groups * panels, job.k * kernels.panel_width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernels.pack(job, i / panels, i % panels);
  });
}

}  // namespace minke::cpu
