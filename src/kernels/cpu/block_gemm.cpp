// Products with weights in quantised blocks. A task takes some columns of c: it decodes their rows of the weight once, packs
// them as any right-hand side is packed, and multiplies all rows of a with them. So the sums are those of a product with the
// decoded values, bit for bit, whatever the number of rows. Rows of E4M3 codes are multiplied as they are, and their scales
// with sums over k (isa/gemm.cpp); where they lie in strips of a panel's width, nothing is copied.
#include "blocks/fp8.h"
#include "blocks/strips.h"
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

// Codes whose blocks are cut for the kernels; others are decoded.
bool multiplied_as_codes(const Kernels& kernels, std::span<const RowBlocks> parts) {
  return std::ranges::all_of(parts, [&](const RowBlocks& p) {
    return p.format == BlockFormat::f8_e4m3 && p.scale_block % kernels.code_unit == 0 &&
           p.scale_block <= kernels.block_codes && (p.strip == 0 || p.strip == kernels.panel_width);
  });
}

// A job for all rows of a with some columns of c, from `first` on, whose panels are those of a task.
struct Task {
  const Kernels& kernels;
  const GemmArgs& args;
  const GemmShape& s;
  std::span<const RowBlocks> parts;
  int64_t first_row, rows, columns;  // columns: of a tile
  const Scratch& scratch;

  void multiply(int64_t first, int64_t count, const char* panels, const CodeScales& codes) const {
    GemmJob job;
    job.m = rows, job.n = count, job.k = s.k;
    job.a = from(matrix_of(args.a), first_row, 0), job.c = from(matrix_of(args.c), first_row, first);
    job.panels = panels, job.codes = codes;
    job.bf16 = is_bf16_compute(args.compute), job.accumulate = args.accumulate;
    job.tile_m = std::min(divided_up(job.m, kernels.tile_rows) * kernels.tile_rows, kernels.max_tile_m);
    job.tile_n = columns;
    job.scratch = scratch.buffers;
    const int64_t tiles = divided_up(job.m, job.tile_m);
    scratch.unit[0] = 0, scratch.unit[1] = tiles;
    job.first_task = scratch.unit;
    for (int64_t tile = 0; tile < tiles; ++tile) kernels.gemm(job, tile, 0);
  }

  void multiply_decoded(int64_t begin, int64_t end) const {
    PackJob pack;
    pack.b = {.data = scratch.rows, .row_stride = 1, .col_stride = s.k};
    pack.k = s.k, pack.bf16 = args.compute == DType::bf16;
    const int64_t panel_bytes = int64_t(packed_bytes(kernels, s.k, kernels.panel_width, args.compute));
    for (int64_t at = begin; at < end; at += kernels.panel_width) {
      pack.n = std::min(kernels.panel_width, end - at);
      pack.panels = scratch.panels + (at - begin) / kernels.panel_width * panel_bytes;
      for (int64_t i = 0; i < pack.n; ++i) decode_row(parts, at + i, {scratch.rows + i * s.k, size_t(s.k)});
      kernels.pack(pack, 0, 0);
    }
    multiply(begin, end - begin, scratch.panels, {});
  }

  // Of each part the panels that begin in these columns.
  void multiply_codes(int64_t begin, int64_t end) const {
    for (size_t i = 0; i < parts.size(); ++i) {
      const RowBlocks& part = parts[i];
      const auto [first, last] = units_of_part(parts, i, s.n, kernels.panel_width, begin, end);
      if (first == last) continue;
      CodeScales codes{part.scales, divided_up(s.k, part.scale_block), part.scale_block, first - part.first_row};
      const auto* rows = static_cast<const char*>(part.rows) + codes.first_row * s.k;
      if (part.strip > 0) multiply(first, last - first, rows, codes);
      else multiply_plain_codes(first, last - first, rows, codes);
    }
  }
  // Rows that lie one after the other: made strips first. Kernels do not look for codes of NaN: such rows are decoded.
  void multiply_plain_codes(int64_t first, int64_t count, const char* rows, const CodeScales& codes) const {
    if (has_nan(std::as_bytes(std::span(rows, size_t(count * s.k))))) return multiply_decoded(first, first + count);
    for (int64_t at = 0; at < count; at += kernels.panel_width)
      interleave(
          info_of(BlockFormat::f8_e4m3), int(kernels.panel_width), reinterpret_cast<const std::byte*>(rows + at * s.k),
          s.k, int(std::min(kernels.panel_width, count - at)), reinterpret_cast<std::byte*>(scratch.panels + at * s.k));
    multiply(first, count, scratch.panels, codes);
  }
};

}  // namespace

UnitsOfPart units_of_part(std::span<const RowBlocks> parts, size_t i, int64_t n, int64_t unit, int64_t begin,
                          int64_t end) {
  const int64_t first_row = parts[i].first_row, part_end = i + 1 < parts.size() ? parts[i + 1].first_row : n;
  const auto unit_after = [&](int64_t column) {
    return std::min(first_row + divided_up(std::max<int64_t>(column - first_row, 0), unit) * unit, part_end);
  };
  return {unit_after(begin), unit_after(end)};
}

size_t scratch_of_block_gemm(const Kernels& kernels, int threads, const GemmArgs& args) {
  const GemmShape s = checked_gemm_shape(args);
  return measured([&](Arena& arena) { take_scratch(arena, sizes_of(kernels, s, args.compute, threads), threads); });
}

void block_gemm(const Kernels& kernels, const Context& ctx, const GemmArgs& args) {
  const GemmShape s = checked_gemm_shape(args);
  const int32_t* offsets = checked_block_offsets(args, s);
  if (s.groups == 0 || s.m == 0 || s.n == 0) return;
  const int threads = ctx.threads->count();
  const int64_t columns = task_columns(kernels, s, threads), tasks = divided_up(s.n, columns);
  const ScratchSizes sizes = sizes_of(kernels, s, args.compute, threads);
  const std::span all_parts(static_cast<const RowBlocks*>(args.b.data), size_t(s.groups * args.b.parts));
  const bool as_codes = multiplied_as_codes(kernels, all_parts);
  ArenaScope scope(*ctx.scratch);
  const Scratch all = take_scratch(*ctx.scratch, sizes, threads);
  ctx.threads->for_each(s.groups * tasks, [&](int64_t at, int thread) {
    const int64_t g = at / tasks, first = at % tasks * columns, last = std::min(s.n, first + columns);
    const int64_t begin = offsets ? offsets[g] : 0, end = offsets ? offsets[g + 1] : s.m;
    if (begin == end) return;
    const Scratch scratch = of_thread(all, sizes, thread);
    const Task task{kernels, args,        s,       all_parts.subspan(size_t(g * args.b.parts), size_t(args.b.parts)),
                    begin,   end - begin, columns, scratch};
    if (as_codes) task.multiply_codes(first, last);
    else task.multiply_decoded(first, last);
  });
}

}  // namespace minke::cpu
