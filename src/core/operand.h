// Operand: the description of a tensor for kernels: address, element type, shape, strides, packing. It owns
// nothing. Only kernels dereference the address: on a GPU, or with the poison backend of the tests, the host cannot.
// Strides count elements. Tested in tests/core/operand_test.cpp.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "core/error.h"
#include "core/types.h"
#include "core/view.h"

namespace minke {

enum class Packing : uint8_t {
  none,  // plain strided
  panels,  // a GEMM right-hand side in the backend's own order (Backend::pack_weight); shape is the logical [K,N] or [G,K,N]
  // Rows of quantised blocks: data is an array of RowBlocks (core/row_blocks.h), `parts` of them for the matrix, or for each
  // matrix of a group, first rows ascending; dtype is u8. Shape [rows,columns] or [G,rows,columns], or transposed: the axis
  // that blocks run along has the stride 1, that of rows the stride `columns`.
  blocks,
};

struct Operand {
  static constexpr int kMaxRank = 4;
  void* data = nullptr;
  std::array<int64_t, kMaxRank> shape{};
  std::array<int64_t, kMaxRank> stride{};
  int32_t parts = 0;  // Packing::blocks
  int8_t rank = 0;
  DType dtype = DType::f32;
  Packing packing = Packing::none;

  explicit operator bool() const { return data != nullptr; }

  int64_t size() const {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= shape[d];
    return n;
  }
  size_t bytes() const { return size_t(size()) * size_of(dtype); }
  bool is_contiguous() const {
    int64_t expected = 1;
    for (int d = rank - 1; d >= 0; --d) {
      if (shape[d] != 1 && stride[d] != expected) return false;
      expected *= shape[d];
    }
    return true;
  }

  template <class T, int Rank> View<T, Rank> view() const {
    check(dtype == DTypeOf<std::remove_const_t<T>>::value && rank == Rank, "Operand::view: wrong dtype or rank");
    View<T, Rank> v{static_cast<T*>(data), {}, {}};
    for (int d = 0; d < Rank; ++d) v.shape[d] = shape[d], v.stride[d] = stride[d];
    return v;
  }

  // [begin, end) along one axis.
  Operand slice(int axis, int64_t begin, int64_t end) const {
    check(axis < rank && 0 <= begin && begin <= end && end <= shape[axis] && packing == Packing::none,
          "Operand::slice");
    Operand o = *this;
    o.data = static_cast<std::byte*>(data) + begin * stride[axis] * int64_t(size_of(dtype));
    o.shape[axis] = end - begin;
    return o;
  }
  // One index along an axis; the axis disappears.
  Operand at(int axis, int64_t index) const {
    Operand o = slice(axis, index, index + 1);
    o.remove_axis(axis);
    return o;
  }
  Operand transposed(int a = 0, int b = 1) const {
    check(a < rank && b < rank && packing != Packing::panels, "Operand::transposed");
    Operand o = *this;
    std::swap(o.shape[a], o.shape[b]);
    std::swap(o.stride[a], o.stride[b]);
    return o;
  }
  // Splits an axis of n = outer · inner elements into two.
  Operand split(int axis, int64_t inner) const {
    check(axis < rank && rank < kMaxRank && inner > 0 && shape[axis] % inner == 0 && packing == Packing::none,
          "Operand::split");
    Operand o = *this;
    for (int d = rank; d > axis + 1; --d) o.shape[d] = shape[d - 1], o.stride[d] = stride[d - 1];
    o.shape[axis] = shape[axis] / inner;
    o.stride[axis] = stride[axis] * inner;
    o.shape[axis + 1] = inner;
    o.stride[axis + 1] = stride[axis];
    o.rank++;
    return o;
  }
  // Merges an axis with the next one; they must be laid out as one.
  Operand merged(int axis) const {
    check(axis + 1 < rank && (stride[axis] == shape[axis + 1] * stride[axis + 1] || shape[axis] <= 1),
          "Operand::merged");
    Operand o = *this;
    o.shape[axis] = shape[axis] * shape[axis + 1];
    o.stride[axis] = stride[axis + 1];
    o.remove_axis(axis + 1);
    return o;
  }

  // All elements of a contiguous operand in one axis.
  Operand flat() const {
    check(is_contiguous() && packing == Packing::none, "Operand::flat");
    return of(data, dtype, {size()});
  }

  static Operand of(void* data, DType dtype, std::initializer_list<int64_t> shape) {
    check(shape.size() <= size_t(kMaxRank), "Operand::of: rank");
    Operand o;
    o.data = data;
    o.dtype = dtype;
    for (int64_t s : shape) o.shape[o.rank++] = s;
    int64_t stride = 1;
    for (int d = o.rank - 1; d >= 0; --d) o.stride[d] = stride, stride *= o.shape[d];
    return o;
  }

 private:
  void remove_axis(int axis) {
    rank--;
    for (int d = axis; d < rank; ++d) shape[d] = shape[d + 1], stride[d] = stride[d + 1];
    shape[rank] = stride[rank] = 0;  // shapes are compared as whole arrays
  }
};

}  // namespace minke
