// Products with weights in blocks of integers, activations in 8 bits (isa/integer_gemm.cpp). The rows of a are rounded once, then
// a task takes some rows of the weight.
#include "blocks/grids.h"
#include "blocks/strips.h"
#include "kernels/cpu/gemm.h"

namespace minke::cpu {
namespace {

struct Scratch {
  IntegerGroup* a;  // [m+1,row_groups(k)]
  int32_t* groups;  // those that have rows
  char* buffers;
};
int64_t buffer_bytes(const Kernels& kernels, const GemmShape& s) {
  int64_t most = 0;  // of a row in any format
  for (const BlockFormatInfo& info : block_formats())
    if (info.group > 0) most = std::max(most, divided_up(s.k, info.block_elements) * info.block_bytes);
  return divided_up(kernels.integer_bytes(most), 64) * 64;
}
Scratch take_scratch(Arena& arena, const Kernels& kernels, const GemmShape& s, int threads) {
  return {take<IntegerGroup>(arena, (s.m + 1) * row_groups(s.k)), take<int32_t>(arena, s.groups),
          take<char>(arena, threads * buffer_bytes(kernels, s))};
}

StripRows strip_rows(const RowBlocks& part, int64_t first, int64_t n) {
  const BlockFormatInfo& info = info_of(part.format);
  check(info.group > 0, "gemm: blocks of integers are multiplied in 8 bits");
  return {.data = static_cast<const uint8_t*>(part.rows) + (first - part.first_row) * part.row_bytes,
          .row_bytes = part.row_bytes,
          .n = n,
          .format = part.format,
          .block_elements = int(info.block_elements),
          .block_bytes = int(info.block_bytes),
          .head = strip_layout(info).head,
          .interleaved = part.strip > 0,
          .codes = gguf::grid_codes(part.format)};
}

}  // namespace

size_t scratch_of_integer_gemm(const Kernels& kernels, int threads, const GemmArgs& args) {
  const GemmShape s = checked_gemm_shape(args);
  return measured([&](Arena& arena) { take_scratch(arena, kernels, s, threads); });
}

void integer_gemm(const Kernels& kernels, const Context& ctx, const GemmArgs& args) {
  const GemmShape s = checked_gemm_shape(args);
  const int32_t* offsets = checked_block_offsets(args, s);
  check(s.k % 32 == 0, "gemm: in 8 bits rows are whole groups of 32");
  if (s.groups == 0 || s.m == 0 || s.n == 0) return;
  const int threads = ctx.threads->count();
  ArenaScope scope(*ctx.scratch);
  const Scratch scratch = take_scratch(*ctx.scratch, kernels, s, threads);
  const Matrix a = matrix_of(args.a), c = matrix_of(args.c);
  in_chunks(ctx, offsets ? offsets[s.groups] : s.m, s.k,
            [&](int64_t begin, int64_t end) { kernels.round_to_integers(a, s.k, scratch.a, begin, end); });

  int64_t groups = 0;
  for (int64_t g = 0; g < s.groups; ++g)
    if (!offsets || offsets[g] < offsets[g + 1]) scratch.groups[groups++] = int32_t(g);
  // Whole strips, several tasks for every thread.
  const int64_t wanted = divided_up(groups * s.n, int64_t(threads) * 4);
  const int64_t unit = kernels.strip * kernels.strips;
  const int64_t columns = std::min(divided_up(std::max<int64_t>(wanted, 1), unit) * unit, kernels.max_integer_columns);
  const int64_t tasks = divided_up(s.n, columns), bytes = buffer_bytes(kernels, s);
  ctx.threads->for_each(groups * tasks, [&](int64_t task, int thread) {
    const int64_t g = scratch.groups[task / tasks], begin = task % tasks * columns,
                  end = std::min(s.n, (task % tasks + 1) * columns);
    const int64_t row = offsets ? offsets[g] : 0;
    IntegerJob job;
    job.m = offsets ? offsets[g + 1] - row : s.m, job.k = s.k, job.accumulate = args.accumulate;
    job.a = scratch.a + row * row_groups(s.k);
    job.scratch = scratch.buffers + thread * bytes;
    const std::span parts(static_cast<const RowBlocks*>(args.b.data) + g * args.b.parts, size_t(args.b.parts));
    for (size_t i = 0; i < parts.size(); ++i) {
      const RowBlocks& part = parts[i];
      const auto [first, last] = units_of_part(parts, i, s.n, kernels.strip, begin, end);
      if (first == last) continue;
      check(part.strip == 0 || part.strip == kernels.strip, "gemm: strips of another instruction set");
      job.b = strip_rows(part, first, last - first);
      job.c = from(c, row, first);
      kernels.integer_gemm(job);
    }
  });
}

}  // namespace minke::cpu
