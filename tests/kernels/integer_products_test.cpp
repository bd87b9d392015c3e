// Products in 8 bits with blocks of integers. Oracles: the reference backend in f64, whose rounding of a is its own code; and
// each other, bit for bit: few rows and many, any threads, every instruction set with FMA.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/compare.h"
#include "support/emulated.h"
#include "support/random.h"
#include "support/random_blocks.h"

namespace minke::test {
namespace {

constexpr auto kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<BlockFormat> integer_formats() {
  std::vector<BlockFormat> all;
  for (const BlockFormatInfo& info : block_formats())
    if (info.group > 0) all.push_back(info.format);
  return all;
}

struct Product {
  const RandomBlocks& b;
  Values x;
  std::vector<int32_t> offsets{};
  DType in = DType::f32, out = DType::f32;
  bool accumulate = false;
  Layout layout = Layout::contiguous;
};
Values result(Backend& backend, int threads, const Product& p) {
  const TestContext ctx(backend, threads);
  const Operand right = product_side(p.b.blocks());
  const int64_t k = right.shape[right.rank - 2], n = right.shape[right.rank - 1], m = int64_t(p.x.size()) / k;
  Buffer a(ctx, p.in, {m, k}, p.layout), c(ctx, p.out, {m, n}, p.layout),
      o(ctx, DType::i32, {int64_t(p.offsets.size())});
  a.set(p.x), c.set(Values(size_t(m * n), 0.25));
  if (!p.offsets.empty()) o.set(Values(p.offsets.begin(), p.offsets.end()));
  backend.gemm(ctx, {.a = a,
                     .b = right,
                     .c = c,
                     .compute = DType::i8,
                     .accumulate = p.accumulate,
                     .grouping = p.offsets.empty() ? Grouping::none : Grouping::rows,
                     .offsets = p.offsets.empty() ? Operand{} : o.operand()});
  EXPECT_TRUE(c.surroundings_intact());
  return c.get();
}
Values rows_of(const Values& all, int64_t width, int64_t first, int64_t count) {
  return {all.begin() + first * width, all.begin() + (first + count) * width};
}

class IntegerProducts : public ::testing::TestWithParam<std::string> {
 protected:
  Backend& backend() { return tested_backend(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Isa, IntegerProducts, ::testing::ValuesIn(tested_isas()),
                         [](const auto& info) { return info.param; });

TEST_P(IntegerProducts, AreThoseOfTheReferenceForEveryFormat) {
  constexpr int64_t k = 768, m = 11;
  for (const BlockFormat format : integer_formats()) {
    const RandomBlocks b(format, 1, {37, 14}, k, uint64_t(format));
    const int64_t n = 51;
    Product p{b, normals(RngKey{7, uint64_t(format)}, m * k)};
    const Values got = result(backend(), 2, p);
    p.out = DType::f64;
    const Values want = result(reference_backend(), 1, p);
    Values sizes(size_t(m * n));
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t e = 0; e < k; ++e)
          sizes[size_t(i * n + j)] += std::fabs(p.x[size_t(i * k + e)]) * double(b.sizes()[size_t(j * k + e)]) * 1.01;
    // Two roundings for each of the k/16 groups at most, a product of scales in each, and what decoding rounds.
    ASSERT_TRUE(all_near(got, want, {.rtol = (2 * k / 16 + 6) * 0x1p-24}, sizes)) << info_of(format).name;
  }
}

TEST_P(IntegerProducts, HaveTheBitsOfOneRowAloneForAnyNumberOfRowsAndThreads) {
  constexpr int64_t k = 512;
  for (const BlockFormat format : integer_formats()) {
    const RandomBlocks b(format, 1, {70, 1, 32}, k, uint64_t(format) + 100);
    const Values x = normals(RngKey{8, uint64_t(format)}, 41 * k);
    const Values all = result(backend(), 3, {b, x});
    for (const int64_t m : {1, 2, 3, 4, 5, 8, 9, 13}) {
      const Values got = result(backend(), 1, {b, rows_of(x, k, 41 - m, m)});
      ASSERT_TRUE(all_identical(got, rows_of(all, 103, 41 - m, m))) << info_of(format).name << " m " << m;
    }
  }
}

// One row by the equation of isa/integer_gemm.cpp, from blocks that plain code has unpacked.
Values plain_row(const RandomBlocks& b, const Values& x) {
  const auto& part = *static_cast<const RowBlocks*>(b.blocks().data);
  const BlockFormatInfo& info = info_of(part.format);
  const auto k = int64_t(x.size()), n = b.blocks().shape[0];
  Values row;
  for (int64_t j = 0; j < n; ++j) {
    float sum = 0;
    for (int64_t e = 0; e < k; e += 32) {
      const auto a = std::span(x).subspan(size_t(e), 32);
      float most = 0;
      for (const double v : a) most = std::max(most, std::fabs(float(v)));
      const float scale = most / 127.0f, times = 127.0f / most;
      IntegerBlock block;
      const auto at = int(e % info.block_elements);
      info.unpack(
          static_cast<const uint8_t*>(part.rows) + j * part.row_bytes + e / info.block_elements * info.block_bytes,
          block);
      for (int begin = 0; begin < 32; begin += info.group) {
        int products = 0, total = 0;
        for (int i = begin; i < begin + info.group; ++i) {
          const int q = int(std::nearbyint(float(a[size_t(i)]) * times));
          products += q * block.q[at + i], total += q;
        }
        const int group = (at + begin) / info.group;
        sum = std::fma(float(products), block.scale[group] * scale, sum);
        if (info.has_min) sum = std::fma(block.min[group], scale * float(total), sum);
      }
    }
    row.push_back(double(sum));
  }
  return row;
}
TEST_P(IntegerProducts, HaveTheBitsOfTheEquationForEveryFormat) {
  if (GetParam() == "baseline") return;  // two roundings where the equation has one
  for (const BlockFormat format : integer_formats()) {
    RandomBlocks b(format, 1, {37}, 768, uint64_t(format) + 400);
    const Values x = normals(RngKey{13, uint64_t(format)}, 768), want = plain_row(b, x);
    EXPECT_TRUE(all_identical(result(backend(), 1, {b, x}), want)) << info_of(format).name;
    b.interleave_rows(backend().strips().integers);
    EXPECT_TRUE(all_identical(result(backend(), 1, {b, x}), want)) << info_of(format).name;
  }
}

// Scales of MXFP4 that are subnormal, which no sum with others would show.
TEST_P(IntegerProducts, HaveTheBitsOfTheEquationForTheSmallestScales) {
  if (GetParam() == "baseline") return;
  const RandomBlocks b(BlockFormat::mxfp4, 1, {37}, 64, 8);
  Values x = normals(RngKey{14, 1}, 64);
  for (double& v : x) v = double(float(v * 0x1p20));
  const auto& part = *static_cast<const RowBlocks*>(b.blocks().data);
  for (const uint8_t exponent : {0, 1, 2}) {
    for (int64_t i = 0; i < 37 * 2; ++i)
      static_cast<uint8_t*>(const_cast<void*>(part.rows))[i * info_of(part.format).block_bytes] = exponent;
    EXPECT_TRUE(all_identical(result(backend(), 1, {b, x}), plain_row(b, x))) << int(exponent);
  }
}

TEST_P(IntegerProducts, HaveTheSameBitsOnEveryInstructionSetWithFma) {
  if (GetParam() == "baseline") return;  // two roundings where others have one
  for (const BlockFormat format : integer_formats()) {
    const RandomBlocks b(format, 1, {29}, 256, uint64_t(format) + 200);
    for (const int64_t m : {2, 17}) {
      const Values x = normals(RngKey{9, uint64_t(format)}, m * 256);
      ASSERT_TRUE(all_identical(result(backend(), 1, {b, x}), result(cpu_backend("avx2"), 1, {b, x})))
          << info_of(format).name;
    }
  }
}

// More rows, columns and k than the sums, panels and pieces that wait at a time.
TEST_P(IntegerProducts, OfManySizesHaveTheBitsOfOneRow) {
  for (const auto& [format, k] : {std::pair{BlockFormat::q8_0, int64_t(1056)}, {BlockFormat::q4_k, int64_t(1280)}}) {
    constexpr int64_t n = 300, m = 250;
    const RandomBlocks b(format, 1, {n}, k, 71);
    const Values x = normals(RngKey{21, uint64_t(format)}, m * k), all = result(backend(), 2, {b, x});
    for (const int64_t row : {0, 5, 239, 240, 249})
      ASSERT_TRUE(all_identical(result(backend(), 1, {b, rows_of(x, k, row, 1)}), rows_of(all, n, row, 1))) << row;
    RandomBlocks strips(format, 1, {n}, k, 71);
    strips.interleave_rows(backend().strips().integers);
    ASSERT_TRUE(all_identical(result(backend(), 3, {strips, x}), all)) << "interleaved";
  }
}

// Groups with nothing above 2^-100 are zeros; one with an infinity or a NaN gives NaN, and no other.
TEST_P(IntegerProducts, OfTheSmallestAndOfNoNumbers) {
  const RandomBlocks b(BlockFormat::q4_1, 1, {17}, 64, 9);
  for (const int64_t m : {1, 12}) {
    Values x(size_t(m * 64), 0);
    for (int64_t i = 0; i < 64; ++i) x[size_t(i)] = i < 32 ? 0x1p-101 : 1e-40;
    ASSERT_TRUE(all_identical(rows_of(result(backend(), 1, {b, x}), 17, 0, 1), Values(17, 0.0)));
    for (const double value : {kNaN, double(std::numeric_limits<float>::infinity())}) {
      x[3] = value;
      const Values got = result(backend(), 1, {b, x});
      for (int64_t j = 0; j < 17; ++j) ASSERT_TRUE(std::isnan(got[size_t(j)])) << value;
      for (int64_t i = 17; i < m * 17; ++i) ASSERT_EQ(got[size_t(i)], 0) << value;
    }
  }
}

TEST_P(IntegerProducts, StripsHaveTheBitsOfRowsAndTheirRowsCanBeRead) {
  for (const BlockFormat format : integer_formats()) {
    RandomBlocks b(format, 2, {37, 14, 1}, 512, uint64_t(format) + 300);
    for (const int64_t m : {1, 3, 6, 19}) {
      const Values x = normals(RngKey{12, uint64_t(format)}, m * 512);
      const std::vector<int32_t> offsets = {0, int32_t(m / 2), int32_t(m)};
      const Values want = result(backend(), 2, {.b = b, .x = x, .offsets = offsets});
      RandomBlocks strips = RandomBlocks(format, 2, {37, 14, 1}, 512, uint64_t(format) + 300);
      strips.interleave_rows(backend().strips().integers);
      ASSERT_TRUE(all_identical(result(backend(), 2, {.b = strips, .x = x, .offsets = offsets}), want))
          << info_of(format).name << " m " << m;
      const auto* table = static_cast<const RowBlocks*>(strips.blocks().data);
      std::vector<float> row(512);
      for (const int64_t r : {0, 36, 37, 50, 51}) {
        decode_row({table, 3}, r, row);
        ASSERT_TRUE(std::ranges::equal(row, std::span(b.values()).subspan(size_t(r) * 512, 512))) << r;
      }
    }
  }
}

TEST_P(IntegerProducts, LayoutsFormatsAndSums) {
  const RandomBlocks b(BlockFormat::q4_1, 1, {45}, 96, 3);
  for (const int64_t m : {3, 20}) {
    const Values x = rounded_to(DType::bf16, normals(RngKey{10, 1}, m * 96));
    const Values plain = result(backend(), 1, {b, x});
    for (const Layout layout : {Layout::contiguous, Layout::padded, Layout::transposed})
      for (const DType type : {DType::f32, DType::bf16})
        for (const bool accumulate : {false, true}) {
          Values want = plain;
          if (accumulate)
            for (double& v : want) v = double(float(v) + 0.25f);
          ASSERT_TRUE(all_identical(
              result(backend(), 2,
                     {.b = b, .x = x, .in = type, .out = type, .accumulate = accumulate, .layout = layout}),
              rounded_to(type, want)));
        }
  }
}

TEST_P(IntegerProducts, GroupsOfRows) {
  const RandomBlocks b(BlockFormat::q4_k, 4, {33, 31}, 256, 5);
  const Values x = normals(RngKey{9, 1}, 40 * 256);
  for (const std::vector<int32_t>& offsets :
       {std::vector<int32_t>{0, 0, 17, 17, 38}, {0, 40, 40, 40, 40}, {0, 1, 2, 3, 4}, {0, 0, 0, 0, 0}}) {
    const Values got = result(backend(), 2, {.b = b, .x = x, .offsets = offsets});
    const Values want = result(reference_backend(), 1, {.b = b, .x = x, .offsets = offsets});
    EXPECT_LT(relative_frobenius(got, want), 1e-5) << offsets[1] << " " << offsets[4];
    for (int64_t i = offsets[4] * 64; i < 40 * 64; ++i) ASSERT_EQ(got[size_t(i)], 0.25) << "a row of no group";
  }
}

// Integers at their ends: no instruction saturates on the way.
TEST_P(IntegerProducts, TheLargestIntegersAreExact) {
  constexpr int64_t k = 64, n = 20;
  RandomBlocks b(BlockFormat::q8_0, 1, {n}, k, 6);
  for (const int sign : {1, -1}) {
    b.fill_q8_0(int8_t(sign > 0 ? 127 : -128));
    for (const int64_t m : {1, 12})
      for (const double x : {1.0, -1.0})
        for (const double v : result(backend(), 1, {b, Values(size_t(m * k), x)}))
          ASSERT_NEAR(v, x * k * (sign > 0 ? 127 : -128), 1e-3);
  }
}

TEST_P(IntegerProducts, ZerosGiveZeroAndWhatIsNotFiniteSpoilsItsOwnRowOnly) {
  const RandomBlocks b(BlockFormat::q8_0, 1, {20}, 64, 7);
  for (const double bad : {kNaN, double(std::numeric_limits<float>::infinity()), 0.0})
    for (const int64_t at : {0, 31, 32, 63}) {
      Values x = bad == 0 ? Values(11 * 64, 0.0) : normals(RngKey{11, 1}, 11 * 64);
      x[size_t(5 * 64 + at)] = bad;
      const Values got = result(backend(), 1, {b, x});
      for (int64_t i = 0; i < 11 * 20; ++i) {
        if (bad == 0) ASSERT_EQ(got[size_t(i)], 0.0);
        else ASSERT_EQ(std::isnan(got[size_t(i)]), i / 20 == 5) << "row " << i / 20;
      }
    }
}

}  // namespace
}  // namespace minke::test
