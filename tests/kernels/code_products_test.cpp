// Products with E4M3 weights. Oracles: sums in double over the exact values, with the bound of sums in f32; and each other, bit
// for bit: few rows and many, any threads, rows as they lie and in strips.
#include <gtest/gtest.h>

#include <cmath>

#include "support/compare.h"
#include "support/emulated.h"
#include "support/random.h"
#include "support/random_blocks.h"

namespace minke::test {
namespace {

class CodeProducts : public ::testing::TestWithParam<std::string> {
 protected:
  Backend& backend() { return tested_backend(GetParam()); }
  bool slow() const { return GetParam() == "reference"; }
};
INSTANTIATE_TEST_SUITE_P(Backend, CodeProducts, ::testing::ValuesIn(tested_backends()),
                         [](const auto& info) { return info.param; });

struct Product {
  const RandomBlocks& b;
  Values x;
  DType compute = DType::bf16, out = DType::f32;
  bool accumulate = false;
  std::vector<int32_t> offsets{};
  int threads = 2;
  Layout layout = Layout::contiguous;
};
constexpr double kBefore = 0.25;  // in c
Values result(Backend& backend, const Product& p) {
  const TestContext ctx(backend, p.threads);
  const Operand right = product_side(p.b.blocks());
  const int64_t k = right.shape[right.rank - 2], n = right.shape[right.rank - 1], m = int64_t(p.x.size()) / k;
  Buffer a(ctx, DType::f32, {m, k}, p.layout), c(ctx, p.out, {m, n}, p.layout),
      o(ctx, DType::i32, {int64_t(p.offsets.size())});
  a.set(p.x), c.set(Values(size_t(m * n), kBefore));
  if (!p.offsets.empty()) o.set(Values(p.offsets.begin(), p.offsets.end()));
  backend.gemm(ctx, {.a = a,
                     .b = right,
                     .c = c,
                     .compute = p.compute,
                     .accumulate = p.accumulate,
                     .grouping = p.offsets.empty() ? Grouping::none : Grouping::rows,
                     .offsets = p.offsets.empty() ? Operand{} : o.operand()});
  EXPECT_TRUE(c.surroundings_intact());
  return c.get();
}

// The products in double, and Σ|a||b|.
struct Exact {
  Values sums, sizes;
};
Exact exact(const Product& p, int64_t n, int64_t k) {
  const int64_t m = int64_t(p.x.size()) / k;
  Exact e;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0, size = 0;
      for (int64_t at = 0; at < k; ++at) {
        const auto x = float(p.x[size_t(i * k + at)]);
        const double product =
            double(p.compute == DType::bf16 ? float(bf16(x)) : x) * double(p.b.values()[size_t(j * k + at)]);
        sum += product, size += std::fabs(product);
      }
      e.sums.push_back(p.accumulate ? sum + kBefore : sum), e.sizes.push_back(size + kBefore);
    }
  return e;
}

TEST_P(CodeProducts, AreSumsOfTheExactValues) {
  for (const int32_t scale_block : {32, 48, 128})
    for (const int64_t k : {1, 101, 1312}) {
      const RandomBlocks b(BlockFormat::f8_e4m3, 1, {50, 37}, k, uint64_t(k), scale_block);
      for (const int64_t m : {1, 7, 70}) {
        if (slow() && m > 7) continue;
        for (const DType compute : {DType::f32, DType::bf16})
          for (const bool accumulate : {false, true}) {
            const Product p{b, normals(RngKey{8, uint64_t(m)}, m * k), compute, DType::f32, accumulate};
            const Exact want = exact(p, 87, k);
            // Where 48 does not suit the instruction set, values are decoded, in bf16 rounded.
            const double rounding = compute == DType::bf16 && scale_block == 48 ? 0x1p-8 : 0;
            ASSERT_TRUE(
                all_near(result(backend(), p), want.sums, {.rtol = double(k + 16) * 0x1p-24 + rounding}, want.sizes))
                << "k " << k << " m " << m << " block " << scale_block << " " << name_of(compute) << accumulate;
          }
      }
    }
}

TEST_P(CodeProducts, ARowHasTheSameBitsInAnyCompanyAndHoweverWeightsLie) {
  for (const auto& [k, scale_block] : {std::pair(192, 32), std::pair(1312, 128)}) {
    const RandomBlocks rows(BlockFormat::f8_e4m3, 1, {300, 37}, k, 5, scale_block);
    RandomBlocks strips = rows.copy();
    if (backend().strips().codes > 0) strips.interleave_rows(backend().strips().codes);
    const int64_t n = 337, m = slow() ? 9 : 401;
    const Values x = normals(RngKey{9, uint64_t(k)}, m * k);
    for (const DType compute : {DType::f32, DType::bf16})
      for (const auto& [out, accumulate] : {std::pair(DType::f32, false), std::pair(DType::bf16, true)}) {
        const Values all = result(backend(), {strips, x, compute, out, accumulate, {}, 3});
        ASSERT_TRUE(all_identical(all, result(backend(), {rows, x, compute, out, accumulate, {}, 1})));
        for (const int64_t count : {1, 2, 6, 8, 17}) {
          const int64_t first = m - count;
          if (first < 0) continue;
          const Values few(x.begin() + first * k, x.begin() + m * k);
          ASSERT_TRUE(all_identical(result(backend(), {strips, few, compute, out, accumulate, {}, 2, Layout::padded}),
                                    Values(all.begin() + first * n, all.end())))
              << count << " rows, k " << k << " " << name_of(compute) << " " << name_of(out) << accumulate;
        }
      }
  }
}

TEST_P(CodeProducts, GroupsOfRows) {
  const int64_t k = 160, n = 64, m = 40;
  const RandomBlocks rows(BlockFormat::f8_e4m3, 4, {33, 31}, k, 6, 32);
  RandomBlocks strips = rows.copy();
  if (backend().strips().codes > 0) strips.interleave_rows(backend().strips().codes);
  const Values x = normals(RngKey{10, 1}, m * k);
  for (const std::vector<int32_t>& offsets : {std::vector<int32_t>{0, 0, 17, 17, 40}, {0, 1, 2, 3, 4}})
    for (const DType compute : {DType::f32, DType::bf16}) {
      const Values got = result(backend(), {strips, x, compute, DType::f32, false, offsets});
      for (int64_t g = 0; g < 4; ++g)
        for (int64_t i = offsets[size_t(g)]; i < offsets[size_t(g) + 1]; ++i)
          for (int64_t j = 0; j < n; ++j) {
            double sum = 0, size = 0;
            for (int64_t at = 0; at < k; ++at) {
              const auto a = float(x[size_t(i * k + at)]);
              const double product = double(compute == DType::bf16 ? float(bf16(a)) : a) *
                                     double(rows.values()[size_t((g * n + j) * k + at)]);
              sum += product, size += std::fabs(product);
            }
            ASSERT_NEAR(got[size_t(i * n + j)], sum, size * double(k + 16) * 0x1p-24);
          }
    }
}

// All 254 codes that are numbers, one at a time: subnormal ones, both zeros, ±448.
TEST_P(CodeProducts, EveryCodeIsExact) {
  const int64_t k = 64, n = 256;
  RandomBlocks b(BlockFormat::f8_e4m3, 1, {n}, k, 7, 64);
  b.fill_codes([](int64_t row, int64_t column) {
    const auto code = uint8_t(row);
    return column == row % 64 && (code & 0x7f) != 0x7f ? code : uint8_t(0);
  });
  for (const DType compute : {DType::f32, DType::bf16}) {
    const Values got = result(backend(), {b, Values(size_t(k), 1.0), compute});
    for (int64_t j = 0; j < n; ++j) {
      const auto code = uint8_t(j);
      const float value = (code & 0x7f) == 0x7f ? 0.0f : float(f8_e4m3{code});
      ASSERT_EQ(got[size_t(j)], double(value * b.scale_of(j, 0))) << "code " << j;
    }
  }
}

TEST_P(CodeProducts, ACodeOfNaNIsNoNumber) {
  RandomBlocks b(BlockFormat::f8_e4m3, 1, {70}, 64, 7, 64);
  b.fill_codes([](int64_t row, int64_t column) { return uint8_t(row == 66 && column == 5 ? 0xff : 0x38); });
  const Values got = result(backend(), {b, Values(64, 1.0)});
  for (int64_t j = 0; j < 70; ++j) ASSERT_EQ(std::isnan(got[size_t(j)]), j == 66) << j;
}

}  // namespace
}  // namespace minke::test
