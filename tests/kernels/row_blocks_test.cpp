// Right-hand sides and tables in quantised blocks. The oracle: the same op with the decoded values as FP32, bit for bit; but
// products with E4M3 are in code_products_test.cpp.
#include <gtest/gtest.h>

#include "kernels/dry_run.h"
#include "support/compare.h"
#include "support/emulated.h"
#include "support/random.h"
#include "support/random_blocks.h"

namespace minke::test {
namespace {

class RowBlocksOp : public ::testing::TestWithParam<std::string> {
 protected:
  Backend& backend() { return tested_backend(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Backend, RowBlocksOp, ::testing::ValuesIn(tested_backends()),
                         [](const auto& info) { return info.param; });

Values product(const TestContext& ctx, const Values& x, int64_t m, const Operand& b, DType compute, DType out,
               bool accumulate, const std::vector<int32_t>& offsets) {
  const Operand right = product_side(b);
  const int64_t k = right.shape[right.rank - 2], n = right.shape[right.rank - 1];
  Buffer a(ctx, DType::f32, {m, k}), c(ctx, out, {m, n}), o(ctx, DType::i32, {int64_t(offsets.size())});
  a.set(x), c.set(Values(size_t(m * n), 0.25));
  if (!offsets.empty()) o.set(Values(offsets.begin(), offsets.end()));
  ctx.backend().gemm(ctx, {.a = a,
                           .b = right,
                           .c = c,
                           .compute = compute,
                           .accumulate = accumulate,
                           .grouping = offsets.empty() ? Grouping::none : Grouping::rows,
                           .offsets = offsets.empty() ? Operand{} : o.operand()});
  return c.get();
}

TEST_P(RowBlocksOp, AProductIsTheOneWithTheValuesOfEveryFormat) {
  for (int f = 0; f < int(BlockFormat::f8_e4m3); ++f) {
    const auto format = BlockFormat(f);
    const RandomBlocks b(format, 1, {19, 14}, 512, uint64_t(f));
    const Values x = normals(RngKey{7, uint64_t(f)}, 3 * 512);
    for (const DType compute : {DType::f32, DType::bf16}) {
      TestContext ctx(backend(), 2);
      const Values got = product(ctx, x, 3, b.blocks(), compute, DType::f32, false, {});
      ASSERT_TRUE(all_identical(got, product(ctx, x, 3, b.plain(), compute, DType::f32, false, {})))
          << info_of(format).name << " in " << name_of(compute);
      ASSERT_NE(got[0], 0);
    }
  }
}

TEST_P(RowBlocksOp, ShapesPartsThreadsAndSums) {
  const RandomBlocks narrow(BlockFormat::q8_0, 1, {1}, 32, 1), tall(BlockFormat::q4_1, 1, {300, 1, 231}, 96, 2),
      deep(BlockFormat::q8_0, 1, {40}, 1312, 3), plain(BlockFormat::bf16, 1, {50, 37}, 101, 4);
  for (const RandomBlocks* b : {&narrow, &tall, &deep, &plain})
    for (const int64_t m : {1, 5, 70, 401}) {
      if (GetParam() == "reference" && m > 5) continue;
      const Values x = normals(RngKey{8, uint64_t(m)}, m * b->plain().shape[1]);
      for (const DType compute : {DType::f32, DType::bf16})
        for (const DType out : {DType::f32, DType::bf16})
          for (const bool accumulate : {false, true}) {
            TestContext one(backend(), 1), three(backend(), 3);
            const Values decoded = product(one, x, m, b->plain(), compute, out, accumulate, {});
            for (const TestContext* ctx : {&one, &three})
              ASSERT_TRUE(all_identical(product(*ctx, x, m, b->blocks(), compute, out, accumulate, {}), decoded))
                  << "m " << m << " " << name_of(compute) << " " << name_of(out) << " accumulate " << accumulate;
          }
    }
}

TEST_P(RowBlocksOp, GroupsOfRows) {
  const RandomBlocks b(BlockFormat::q5_1, 4, {33, 31}, 64, 5);
  const int64_t m = 40;
  const Values x = normals(RngKey{9, 1}, m * 64);
  for (const std::vector<int32_t>& offsets :
       {std::vector<int32_t>{0, 0, 17, 17, 40}, {0, 40, 40, 40, 40}, {0, 1, 2, 3, 4}, {0, 0, 0, 0, 0}})
    for (const DType compute : {DType::f32, DType::bf16}) {
      TestContext ctx(backend(), 2);
      ASSERT_TRUE(all_identical(product(ctx, x, m, b.blocks(), compute, DType::f32, false, offsets),
                                product(ctx, x, m, b.plain(), compute, DType::f32, false, offsets)));
    }
}

TEST_P(RowBlocksOp, GatheredRows) {
  for (const BlockFormat format : {BlockFormat::q6_k, BlockFormat::f8_e4m3, BlockFormat::bf16}) {
    const RandomBlocks b(format, 1, {7, 5}, 256, 6);
    const std::vector<int32_t> index{11, 0, -1, 6, 7, 11, 3};
    for (const DType out : {DType::f32, DType::bf16}) {
      TestContext ctx(backend(), 2);
      const auto gathered = [&](const Operand& src) {
        Buffer i(ctx, DType::i32, {int64_t(index.size())}), y(ctx, out, {int64_t(index.size()), 256});
        i.set(Values(index.begin(), index.end()));
        y.set(Values(index.size() * 256, 3));
        ctx.backend().gather(ctx, {.src = src, .index = i, .dst = y});
        return y.get();
      };
      ASSERT_TRUE(all_identical(gathered(b.blocks()), gathered(b.plain()))) << info_of(format).name;
    }
  }
}

TEST_P(RowBlocksOp, ARowThatIsNotThereIsABug) {
  const RandomBlocks b(BlockFormat::q8_0, 1, {7, 5}, 64, 8);
  for (const int64_t index : {12, 1 << 20}) {
    TestContext ctx(backend(), 1);
    Buffer i(ctx, DType::i32, {1}), y(ctx, DType::f32, {1, 64});
    i.set(Values{double(index)});
    EXPECT_THROW(ctx.backend().gather(ctx, {.src = b.blocks(), .index = i, .dst = y}), BugError);
  }
}

TEST_P(RowBlocksOp, WhatIsNotComputedWithBlocksIsRefusedWhenAsked) {
  const RandomBlocks b(BlockFormat::q8_0, 1, {64}, 64, 7);
  TestContext ctx(backend(), 1);
  Buffer x(ctx, DType::f32, {64, 64}), y(ctx, DType::f32, {64, 64});
  DryRun dry(ctx);
  EXPECT_NO_THROW(dry.gemm(dry.ctx(), {.a = x, .b = b.blocks().transposed(), .c = y, .offsets = {}}));
  EXPECT_THROW(dry.gemm(dry.ctx(), {.a = b.blocks(), .b = x, .c = y, .offsets = {}}), UserError);
  EXPECT_THROW(dry.add(dry.ctx(), {.x = b.blocks(), .y = y}), UserError);
  EXPECT_THROW(dry.pack_weight(dry.ctx(), {.b = b.blocks().transposed(), .packed = y}), UserError);
  // Blocks that run along the columns of b.
  EXPECT_THROW(ctx.backend().gemm(ctx, {.a = x, .b = b.blocks(), .c = y, .offsets = {}}), BugError);
}

}  // namespace
}  // namespace minke::test
