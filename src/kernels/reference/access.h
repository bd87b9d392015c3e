// How the reference kernels read and write operands: any floating dtype comes in as the scalar S the op computes in
// (double for f64 operands, else float) and is rounded once on the way out. Speed is no aim here; being right is.
// Tested through tests/kernels/.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <vector>

#include "blocks/blocks.h"
#include "core/error.h"
#include "core/latent_row.h"
#include "core/operand.h"
#include "kernels/backend.h"

namespace minke::reference {

// Calls f(S{}) with the scalar for operands of this dtype.
template <class F> void with_scalar(DType dtype, F&& f) {
  if (dtype == DType::f64) f(double{});
  else f(float{});
}

// An index in [0, n), checked: a wrong index in a table of experts or tokens must not reach memory.
inline int64_t bounded(int64_t index, int64_t n, const char* what) {
  if (!(0 <= index && index < n)) throw BugError(fmt::format("{}: index {} outside [0, {})", what, index, n));
  return index;
}

inline void expect_shape(const Operand& o, std::initializer_list<int64_t> shape, const char* what) {
  check(o.rank == int8_t(shape.size()) && std::equal(shape.begin(), shape.end(), o.shape.begin()), what);
}

template <class S> S load_at(const Operand& o, int64_t offset) {
  switch (o.dtype) {
    case DType::f64: return S(static_cast<const double*>(o.data)[offset]);
    case DType::f32: return S(static_cast<const float*>(o.data)[offset]);
    case DType::bf16: return S(float(static_cast<const bf16*>(o.data)[offset]));
    case DType::f16: return S(float(static_cast<const f16*>(o.data)[offset]));
    case DType::i32: return S(static_cast<const int32_t*>(o.data)[offset]);
    default: throw BugError("reference: unreadable dtype");
  }
}

template <class S> void store_at(const Operand& o, int64_t offset, S value) {
  switch (o.dtype) {
    case DType::f64: static_cast<double*>(o.data)[offset] = double(value); break;
    case DType::f32: static_cast<float*>(o.data)[offset] = float(value); break;
    case DType::bf16: static_cast<bf16*>(o.data)[offset] = bf16(float(value)); break;
    case DType::i32: static_cast<int32_t*>(o.data)[offset] = int32_t(value); break;
    default: throw BugError("reference: unwritable dtype");
  }
}

template <class... Index> int64_t offset_of(const Operand& o, Index... index) {
  check(int(sizeof...(index)) == o.rank && o.packing == Packing::none, "reference: rank of an operand");
  const int64_t at[] = {int64_t(index)...};
  int64_t offset = 0;
  for (int d = 0; d < o.rank; ++d) offset += at[d] * o.stride[d];
  return offset;
}

template <class S, class... Index> S load(const Operand& o, Index... index) {
  return load_at<S>(o, offset_of(o, index...));
}
template <class S, class... Index> void store(const Operand& o, S value, Index... index) {
  store_at<S>(o, offset_of(o, index...), value);
}
template <class... Index> int64_t load_index(const Operand& o, Index... index) {
  check(o.dtype == DType::i32, "reference: an index operand is i32");
  return static_cast<const int32_t*>(o.data)[offset_of(o, index...)];
}

// Offset of element `flat` in row-major order of the logical shape, over the first `axes` axes.
inline int64_t flat_offset(const Operand& o, int64_t flat, int axes) {
  check(o.packing == Packing::none, "reference: a packed operand outside gemm");
  int64_t offset = 0;
  for (int d = axes - 1; d >= 0; --d) {
    offset += flat % o.shape[d] * o.stride[d];
    flat /= o.shape[d];
  }
  return offset;
}
template <class S> S load_flat(const Operand& o, int64_t flat) { return load_at<S>(o, flat_offset(o, flat, o.rank)); }
template <class S> void store_flat(const Operand& o, int64_t flat, S value) {
  store_at<S>(o, flat_offset(o, flat, o.rank), value);
}

// Rows are the last axis; the axes before it are counted as one.
inline int64_t row_length(const Operand& o) { return o.shape[o.rank - 1]; }
inline int64_t num_rows(const Operand& o) {
  int64_t n = 1;
  for (int d = 0; d + 1 < o.rank; ++d) n *= o.shape[d];
  return n;
}
template <class S> std::vector<S> load_row(const Operand& o, int64_t row) {
  const int64_t begin = flat_offset(o, row, o.rank - 1);
  std::vector<S> values(row_length(o));
  for (size_t i = 0; i < values.size(); ++i) values[i] = load_at<S>(o, begin + int64_t(i) * o.stride[o.rank - 1]);
  return values;
}
template <class S> void store_row(const Operand& o, int64_t row, const std::vector<S>& values) {
  const int64_t begin = flat_offset(o, row, o.rank - 1);
  for (size_t i = 0; i < values.size(); ++i) store_at<S>(o, begin + int64_t(i) * o.stride[o.rank - 1], values[i]);
}

// The value a product sees: rounded to the compute dtype.
template <class S> S rounded(S x, DType compute) {
  switch (compute) {
    case DType::f64: return x;
    case DType::f32: return S(float(x));
    case DType::bf16: return S(float(bf16(float(x))));
    default: throw BugError("reference: compute must be f64, f32 or bf16");
  }
}
template <class S> std::vector<S> rounded(std::vector<S> values, DType compute) {
  for (S& v : values) v = rounded(v, compute);
  return values;
}

template <class S> S dot(const S* a, const S* b, int64_t n) {
  S sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// The values of Packing::blocks, [rows,columns] of one group, as plain rows.
inline std::vector<float> decoded(const Operand& o, int64_t group, int64_t rows, int64_t columns) {
  std::vector<float> values(size_t(rows * columns));
  const std::span parts(static_cast<const RowBlocks*>(o.data) + group * o.parts, size_t(o.parts));
  for (int64_t row = 0; row < rows; ++row) decode_row(parts, row, {values.data() + row * columns, size_t(columns)});
  return values;
}

// The values of a row of the FP8 cache, exact: the latent, then the rotary key.
std::vector<float> latent_and_rope(const Operand& cache, int64_t slot, const LatentRow& layout);

// Rows an op with an optional device-side count has to do.
inline int64_t limited_rows(const Operand& count, int64_t rows) {
  return count ? std::min(rows, load_index(count, 0)) : rows;
}

// Every operation of kernels/ops.h, by name.
#define MINKE_DECLARE_REFERENCE(op, Args) void op(const Context& ctx, const Args& args);
MINKE_OPS(MINKE_DECLARE_REFERENCE)
#undef MINKE_DECLARE_REFERENCE
size_t packed_bytes(int64_t k, int64_t n, DType compute);

}  // namespace minke::reference
