// gemm and pack_weight. Bound of one element: a sum of K products in f32, in any order and number of partial sums, is
// off by at most (K+2)·2^-24·Σ|a||b|; operands are rounded to `compute` alike on both sides, products of bf16 are
// exact. Storing adds 2^-24 (f32) or kBf16Out (bf16) of the value, accumulating another 2^-24 of the old one.
#include <fmt/core.h>

#include "kernels/conformance.h"

namespace minke::test {
namespace {

struct Dtypes {
  DType a, b, c, compute;
};
constexpr Dtypes kDtypes[] = {
    {DType::f32, DType::f32, DType::f32, DType::f32},    {DType::bf16, DType::bf16, DType::bf16, DType::bf16},
    {DType::f32, DType::f32, DType::f32, DType::bf16},   {DType::bf16, DType::bf16, DType::f32, DType::bf16},
    {DType::bf16, DType::f32, DType::bf16, DType::f32},  {DType::bf16, DType::f32, DType::f32, DType::bf16},
    {DType::f32, DType::bf16, DType::bf16, DType::bf16}, {DType::bf16, DType::bf16, DType::f32, DType::f32},
};

struct GemmCase {
  Grouping grouping = Grouping::none;
  int64_t M = 1, N = 1, K = 1, G = 1;
  Indices offsets;  // rows, inner
  Dtypes dtypes = kDtypes[0];
  bool accumulate = false, packed = false;
  Layout a = Layout::contiguous, b = Layout::contiguous, c = Layout::contiguous;

  std::string label() const {
    std::string text = fmt::format(
        "grouping {} M {} N {} K {} G {} a {} b {} c {} compute {}{}{} layouts {} {} {} offsets", int(grouping), M, N,
        K, G, name_of(dtypes.a), name_of(dtypes.b), name_of(dtypes.c), name_of(dtypes.compute),
        accumulate ? " accumulate" : "", packed ? " packed" : "", int(a), int(b), int(c));
    for (int64_t o : offsets) text += fmt::format(" {}", o);
    return text;
  }
};

void run_gemm(Bed& bed, const GemmCase& g) {
  const bool batch = g.grouping == Grouping::batch;
  const Indices a_shape = batch ? Indices{g.G, g.M, g.K} : Indices{g.M, g.K};
  const Indices b_shape = batch || g.grouping == Grouping::rows ? Indices{g.G, g.K, g.N} : Indices{g.K, g.N};
  const Indices c_shape = batch || g.grouping == Grouping::inner ? Indices{g.G, g.M, g.N} : Indices{g.M, g.N};
  const Values a = bed.random(a_shape), b = bed.random(b_shape), c = bed.random(c_shape);
  GemmArgs args{.compute = g.dtypes.compute, .accumulate = g.accumulate, .grouping = g.grouping};
  args.a = bed.floats(g.dtypes.a, a_shape, a, g.a);
  args.b = bed.floats(g.dtypes.b, b_shape, b, g.b);
  if (!g.offsets.empty()) args.offsets = bed.ints({g.G + 1}, g.offsets);
  // Rows beyond the last group must keep what they hold.
  const bool rows_left = g.grouping == Grouping::rows && g.offsets.back() < g.M;
  args.c = g.accumulate || rows_left ? bed.floats(g.dtypes.c, c_shape, c, g.c) : bed.unset(g.dtypes.c, c_shape, g.c);
  Values scale;
  if (bed.oracle) {
    GemmArgs sizes = args;
    sizes.a = bed.floats(g.dtypes.a, a_shape, absolute(a));
    sizes.b = bed.floats(g.dtypes.b, b_shape, absolute(b));
    Buffer sum(bed.ctx, DType::f64, c_shape);
    sum.set(g.accumulate || rows_left ? absolute(rounded_to(g.dtypes.c, c)) : Values(size_t(product_of(c_shape))));
    sizes.c = sum;
    bed.backend.gemm(bed.ctx, sizes);
    scale = sum.get();
  }
  if (g.packed) args.b = bed.packed(args.b, g.dtypes.compute);
  bed.backend.gemm(bed.ctx, args);
  bed.expect_near("c", args.c, {0, double(g.K + 4) * kU32}, scale);
}

constexpr Layout kLayouts[] = {Layout::contiguous, Layout::padded, Layout::transposed};

// Every combination of flags comes up over the grid, not at each shape.
GemmCase varied(GemmCase g, uint64_t index) {
  const RngKey key = RngKey{7, 0}.at(index);
  g.dtypes = kDtypes[key.below(0, std::size(kDtypes))];
  g.accumulate = key.below(1, 3) == 0;
  g.packed = g.grouping != Grouping::inner && key.below(2, 2) == 0;
  g.a = kLayouts[key.below(3, 3)];
  g.b = kLayouts[key.below(4, 3)];
  g.c = kLayouts[key.below(5, 2)];  // the last axis of a result has stride 1
  return g;
}

TEST_P(KernelConformance, GemmOverShapes) {
  uint64_t index = 0;
  for (int64_t M : {0, 1, 2, 7, 15, 16, 17, 33, 65})
    for (int64_t N : {1, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65})
      for (int64_t K : {0, 1, 7, 31, 32, 33, 64, 65, 129}) {
        const GemmCase g = varied({.M = M, .N = N, .K = K}, index++);
        compare(g.label(), [&](Bed& bed) { run_gemm(bed, g); });
      }
}

TEST_P(KernelConformance, GemmInEveryDtypeLayoutAndFlag) {
  for (const Dtypes& dtypes : kDtypes)
    for (Layout a : kLayouts)
      for (Layout b : kLayouts)
        for (int flags = 0; flags < 4; ++flags) {
          const GemmCase g{.M = 19,
                           .N = 35,
                           .K = 47,
                           .dtypes = dtypes,
                           .accumulate = bool(flags & 1),
                           .packed = bool(flags & 2),
                           .a = a,
                           .b = b,
                           .c = Layout::padded};
          compare(g.label(), [&](Bed& bed) { run_gemm(bed, g); });
        }
}

// Larger than any cache block, so that blocking over every axis happens.
TEST_P(KernelConformance, GemmLarge) {
  for (size_t d = 0; d < std::size(kDtypes); ++d) {
    const GemmCase g{.M = 131,
                     .N = 261,
                     .K = 1061,
                     .dtypes = kDtypes[d],
                     .accumulate = d % 2 == 1,
                     .packed = d % 3 == 0,
                     .a = kLayouts[d % 3],
                     .b = kLayouts[(d + 1) % 3]};
    compare(g.label(), [&](Bed& bed) { run_gemm(bed, g); });
  }
}

TEST_P(KernelConformance, GemmBatch) {
  uint64_t index = 1000;
  for (int64_t G : {0, 1, 3})
    for (int64_t M : {0, 1, 17, 33})
      for (int64_t N : {1, 16, 33})
        for (int64_t K : {1, 32, 65}) {
          const GemmCase g = varied({.grouping = Grouping::batch, .M = M, .N = N, .K = K, .G = G}, index++);
          compare(g.label(), [&](Bed& bed) { run_gemm(bed, g); });
        }
}

const Indices kOffsets[] = {
    // empty groups first, in the middle, last; all empty; rows left over
    {0, 5, 5, 22, 40}, {0, 0, 0, 0, 40},    {0, 40, 40, 40, 40}, {0, 0, 0, 0, 0},
    {0, 1, 2, 3, 4},   {0, 16, 32, 33, 40}, {0, 0, 17, 17, 34},
};

TEST_P(KernelConformance, GemmRowGroups) {
  uint64_t index = 2000;
  for (const Indices& offsets : kOffsets)
    for (int64_t N : {1, 16, 33})
      for (int64_t K : {1, 32, 65})
        for (int variant = 0; variant < 3; ++variant) {
          const GemmCase g =
              varied({.grouping = Grouping::rows, .M = 40, .N = N, .K = K, .G = 4, .offsets = offsets}, index++);
          compare(g.label(), [&](Bed& bed) { run_gemm(bed, g); });
        }
}

TEST_P(KernelConformance, GemmInnerGroups) {
  uint64_t index = 3000;
  for (const Indices& offsets : kOffsets)
    for (int64_t M : {1, 17, 33})
      for (int64_t N : {1, 16, 33})
        for (int variant = 0; variant < 3; ++variant) {
          GemmCase g =
              varied({.grouping = Grouping::inner, .M = M, .N = N, .K = 40, .G = 4, .offsets = offsets}, index++);
          compare(g.label(), [&](Bed& bed) { run_gemm(bed, g); });
        }
}

// ---- the reduction rule: c[m,n] has the same bits whatever else is computed with it
// -----------------------------------

struct Square {
  int64_t M, N, K;
  DType compute;
  Values a, b;
};

// Element (m,n) of the result of rows [m0,m1) and columns [n0,n1), as computed by `how`.
enum class How { plain, packed, batch, rows, inner, transposed_a, transposed_b };

void part(Bed& bed, const Square& s, int64_t m0, int64_t m1, int64_t n0, int64_t n1, How how) {
  const auto dtype = s.compute;
  const Operand whole_a =
      bed.floats(dtype, {s.M, s.K}, s.a, how == How::transposed_a ? Layout::transposed : Layout::contiguous);
  const Operand whole_b =
      bed.floats(dtype, {s.K, s.N}, s.b, how == How::transposed_b ? Layout::transposed : Layout::contiguous);
  GemmArgs g{.a = whole_a.slice(0, m0, m1), .b = whole_b.slice(1, n0, n1), .compute = dtype};
  const int64_t M = m1 - m0, N = n1 - n0;
  const Operand c = bed.unset(DType::f32, {M, N});
  g.c = c;
  const auto with_groups = [&](Operand o) {  // one group in front
    for (int d = o.rank; d > 0; --d)
      o.shape[size_t(d)] = o.shape[size_t(d) - 1], o.stride[size_t(d)] = o.stride[size_t(d) - 1];
    o.shape[0] = 1, o.stride[0] = 0;
    o.rank++;
    return o;
  };
  if (how == How::packed) g.b = bed.packed(g.b, dtype);
  if (how == How::batch)
    g.grouping = Grouping::batch, g.a = with_groups(g.a), g.b = with_groups(g.b), g.c = with_groups(g.c);
  if (how == How::rows) {  // rows dealt to three groups that share one weight
    g.grouping = Grouping::rows;
    g.b = with_groups(g.b);
    g.b.shape[0] = 3;
    g.offsets = bed.ints({4}, {0, M / 3, M / 3, M});
  }
  if (how == How::inner) {
    g.grouping = Grouping::inner;
    g.c = with_groups(g.c);
    g.offsets = bed.ints({2}, {0, s.K});
  }
  bed.backend.gemm(bed.ctx, g);
  bed.expect_equal("c", c);
}

TEST_P(KernelConformance, ReductionRuleOfGemm) {
  for (DType compute : {DType::f32, DType::bf16})
    for (int64_t K : {5, 64, 333}) {
      Square s{70, 83, K, compute, {}, {}};
      s.a = normals(RngKey{1, 1}, s.M * K);
      s.b = normals(RngKey{1, 2}, s.N * K);
      const auto run = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1, How how, int threads) {
        return run_tested([&](Bed& bed) { part(bed, s, m0, m1, n0, n1, how); }, threads);
      };
      const Values whole = run(0, s.M, 0, s.N, How::plain, 1);
      const auto same = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1, How how, int threads) {
        Values expected;
        for (int64_t m = m0; m < m1; ++m)
          for (int64_t n = n0; n < n1; ++n) expected.push_back(whole[size_t(m * s.N + n)]);
        EXPECT_TRUE(all_identical(run(m0, m1, n0, n1, how, threads), expected))
            << name_of(compute) << " K " << K << " rows " << m0 << "…" << m1 << " columns " << n0 << "…" << n1
            << " how " << int(how) << " threads " << threads;
      };
      for (How how : {How::plain, How::packed, How::batch, How::rows, How::inner, How::transposed_a, How::transposed_b})
        for (int threads : {1, 3}) {
          same(0, s.M, 0, s.N, how, threads);
          same(3, 4, 0, s.N, how, threads);
          same(0, s.M, 17, 18, how, threads);
          same(11, 28, 5, 38, how, threads);
          same(1, 7, 32, 64, how, threads);
        }
    }
}

}  // namespace
}  // namespace minke::test
