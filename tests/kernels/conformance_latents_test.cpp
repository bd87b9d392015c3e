// MLA's FP8 cache (core/latent_row.h): bytes are the reference's, values are near what was stored by the step of E4M3, and
// attention to it is attention to a cache of its values, bit for bit.
#include <cfloat>
#include <cmath>
#include <numeric>

#include "core/latent_row.h"
#include "kernels/conformance.h"

namespace minke::test {
namespace {

// A cache of `slots` rows, of zeros at first.
struct Cache {
  Bed& bed;
  Tensor bytes;
  Cache(Bed& b, int64_t slots, LatentRow row) : bed(b), bytes(b.backend.memory(), DType::u8, {slots, row.bytes()}) {}
  ~Cache() { bed.backend.synchronize(bed.ctx); }
  std::vector<uint8_t> host() const {
    std::vector<uint8_t> all(bytes.operand().bytes());
    bed.backend.download(bed.ctx, {bytes, all.data()});
    return all;
  }
};

TEST_P(KernelConformance, LatentsInFp8) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const LatentRow row : {LatentRow{1, 2}, {5, 4}, {64, 32}, {128, 8}, {130, 18}, {512, 64}})
      for (const int64_t n : {0, 1, 37}) {
        std::vector<uint8_t> bytes[2];
        compare(fmt::format("{} rows of {} + {} from {}", n, row.channels, row.rotary, name_of(dtype)), [&](Bed& bed) {
          constexpr int64_t kSlots = 60;
          const Values latent = rounded_to(dtype, bed.random({n, row.channels}, 3)),
                       rope = rounded_to(dtype, bed.random({n, row.rotary}));
          Indices index, back;
          for (int64_t i = 0; i < n; ++i) {
            index.push_back(i % 5 == 3 ? -1 : (i * 7) % kSlots);
            back.push_back(i % 5 == 3 ? (i - 1) * 7 % kSlots : index.back());
          }
          const Cache cache(bed, kSlots, row);
          bed.backend.store_latents(bed.ctx, {.latent = bed.floats(dtype, {n, row.channels}, latent, Layout::padded),
                                              .rope = bed.floats(dtype, {n, row.rotary}, rope, Layout::padded),
                                              .index = bed.ints({n}, index),
                                              .cache = cache.bytes});
          bytes[bed.oracle] = cache.host();
          const Operand to = bed.unset(dtype, {n, row.channels}, Layout::padded),
                        rope_to = bed.unset(dtype, {n, row.rotary}, Layout::padded);
          bed.backend.load_latents(bed.ctx,
                                   {.cache = cache.bytes, .index = bed.ints({n}, back), .latent = to, .rope = rope_to});
          bed.expect_equal("latent", to), bed.expect_equal("rope", rope_to);
          if (!bed.oracle) return;
          // Half a step of three bits of mantissa is 2^-4 of a value; below 2^-6 steps are 2^-9. The scale is rounded to F32,
          // and so are quotient and product.
          const Values got = bed.values_of(to);
          for (int64_t i = 0; i < n; ++i)
            for (int64_t d = 0; d < row.channels && index[size_t(i)] >= 0; ++d) {
              double largest = 0;
              const int64_t g = d / LatentRow::kGroup * LatentRow::kGroup;
              for (int64_t e = g; e < std::min(row.channels, g + LatentRow::kGroup); ++e)
                largest = std::max(largest, std::abs(latent[size_t(i * row.channels + e)]));
              const double x = latent[size_t(i * row.channels + d)],
                           error = std::abs(got[size_t(i * row.channels + d)] - x);
              ASSERT_LE(error, (1 + 0x1p-20) * std::max(0x1p-4 * std::abs(x), 0x1p-10 * largest / 448)) << x;
            }
        });
        EXPECT_EQ(bytes[0], bytes[1]);
      }
}

TEST_P(KernelConformance, LatentsInFp8OfAnyNumbers) {
  const double nan = std::nan(""), inf = INFINITY;
  const std::vector<Values> groups{Values(128),
                                   {nan},
                                   {1, inf, 2},
                                   {-inf},
                                   {FLT_MAX, -FLT_MAX, 1},
                                   {FLT_MIN, -0.0},
                                   {1e-4, 1e-4 / 448, 5e-8, -1e-7},
                                   {448, 447, 0.001, 431, -432, 1.0625, 1.1875, 17, 247, 250}};
  std::vector<uint8_t> bytes[2];
  const LatentRow row{10, 2};
  const int64_t n = int64_t(groups.size());
  compare("any numbers", [&](Bed& bed) {
    Values latent, rope;
    Indices index;
    for (const Values& g : groups) {
      for (int64_t d = 0; d < row.channels; ++d) latent.push_back(size_t(d) < g.size() ? g[size_t(d)] : 0);
      rope.insert(rope.end(), {g[0], 1e-40});
      index.push_back(int64_t(index.size()));
    }
    const Cache cache(bed, n, row);
    bed.backend.store_latents(bed.ctx, {.latent = bed.floats(DType::f32, {n, row.channels}, latent),
                                        .rope = bed.floats(DType::f32, {n, row.rotary}, rope),
                                        .index = bed.ints({n}, index),
                                        .cache = cache.bytes});
    bytes[bed.oracle] = cache.host();
    const Operand to = bed.unset(DType::f32, {n, row.channels}), rope_to = bed.unset(DType::f32, {n, row.rotary});
    bed.backend.load_latents(bed.ctx,
                             {.cache = cache.bytes, .index = bed.ints({n}, index), .latent = to, .rope = rope_to});
    bed.backend.synchronize(bed.ctx);
    const Values got = bed.values_of(to), got_rope = bed.values_of(rope_to);
    for (int64_t i = 0; i < n; ++i) {
      const bool finite =
          std::all_of(groups[size_t(i)].begin(), groups[size_t(i)].end(), [](double x) { return std::isfinite(x); });
      for (int64_t d = 0; d < row.channels; ++d)
        EXPECT_EQ(std::isfinite(got[size_t(i * row.channels + d)]), finite) << "group " << i << " channel " << d;
      EXPECT_EQ(std::isnan(got_rope[size_t(2 * i)]), std::isnan(groups[size_t(i)][0])) << i;
    }
    const auto at = [&](int64_t i, int64_t d) { return got[size_t(i * row.channels + d)]; };
    for (int64_t d = 0; d < row.channels; ++d) EXPECT_EQ(at(0, d), 0);
    EXPECT_NEAR(at(4, 0) / FLT_MAX, 1, 1e-6);
    EXPECT_NEAR(at(4, 1) / FLT_MAX, -1, 1e-6);
    EXPECT_EQ(at(4, 2), 0);
    // docs/recipe/training.md §5.2: 448 is the scale's own number, so these are rounded as they are.
    const double expected[] = {448, 448, 0.001953125, 416, -448, 1, 1.25, 16, 240, 256};
    for (int64_t d = 0; d < row.channels; ++d) EXPECT_EQ(at(7, d), expected[d]) << d;
  });
  EXPECT_EQ(bytes[0], bytes[1]);
}

TEST_P(KernelConformance, CachedAttentionToFp8IsAttentionToItsValues) {
  struct Case {
    int64_t heads, page, keys, queries;
    LatentRow row;
  };
  for (const Case& c : {Case{1, 2, 1, 1, {4, 2}},
                        {3, 16, 130, 2, {5, 4}},
                        {16, 64, 300, 1, {64, 32}},
                        {70, 64, 200, 3, {130, 18}},
                        {5, 128, 1100, 1, {128, 64}}})
    for (const DType compute : {DType::f32, DType::bf16})
      for (const int threads : {1, 3}) {
        const int64_t pages = (c.keys + c.page - 1) / c.page, slots = pages * c.page,
                      width = c.row.channels + c.row.rotary;
        const Values latent = normals(RngKey{31, 0}, slots * c.row.channels),
                     rope = normals(RngKey{32, 0}, slots * c.row.rotary),
                     q = normals(RngKey{33, 0}, c.queries * c.heads * width);
        const auto run = [&](bool fp8) {
          return run_tested(
              [&](Bed& bed) {
                Indices all(static_cast<size_t>(slots)), table(static_cast<size_t>(pages));
                std::iota(all.begin(), all.end(), 0), std::iota(table.rbegin(), table.rend(), 0);
                const Operand index = bed.ints({slots}, all);
                const Cache cache(bed, slots, c.row);
                bed.backend.store_latents(bed.ctx, {.latent = bed.floats(DType::f32, {slots, c.row.channels}, latent),
                                                    .rope = bed.floats(DType::f32, {slots, c.row.rotary}, rope),
                                                    .index = index,
                                                    .cache = cache.bytes});
                const Operand values = bed.unset(compute, {slots, width});
                bed.backend.load_latents(bed.ctx, {.cache = cache.bytes,
                                                   .index = index,
                                                   .latent = values.slice(1, 0, c.row.channels),
                                                   .rope = values.slice(1, c.row.channels, width)});
                const Operand keys = values.split(1, width),
                              out = bed.unset(DType::f32, {c.queries, c.heads, c.row.channels});
                bed.backend.cached_attention(bed.ctx, {.q = bed.floats(DType::f32, {c.queries, c.heads, width}, q),
                                                       .k = fp8 ? cache.bytes.operand().split(1, c.row.bytes()) : keys,
                                                       .v = fp8 ? Operand{} : keys.slice(2, 0, c.row.channels),
                                                       .out = out,
                                                       .row_offsets = bed.ints({2}, {0, c.queries}),
                                                       .length = bed.ints({1}, {c.keys}),
                                                       .block_table = bed.ints({1, pages}, table),
                                                       .page = c.page,
                                                       .max_length = c.keys,
                                                       .scale = 0.1,
                                                       .compute = compute});
                bed.expect_equal("out", out);
              },
              threads);
        };
        const Values expected = run(false);
        EXPECT_FALSE(expected.empty());
        EXPECT_TRUE(all_identical(run(true), expected))
            << c.heads << " heads, " << c.keys << " keys, " << name_of(compute);
      }
}

}  // namespace
}  // namespace minke::test
