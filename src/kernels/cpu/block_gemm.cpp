// Products with weights in quantised blocks. A task takes some columns of c: it decodes their rows of the weight once, packs
// them as any right-hand side is packed, and multiplies all rows of a with them. So the sums are those of a product with the
// decoded values, bit for bit, whatever the number of rows.
#include "blocks/blocks.h"
#include "kernels/cpu/gemm.h"

namespace minke::cpu {
namespace {

// Columns of c in a task: few enough that every thread gets several, as many as a tile takes otherwise.
int64_t task_columns(const Kernels& kernels, const GemmShape& s, int threads) {
  const int64_t wanted = divided_up(s.groups * s.n, int64_t(threads) * 4);
  const int64_t panels =
      std::min(divided_up(std::max<int64_t>(wanted, 1), kernels.panel_width), kernels.max_tile_n / kernels.panel_width);
  return std::min(panels * kernels.panel_width, divided_up(s.n, kernels.panel_width) * kernels.panel_width);
}

struct Scratch {
  float* rows;    // [panel_width, K]: decoded
  char* panels;   // of a task's columns
  char* buffers;  // of the multiplication
  int64_t* unit;  // first_task of a job with one group
};
struct ScratchSizes {
  int64_t rows, panels, buffers;
};
ScratchSizes sizes_of(const Kernels& kernels, const GemmShape& s, DType compute, int threads) {
  const int64_t columns = task_columns(kernels, s, threads);
  return {kernels.panel_width * s.k, divided_up(int64_t(packed_bytes(kernels, s.k, columns, compute)), 64) * 64,
          divided_up(kernels.gemm_scratch_bytes, 64) * 64};
}
Scratch take_scratch(Arena& arena, const ScratchSizes& sizes, int threads) {
  return {take<float>(arena, threads * sizes.rows), take<char>(arena, threads * sizes.panels),
          take<char>(arena, threads * sizes.buffers), take<int64_t>(arena, threads * 2)};
}
Scratch of_thread(Scratch s, const ScratchSizes& sizes, int thread) {
  return {s.rows + thread * sizes.rows, s.panels + thread * sizes.panels, s.buffers + thread * sizes.buffers,
          s.unit + thread * 2};
}

// Rows first … first + count of group g of the weight as panels.
void decode_panels(const Kernels& kernels, const GemmArgs& args, const GemmShape& s, int64_t g, int64_t first,
                   int64_t count, const Scratch& scratch) {
  const std::span parts(static_cast<const RowBlocks*>(args.b.data) + g * args.b.parts, size_t(args.b.parts));
  PackJob pack;
  pack.b = {.data = scratch.rows, .row_stride = 1, .col_stride = s.k};
  pack.k = s.k, pack.bf16 = args.compute == DType::bf16;
  const int64_t panel_bytes = int64_t(packed_bytes(kernels, s.k, kernels.panel_width, args.compute));
  for (int64_t at = 0; at < count; at += kernels.panel_width) {
    pack.n = std::min(kernels.panel_width, count - at);
    pack.panels = scratch.panels + at / kernels.panel_width * panel_bytes;
    for (int64_t i = 0; i < pack.n; ++i) decode_row(parts, first + at + i, {scratch.rows + i * s.k, size_t(s.k)});
    kernels.pack(pack, 0, 0);
  }
}

}  // namespace

size_t scratch_of_block_gemm(const Kernels& kernels, int threads, const GemmArgs& args) {
  const GemmShape s = checked_gemm_shape(args);
  return measured([&](Arena& arena) { take_scratch(arena, sizes_of(kernels, s, args.compute, threads), threads); });
}

void block_gemm(const Kernels& kernels, const Context& ctx, const GemmArgs& args) {
  const GemmShape s = checked_gemm_shape(args);
  const int32_t* offsets = checked_block_offsets(args, s);
  const Matrix a = matrix_of(args.a), c = matrix_of(args.c);
  if (s.groups == 0 || s.m == 0 || s.n == 0) return;
  const int threads = ctx.threads->count();
  const int64_t columns = task_columns(kernels, s, threads), tasks = divided_up(s.n, columns);
  const ScratchSizes sizes = sizes_of(kernels, s, args.compute, threads);
  ArenaScope scope(*ctx.scratch);
  const Scratch all = take_scratch(*ctx.scratch, sizes, threads);
  ctx.threads->for_each(s.groups * tasks, [&](int64_t task, int thread) {
    const int64_t g = task / tasks, first = task % tasks * columns;
    const int64_t begin = offsets ? offsets[g] : 0, end = offsets ? offsets[g + 1] : s.m;
    if (begin == end) return;
    const Scratch scratch = of_thread(all, sizes, thread);
    GemmJob job;
    job.m = end - begin, job.n = std::min(columns, s.n - first), job.k = s.k;
    decode_panels(kernels, args, s, g, first, job.n, scratch);
    job.a = a, job.c = c;
    job.a.data = static_cast<char*>(a.data) + begin * a.row_stride * (a.half ? 2 : 4);
    job.c.data = static_cast<char*>(c.data) + (begin * c.row_stride + first * c.col_stride) * (c.half ? 2 : 4);
    job.panels = scratch.panels;
    job.bf16 = is_bf16_compute(args.compute), job.accumulate = args.accumulate;
    job.tile_m = std::min(divided_up(job.m, kernels.tile_rows) * kernels.tile_rows, kernels.max_tile_m);
    job.tile_n = columns;
    job.scratch = scratch.buffers;
    const int64_t tiles = divided_up(job.m, job.tile_m);
    scratch.unit[0] = 0, scratch.unit[1] = tiles;
    job.first_task = scratch.unit;
    for (int64_t tile = 0; tile < tiles; ++tile) kernels.gemm(job, tile, 0);
  });
}

}  // namespace minke::cpu
