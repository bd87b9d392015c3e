// Buffers: layouts, rounding, and seeing a write beside an element.
#include "support/random.h"

#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/poison.h"

namespace minke::test {
namespace {

TEST(Buffer, KeepsValuesInEveryLayoutAndDtype) {
  PoisonBackend poison(reference_backend());
  const TestContext plain, poisoned(poison);
  for (const TestContext* ctx : {&plain, &poisoned})
    for (Layout layout : {Layout::contiguous, Layout::padded, Layout::transposed})
      for (DType dtype : {DType::f64, DType::f32, DType::bf16}) {
        Buffer buffer(*ctx, dtype, {3, 5, 2}, layout);
        const Values values = normals(RngKey{1, 2}, 30);
        buffer.set(values);
        EXPECT_TRUE(all_identical(buffer.get(), rounded_to(dtype, values)));
        EXPECT_TRUE(buffer.surroundings_intact());
        EXPECT_EQ(buffer.operand().is_contiguous(), layout == Layout::contiguous);
      }
}

TEST(Buffer, SeesAWriteBesideItsElements) {
  const TestContext ctx;
  Buffer buffer(ctx, DType::f32, {4, 5}, Layout::padded);
  buffer.set(Values(20, 1.0));
  Operand wide = buffer;
  wide.shape[1] = 6;  // one too many in every row
  ctx.backend().fill(ctx, {wide, 2.0});
  EXPECT_FALSE(buffer.surroundings_intact());

  Buffer tail(ctx, DType::bf16, {7});
  tail.set(Values(7, 1.0));
  Operand longer = tail;
  longer.shape[0] = 8;
  ctx.backend().fill(ctx, {longer, 2.0});
  EXPECT_FALSE(tail.surroundings_intact());
}

}  // namespace
}  // namespace minke::test
