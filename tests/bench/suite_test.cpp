// Rows: which are run, and what is in them.
#include "bench/suite.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/random.h"

namespace minke {
namespace {

using test::TestContext;

TEST(Suite, RowsHaveRatesAndCeilings) {
  const TestContext ctx(cpu_backend());
  std::vector<BenchRow> rows;
  Suite suite(ctx, 0, "", [&](const BenchRow& r) { rows.push_back(r); });
  int runs = 0;
  suite.operations("f32 x", DType::f32, 1e6, [&] { ++runs; });
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(runs, 8);  // one and three warm, one and three cold
  EXPECT_EQ(rows[0].name, "f32 x");
  EXPECT_TRUE(rows[0].is_arithmetic);
  for (const double v : {rows[0].rate, rows[0].cold_rate, rows[0].ceiling, rows[0].share()}) EXPECT_TRUE(v > 0) << v;
}

TEST(Suite, OnlyTheNamedRowsAreRun) {
  const TestContext ctx(cpu_backend());
  std::vector<std::string> names;
  Suite suite(ctx, 0, "dW 512x512", [&](const BenchRow& r) { names.push_back(r.name); });
  products_bench(suite);
  EXPECT_EQ(names, (std::vector<std::string>{"bf16 dW 512x512 over 4096", "f32 dW 512x512 over 4096"}));
}

}  // namespace
}  // namespace minke
