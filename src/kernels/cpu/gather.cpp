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

// Of `count` rows that are no plain matrix: decode(number, f32 values) gives one.
template <class F>
void gather_decoded(const Kernels& kernels, const Context& ctx, const GatherArgs& args, int64_t count, F&& decode) {
  const Operand& dst = args.dst;
  const int64_t width = dst.shape[1], rows = limited_rows(args.num_rows, dst.shape[0]);
  const int32_t* index = i32_data(args.index);
  const bool dst_half = is_half(dst);
  ArenaScope scope(*ctx.scratch);
  float* decoded = take_scratch(*ctx.scratch, ctx.threads->count(), args);
  ctx.threads->for_each(rows, [&](int64_t r, int thread) {
    char* out = static_cast<char*>(dst.data) + r * dst.stride[0] * int64_t(size_of(dst.dtype));
    if (index[r] < 0) return kernels.fill_row(out, dst_half, 0, width);
    const std::span row(decoded + thread * width, size_t(width));
    decode(bounded(index[r] / args.divisor, count, "gather: index"), row);
    kernels.copy_row(out, dst_half, row.data(), false, width);
  });
}

void gather_blocks(const Kernels& kernels, const Context& ctx, const GatherArgs& args) {
  const Operand& src = args.src;
  check(src.stride[1] == 1 && args.dst.stride[1] == 1 && src.parts > 0, "gather: rows of blocks into dense rows");
  const std::span parts(static_cast<const RowBlocks*>(src.data), size_t(src.parts));
  gather_decoded(kernels, ctx, args, src.shape[0],
                 [&](int64_t from, std::span<float> row) { decode_row(parts, from, row); });
}

// Of the panels of a right-hand side [D,S] the columns: each lies in one panel, a word (of bf16: two of its values) a step.
void gather_panels(const Kernels& kernels, const Context& ctx, const GatherArgs& args) {
  const Operand& src = args.src;
  check(args.dst.stride[1] == 1, "gather: columns of panels into dense rows");
  const int64_t lanes = kernels.panel_width;
  const auto panel_bytes = int64_t(packed_bytes(kernels, src.shape[0], lanes, src.dtype));
  const bool pairs = src.dtype == DType::bf16;
  gather_decoded(kernels, ctx, args, src.shape[1], [&](int64_t from, std::span<float> row) {
    const char* panel = static_cast<const char*>(src.data) + from / lanes * panel_bytes;
    const auto* word = reinterpret_cast<const uint32_t*>(panel) + from % lanes;
    for (size_t i = 0; i < row.size(); ++i) {
      const uint32_t w = word[int64_t(pairs ? i / 2 : i) * lanes];
      row[i] = std::bit_cast<float>(!pairs ? w : i % 2 ? w & 0xffff0000u : w << 16);
    }
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
