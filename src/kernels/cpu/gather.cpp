// Rows by their numbers: of a plain matrix, of quantised blocks, of a packed right-hand side (an embedding that is the head).
#include <bit>
#include <cstring>

#include "blocks/blocks.h"
#include "kernels/cpu/common.h"

namespace minke::cpu {
namespace {

float* take_scratch(Arena& arena, int threads, const GatherArgs& args) {
  return take<float>(arena, args.src.packing == Packing::none ? 0 : threads * row_length(args.dst));
}

void gather_blocks(const Kernels& kernels, const Context& ctx, const GatherArgs& args) {
  const Operand &src = args.src, &dst = args.dst;
  const int64_t width = dst.shape[1], rows = limited_rows(args.num_rows, dst.shape[0]);
  check(src.stride[1] == 1 && dst.stride[1] == 1 && src.parts > 0, "gather: rows of blocks into dense rows");
  const int32_t* index = i32_data(args.index);
  const std::span parts(static_cast<const RowBlocks*>(src.data), size_t(src.parts));
  const bool dst_half = is_half(dst);
  ArenaScope scope(*ctx.scratch);
  float* decoded = take_scratch(*ctx.scratch, ctx.threads->count(), args);
  ctx.threads->for_each(rows, [&](int64_t r, int thread) {
    char* out = static_cast<char*>(dst.data) + r * dst.stride[0] * int64_t(size_of(dst.dtype));
    if (index[r] < 0) return kernels.fill_row(out, dst_half, 0, width);
    const int64_t from = bounded(index[r] / args.divisor, src.shape[0], "gather: index");
    float* row = decoded + thread * width;
    decode_row(parts, from, {row, size_t(width)});
    kernels.copy_row(out, dst_half, row, false, width);
  });
}

// Of the panels of a right-hand side [D,S] the columns: each lies in one panel, a word (of bf16: two of its values) a step.
void gather_panels(const Kernels& kernels, const Context& ctx, const GatherArgs& args) {
  const Operand &src = args.src, &dst = args.dst;
  const int64_t width = dst.shape[1], rows = limited_rows(args.num_rows, dst.shape[0]), lanes = kernels.panel_width;
  const bool pairs = src.dtype == DType::bf16, dst_half = is_half(dst);
  const int64_t panel_bytes = int64_t(packed_bytes(kernels, width, lanes, src.dtype));
  const int32_t* index = i32_data(args.index);
  ArenaScope scope(*ctx.scratch);
  float* values = take_scratch(*ctx.scratch, ctx.threads->count(), args);
  ctx.threads->for_each(rows, [&](int64_t r, int thread) {
    char* out = static_cast<char*>(dst.data) + r * dst.stride[0] * int64_t(size_of(dst.dtype));
    if (index[r] < 0) return kernels.fill_row(out, dst_half, 0, width);
    const int64_t from = bounded(index[r] / args.divisor, src.shape[1], "gather: index");
    const auto* word =
        reinterpret_cast<const uint32_t*>(static_cast<const char*>(src.data) + from / lanes * panel_bytes) +
        from % lanes;
    float* row = values + thread * width;
    if (!pairs)
      for (int64_t i = 0; i < width; ++i) row[i] = std::bit_cast<float>(word[i * lanes]);
    else
      for (int64_t i = 0; i < width; ++i)
        row[i] = std::bit_cast<float>(i % 2 ? word[i / 2 * lanes] & 0xffff0000u : word[i / 2 * lanes] << 16);
    kernels.copy_row(out, dst_half, row, false, width);
  });
}

}  // namespace

size_t scratch_of(const Kernels&, int threads, const GatherArgs& args) {
  return measured([&](Arena& arena) { take_scratch(arena, threads, args); });
}

void gather(const Kernels& kernels, const Context& ctx, const GatherArgs& args) {
  const Operand &src = args.src, &dst = args.dst;
  const bool panels = src.packing == Packing::panels;
  check(src.rank == dst.rank && (dst.rank == 1 || (dst.rank == 2 && src.shape[panels ? 0 : 1] == dst.shape[1])),
        "gather: shapes");
  check(args.divisor > 0, "gather: divisor");
  expect_shape(args.index, {dst.shape[0]}, "gather: index is [R]");
  if (src.packing == Packing::blocks) return gather_blocks(kernels, ctx, args);
  if (panels) return gather_panels(kernels, ctx, args);
  const int64_t width = dst.rank == 2 ? dst.shape[1] : 1, rows = limited_rows(args.num_rows, dst.shape[0]);
  check(width <= 1 || dst.rank == 1 || (src.stride[1] == 1 && dst.stride[1] == 1), "gather: the last axis is dense");
  const int32_t* index = i32_data(args.index);
  const bool same = src.dtype == dst.dtype;
  const bool src_half = !same && is_half(src), dst_half = !same && is_half(dst);
  const int64_t src_size = int64_t(size_of(src.dtype)), dst_size = int64_t(size_of(dst.dtype));
  in_chunks(ctx, rows, width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      char* out = static_cast<char*>(dst.data) + r * dst.stride[0] * dst_size;
      if (index[r] < 0) {
        std::memset(out, 0, size_t(width * dst_size));
        continue;
      }
      const int64_t from = bounded(index[r] / args.divisor, src.shape[0], "gather: index");
      const char* in = static_cast<const char*>(src.data) + from * src.stride[0] * src_size;
      if (same) std::memcpy(out, in, size_t(width * dst_size));
      else kernels.copy_row(out, dst_half, in, src_half, width);
    }
  });
}

}  // namespace minke::cpu
