// What the ways of a product share: gemm.cpp (plain and packed right-hand sides) and block_gemm.cpp (quantised blocks,
// decoded), integer_gemm.cpp (the same as integers).
#pragma once
#include <span>

#include "core/row_blocks.h"
#include "kernels/cpu/common.h"

namespace minke::cpu {

struct GemmShape {
  int64_t groups, m, n, k;  // m (Grouping::rows) and k (Grouping::inner) are those of all groups together
};
GemmShape checked_gemm_shape(const GemmArgs& args);
// Checked, because a wrong offset would reach memory outside the operands.
const int32_t* checked_gemm_offsets(const Operand& offsets, int64_t groups, int64_t limit);

// The matrix from this row and column on.
inline Matrix from(Matrix m, int64_t row, int64_t column) {
  m.data = static_cast<char*>(m.data) + (row * m.row_stride + column * m.col_stride) * (m.half ? 2 : 4);
  return m;
}

// Of a product with blocks: b is blocks that run along the inner axis, in no groups (null) or by row groups (their offsets).
const int32_t* checked_block_offsets(const GemmArgs& args, const GemmShape& s);

// Of the columns [begin, end) of c those where a unit (a strip, a panel) of part i begins, up to its end: [first, last). All
// tasks together have every unit once.
struct UnitsOfPart {
  int64_t first, last;
};
UnitsOfPart units_of_part(std::span<const RowBlocks> parts, size_t i, int64_t n, int64_t unit, int64_t begin,
                          int64_t end);

void block_gemm(const Kernels& kernels, const Context& ctx, const GemmArgs& args);
size_t scratch_of_block_gemm(const Kernels& kernels, int threads, const GemmArgs& args);
void integer_gemm(const Kernels& kernels, const Context& ctx, const GemmArgs& args);
size_t scratch_of_integer_gemm(const Kernels& kernels, int threads, const GemmArgs& args);

}  // namespace minke::cpu
