// View<T, Rank>: a strided array with known bounds, not owned. Used by host code, the reference kernels and tests; kernels
// get it from an Operand (core/operand.h). Strides count elements. Tested in tests/core/operand_test.cpp.
#pragma once
#include <array>
#include <cstdint>

namespace minke {

template <class T, int Rank> struct View {
  T* data = nullptr;
  std::array<int64_t, Rank> shape{};
  std::array<int64_t, Rank> stride{};

  template <class... Index> T& operator()(Index... index) const {
    static_assert(sizeof...(Index) == Rank);
    const std::array<int64_t, Rank> at{int64_t(index)...};
    int64_t offset = 0;
    for (int d = 0; d < Rank; ++d) offset += at[d] * stride[d];
    return data[offset];
  }
};

}  // namespace minke
