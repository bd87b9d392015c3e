// The poison backend: kernels can read its memory, the host cannot.
#include "support/poison.h"

#include <gtest/gtest.h>

#include <numeric>

#include "support/random.h"

namespace minke::test {
namespace {

TEST(Poison, OpsWork) {
  PoisonBackend poison(reference_backend());
  const TestContext ctx(poison);
  Tensor x(poison.memory(), DType::f32, {1000}), y(poison.memory(), DType::f32, {1000});
  std::vector<float> values(1000), result(1000);
  std::iota(values.begin(), values.end(), 0.0f);
  ctx.backend().upload(ctx, {values.data(), x});
  ctx.backend().fill(ctx, {y, 1.0});
  ctx.backend().add(ctx, {x, y});
  ctx.backend().download(ctx, {y, result.data()});
  for (size_t i = 0; i < 1000; ++i) ASSERT_EQ(result[i], float(i) + 1);
}

TEST(Poison, ReleasedMemoryComesBackAsZeros) {
  PoisonBackend poison(reference_backend());
  const TestContext ctx(poison);
  for (int round = 0; round < 3; ++round) {
    Tensor x(poison.memory(), DType::f32, {5000});
    std::vector<float> values(5000, -1.0f);
    ctx.backend().download(ctx, {x, values.data()});
    for (float v : values) ASSERT_EQ(v, 0);
    ctx.backend().fill(ctx, {x, 7.0});
  }
}

TEST(Poison, StaysOpenUntilTheOutermostOpEnds) {
  PoisonMemory memory;
  auto* word = static_cast<int*>(memory.allocate(sizeof(int)));
  const PoisonMemory::Open outer(memory);
  {
    const PoisonMemory::Open inner(memory);
    *word = 1;
  }
  *word += 1;
  auto* late = static_cast<int*>(memory.allocate(sizeof(int)));  // allocated by an op
  *late = 3;
  EXPECT_EQ(*word + *late, 5);
}

TEST(Poison, ClosesAfterAnOpThatThrows) {
  PoisonBackend poison(reference_backend());
  const TestContext ctx(poison);
  Tensor x(poison.memory(), DType::f32, {4}), y(poison.memory(), DType::f32, {5});
  EXPECT_THROW(ctx.backend().add(ctx, {x, y}), BugError);
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(fmt::print("{}", *static_cast<volatile float*>(x.operand().data)), "");
}

TEST(PoisonDeathTest, HostReadsAndWritesFault) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  PoisonBackend poison(reference_backend());
  const TestContext ctx(poison);
  Tensor x(poison.memory(), DType::f32, {4});
  ctx.backend().fill(ctx, {x, 1.0});
  volatile float* data = static_cast<float*>(x.operand().data);
  EXPECT_DEATH(fmt::print("{}", float(data[0])), "");
  EXPECT_DEATH(data[0] = 2, "");
  Operand slice = ctx.context().scratch->take(DType::f32, {16});  // scratch is device memory too
  EXPECT_DEATH(*static_cast<volatile float*>(slice.data) = 2, "");
}

}  // namespace
}  // namespace minke::test
