// Right-hand sides and tables in quantised blocks. The oracle: the same op with the decoded values as FP32, bit for bit.
#include <gtest/gtest.h>

#include <cmath>

#include "blocks/blocks.h"
#include "kernels/dry_run.h"
#include "support/compare.h"
#include "support/emulated.h"
#include "support/random.h"

namespace minke::test {
namespace {

constexpr BlockFormat kLast = BlockFormat::f8_e4m3;

// Groups of matrices [rows,columns] in parts of random bytes, whose values are finite and of ordinary size.
class RandomBlocks {
 public:
  RandomBlocks(BlockFormat format, int64_t groups, std::vector<int64_t> part_rows, int64_t columns, uint64_t seed)
      : columns_(columns) {
    for (int64_t n : part_rows) rows_ += n;
    groups_ = groups;
    const RngKey key{seed, 1};
    uint64_t draw = 0;
    const auto bytes = size_t(row_bytes(format, columns));
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t first = 0, i = 0; i < int64_t(part_rows.size()); first += part_rows[size_t(i++)]) {
        const int64_t n = part_rows[size_t(i)];
        std::vector<std::byte>& part = bytes_.emplace_back(size_t(n) * bytes);
        std::vector<float>& scales = scales_.emplace_back();
        RowBlocks r{.first_row = first, .row_bytes = int64_t(bytes), .format = format};
        if (format == kLast) {
          r.scale_block = 48;  // not a divisor of anything
          scales.resize(size_t((n + 47) / 48 * ((columns + 47) / 48)));
          for (float& s : scales) s = float(0.5 + key.uniform(draw++));
          r.scales = scales.data();
        }
        r.rows = part.data();
        const int64_t block_bytes = info_of(format).block_bytes, block_elements = info_of(format).block_elements;
        std::vector<float> values(static_cast<size_t>(block_elements));
        const auto ordinary = [](float v) { return std::fabs(v) < 1e4f; };
        for (size_t begin = 0; begin < part.size(); begin += size_t(block_bytes)) {
          const auto block = std::span(part).subspan(begin, size_t(block_bytes));
          do {
            for (std::byte& b : block) b = std::byte(key.uniform(draw++) * 256);
            dequantise(format, block, values);
          } while (!std::all_of(values.begin(), values.end(), ordinary));
        }
        values.resize(static_cast<size_t>(columns));
        for (int64_t row = 0; row < n; ++row) {
          decode_row({&r, 1}, r.first_row + row, values);
          values_.insert(values_.end(), values.begin(), values.end());
        }
        table_.push_back(r);
      }
  }
  Operand blocks() const { return described(const_cast<RowBlocks*>(table_.data()), DType::u8); }
  Operand plain() const { return described(const_cast<float*>(values_.data()), DType::f32); }
  const std::vector<float>& values() const { return values_; }

 private:
  Operand described(void* data, DType dtype) const {
    Operand o = groups_ > 1 ? Operand::of(data, dtype, {groups_, rows_, columns_})
                            : Operand::of(data, dtype, {rows_, columns_});
    if (dtype == DType::u8) o.packing = Packing::blocks, o.parts = int32_t(int64_t(table_.size()) / groups_);
    return o;
  }
  int64_t groups_ = 1, rows_ = 0, columns_;
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<std::vector<float>> scales_;
  std::vector<float> values_;
  std::vector<RowBlocks> table_;
};

Operand product_side(const Operand& b) { return b.rank == 3 ? b.transposed(1, 2) : b.transposed(); }

class RowBlocksOp : public ::testing::TestWithParam<std::string> {
 protected:
  Backend& backend() { return GetParam() == "reference" ? reference_backend() : tested_backend(GetParam()); }
};
std::vector<std::string> backends() {
  std::vector<std::string> all = tested_isas();
  all.push_back("reference");
  return all;
}
INSTANTIATE_TEST_SUITE_P(Backend, RowBlocksOp, ::testing::ValuesIn(backends()),
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
  for (int f = 0; f <= int(kLast); ++f) {
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
      deep(BlockFormat::q8_0, 1, {40}, 1312, 3), fp8(BlockFormat::f8_e4m3, 1, {50, 37}, 101, 4);
  for (const RandomBlocks* b : {&narrow, &tall, &deep, &fp8})
    for (const int64_t m : {1, 5, 70, 401}) {
      if (GetParam() == "reference" && m > 5) continue;
      const Values x = normals(RngKey{8, uint64_t(m)}, m * b->plain().shape[1]);
      for (const DType compute : {DType::f32, DType::bf16})
        for (const DType out : {DType::f32, DType::bf16})
          for (const bool accumulate : {false, true}) {
            TestContext one(backend(), 1), three(backend(), 3);
            const Values plain = product(one, x, m, b->plain(), compute, out, accumulate, {});
            for (const TestContext* ctx : {&one, &three})
              ASSERT_TRUE(all_identical(product(*ctx, x, m, b->blocks(), compute, out, accumulate, {}), plain))
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
