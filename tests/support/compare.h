// The one comparer of the tests: element-wise |actual − expected| ≤ atol + rtol·scale, NaN-proof, reporting the worst
// element with both values; and the relative Frobenius error for whole tensors. scale is |expected| unless given per
// element: a sum's rounding error grows with Σ|a||b|, not with the sum. Tested on planted faults in
// tests/kernels/compare_test.cpp.
#pragma once
#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

namespace minke::test {

struct Bound {
  double atol = 0, rtol = 0;
};

// Fails on different sizes, on any element out of bounds, and on a NaN or infinity in either input, the scale or the
// bound. The message gives the element furthest outside its bound.
::testing::AssertionResult all_near(std::span<const double> actual, std::span<const double> expected, Bound bound,
                                    std::span<const double> scale = {});

// The same values bit for bit (NaN equals NaN: both came from the same bits).
::testing::AssertionResult all_identical(std::span<const double> actual, std::span<const double> expected);

// |actual − expected|₂ / |expected|₂; infinite for different sizes, for NaN, and for anything against all zeros but
// zeros.
double relative_frobenius(std::span<const double> actual, std::span<const double> expected);

}  // namespace minke::test
