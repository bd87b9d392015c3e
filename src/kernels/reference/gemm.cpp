// c = a · b in plain loops, each c[m,n] summed over k from 0 upwards in the scalar. The packed form of a right-hand
// side is a row-major copy in the compute dtype.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/reference/access.h"

namespace minke::reference {
namespace {

Operand packed_group(const Operand& b, int64_t group) {
  const int64_t k = b.shape[b.rank - 2], n = b.shape[b.rank - 1];
  auto* data = static_cast<std::byte*>(b.data) + group * int64_t(packed_bytes(k, n, b.dtype));
  return Operand::of(data, b.dtype, {k, n});
}

// Group g of a right-hand side of rank 3, plain or packed; g = 0 of one of rank 2. `values` keeps what blocks become.
Operand right_group(const Operand& b, int64_t g, std::vector<float>& values) {
  if (b.packing == Packing::panels) return packed_group(b, g);
  if (b.packing == Packing::none) return b.rank == 3 ? b.at(0, g) : b;
  const int64_t k = b.shape[b.rank - 2], n = b.shape[b.rank - 1];
  check(b.stride[b.rank - 2] == 1, "gemm: blocks run along the inner axis");
  values = decoded(b, g, n, k);
  return Operand::of(values.data(), DType::f32, {n, k}).transposed();
}

// E4M3 is multiplied as it is, in products of any format.
bool is_codes(const Operand& b) {
  return b.packing == Packing::blocks && static_cast<const RowBlocks*>(b.data)->format == BlockFormat::f8_e4m3;
}

// The row as 8-bit integers with a scale for each 32 (GemmArgs::compute = i8), times the scale again.
template <class S> std::vector<S> rounded_to_integers(std::vector<S> row) {
  check(row.size() % 32 == 0, "gemm: in 8 bits rows are whole groups of 32");
  for (size_t group = 0; group < row.size(); group += 32) {
    float most = 0, nothing = 0;
    for (size_t k = group; k < group + 32; ++k)
      most = std::max(most, std::fabs(float(row[k]))), nothing += 0 * float(row[k]);
    const bool zero = most < 0x1p-100f;
    const float times = zero ? 0.0f : 127.0f / most, scale = (zero ? 0.0f : most / 127.0f) + nothing;
    for (size_t k = group; k < group + 32; ++k) row[k] = S(scale) * S(std::nearbyint(float(row[k]) * times));
  }
  return row;
}

// right_type: what the values of b are rounded to.
template <class S>
void product(const Operand& a, const Operand& b, const Operand& c, DType compute, DType right_type, bool accumulate) {
  const int64_t M = c.shape[0], N = c.shape[1], K = a.shape[1];
  expect_shape(a, {M, K}, "gemm: a");
  expect_shape(b, {K, N}, "gemm: b");
  const bool in_integers = compute == DType::i8;
  std::vector<S> right(size_t(K) * size_t(N));
  for (int64_t k = 0; k < K; ++k)
    for (int64_t n = 0; n < N; ++n) right[size_t(k * N + n)] = rounded(load<S>(b, k, n), right_type);
  for (int64_t m = 0; m < M; ++m) {
    const std::vector<S> left =
        in_integers ? rounded_to_integers(load_row<S>(a, m)) : rounded(load_row<S>(a, m), compute);
    std::vector<S> sum(static_cast<size_t>(N));
    for (int64_t k = 0; k < K; ++k)
      for (int64_t n = 0; n < N; ++n) sum[size_t(n)] += left[size_t(k)] * right[size_t(k * N + n)];
    if (accumulate)
      for (int64_t n = 0; n < N; ++n) sum[size_t(n)] += load<S>(c, m, n);
    store_row(c, m, sum);
  }
}

std::vector<int64_t> load_offsets(const Operand& offsets, int64_t groups, int64_t limit) {
  expect_shape(offsets, {groups + 1}, "gemm: offsets");
  std::vector<int64_t> result;
  for (int64_t g = 0; g <= groups; ++g) {
    result.push_back(bounded(load_index(offsets, g), limit + 1, "gemm: offsets"));
    check(result[size_t(g)] >= result[size_t(g ? g - 1 : 0)], "gemm: offsets ascend");
  }
  check(result[0] == 0, "gemm: offsets start at 0");
  return result;
}

template <class S> void grouped(const GemmArgs& g) {
  std::vector<float> values;
  const auto right = [&](int64_t i) { return right_group(g.b, i, values); };
  const DType right_type = g.compute == DType::i8 || is_codes(g.b) ? DType::f32 : g.compute;
  const auto one = [&](const Operand& a, const Operand& b, const Operand& c) {
    product<S>(a, b, c, g.compute, right_type, g.accumulate);
  };
  switch (g.grouping) {
    case Grouping::none:
      check(g.c.rank == 2 && g.a.rank == 2 && g.b.rank == 2, "gemm: ranks without groups");
      one(g.a, right(0), g.c);
      break;
    case Grouping::batch:
      check(g.c.rank == 3 && g.a.rank == 3 && g.b.rank == 3, "gemm: ranks of a batch");
      check(g.a.shape[0] == g.c.shape[0] && g.b.shape[0] == g.c.shape[0], "gemm: groups of a batch");
      for (int64_t i = 0; i < g.c.shape[0]; ++i) one(g.a.at(0, i), right(i), g.c.at(0, i));
      break;
    case Grouping::rows: {
      check(g.c.rank == 2 && g.a.rank == 2 && g.b.rank == 3 && g.a.shape[0] == g.c.shape[0],
            "gemm: ranks of row groups");
      const auto offsets = load_offsets(g.offsets, g.b.shape[0], g.c.shape[0]);
      for (int64_t i = 0; i < g.b.shape[0]; ++i) {
        const int64_t begin = offsets[size_t(i)], end = offsets[size_t(i) + 1];
        one(g.a.slice(0, begin, end), right(i), g.c.slice(0, begin, end));
      }
      break;
    }
    case Grouping::inner: {
      check(g.c.rank == 3 && g.a.rank == 2 && g.b.rank == 2 && g.a.shape[1] == g.b.shape[0],
            "gemm: ranks of inner groups");
      const auto offsets = load_offsets(g.offsets, g.c.shape[0], g.b.shape[0]);
      for (int64_t i = 0; i < g.c.shape[0]; ++i) {
        const int64_t begin = offsets[size_t(i)], end = offsets[size_t(i) + 1];
        one(g.a.slice(1, begin, end), g.b.slice(0, begin, end), g.c.at(0, i));
      }
      break;
    }
  }
}

}  // namespace

void gemm(const Context&, const GemmArgs& args) {
  check(args.compute != DType::i8 || args.b.packing == Packing::blocks, "gemm: in 8 bits b is blocks");
  check(args.b.packing != Packing::panels || args.b.dtype == args.compute, "gemm: packed for another compute dtype");
  with_scalar(args.c.dtype, [&](auto scalar) { grouped<decltype(scalar)>(args); });
}

size_t packed_bytes(int64_t k, int64_t n, DType compute) { return size_t(k) * size_t(n) * size_of(compute); }

void pack_weight(const Context&, const PackWeightArgs& args) {
  const Operand& b = args.b;
  check(args.packed.packing == Packing::panels && args.packed.dtype == args.compute, "pack_weight: packed operand");
  check(b.rank == args.packed.rank && b.shape == args.packed.shape && (b.rank == 2 || b.rank == 3),
        "pack_weight: shapes");
  for (int64_t g = 0; g < (b.rank == 3 ? b.shape[0] : 1); ++g) {
    const Operand plain = b.rank == 3 ? b.at(0, g) : b, packed = packed_group(args.packed, g);
    for (int64_t i = 0; i < plain.size(); ++i) store_flat(packed, i, load_flat<double>(plain, i));
  }
}

}  // namespace minke::reference
