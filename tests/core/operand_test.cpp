#include "core/operand.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace minke {
namespace {

// [2, 3, 4] holding 0 … 23.
struct OperandTest : ::testing::Test {
  std::vector<float> data = std::vector<float>(24);
  Operand x = Operand::of(data.data(), DType::f32, {2, 3, 4});
  OperandTest() { std::iota(data.begin(), data.end(), 0.0f); }
};

TEST_F(OperandTest, OfIsRowMajor) {
  EXPECT_EQ(x.rank, 3);
  EXPECT_EQ(x.size(), 24);
  EXPECT_EQ(x.bytes(), 96u);
  EXPECT_TRUE(x.is_contiguous());
  const auto v = x.view<float, 3>();
  EXPECT_EQ(v(1, 2, 3), 23);
  EXPECT_EQ(v(1, 0, 0), 12);
}

TEST_F(OperandTest, SliceAndAt) {
  const auto v = x.slice(1, 1, 3).view<float, 3>();
  EXPECT_EQ(v.shape, (std::array<int64_t, 3>{2, 2, 4}));
  EXPECT_EQ(v(1, 0, 2), 18);
  EXPECT_FALSE(x.slice(1, 1, 3).is_contiguous());
  EXPECT_TRUE(x.slice(0, 1, 2).is_contiguous());
  EXPECT_EQ(x.slice(2, 2, 2).size(), 0);
  const auto row = x.at(1, 2).view<float, 2>();
  EXPECT_EQ(row.shape, (std::array<int64_t, 2>{2, 4}));
  EXPECT_EQ(row(1, 3), 23);
  EXPECT_THROW(x.slice(1, 2, 4), BugError);
  EXPECT_THROW(x.slice(1, -1, 2), BugError);
  EXPECT_THROW(x.slice(1, 2, 1), BugError);
  EXPECT_THROW(x.slice(3, 0, 1), BugError);
  EXPECT_THROW(x.at(0, 2), BugError);
}

TEST_F(OperandTest, AnAxisThatIsGoneLeavesNothing) {
  EXPECT_EQ(x.at(0, 1).shape, Operand::of(data.data(), DType::f32, {3, 4}).shape);
  EXPECT_EQ(x.at(2, 1).shape, Operand::of(data.data(), DType::f32, {2, 3}).shape);
  EXPECT_EQ(x.merged(1).shape, Operand::of(data.data(), DType::f32, {2, 12}).shape);
  EXPECT_EQ(x.merged(0).stride, Operand::of(data.data(), DType::f32, {6, 4}).stride);
}

TEST_F(OperandTest, TransposeSplitMerge) {
  const auto t = x.transposed(0, 2).view<float, 3>();
  EXPECT_EQ(t(3, 2, 1), 23);
  EXPECT_EQ(t(0, 2, 1), 20);
  const Operand split = x.split(2, 2);
  EXPECT_EQ((split.view<float, 4>()(1, 2, 1, 0)), 22);
  EXPECT_TRUE(split.is_contiguous());
  const Operand back = split.merged(2);
  EXPECT_EQ((back.view<float, 3>().shape), (x.view<float, 3>().shape));
  EXPECT_EQ((back.view<float, 3>().stride), (x.view<float, 3>().stride));
  const auto flat = x.merged(0).view<float, 2>();
  EXPECT_EQ(flat.shape, (std::array<int64_t, 2>{6, 4}));
  EXPECT_EQ(flat(5, 1), 21);
  EXPECT_THROW(x.split(2, 3), BugError);
  EXPECT_THROW(split.split(0, 1), BugError);  // rank 5
  EXPECT_THROW(x.slice(1, 0, 2).merged(0), BugError);
  EXPECT_THROW(x.transposed(0, 2).merged(0), BugError);
}

TEST_F(OperandTest, ViewChecksTypeAndRank) {
  EXPECT_THROW((x.view<float, 2>()), BugError);
  EXPECT_THROW((x.view<double, 3>()), BugError);
  EXPECT_EQ((x.view<const float, 3>()(0, 0, 1)), 1);
}

TEST_F(OperandTest, PackedOperandsAreNotCut) {
  Operand packed = x;
  packed.packing = Packing::panels;
  EXPECT_THROW(packed.slice(0, 0, 1), BugError);
  EXPECT_THROW(packed.transposed(), BugError);
  EXPECT_THROW(packed.split(2, 2), BugError);
}

}  // namespace
}  // namespace minke
