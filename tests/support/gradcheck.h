// Gradient checks by central differences in double (five-point stencil: error h⁴f⁽⁵⁾/30 + ε|f|/h, about 1e-12 at
// h = 1e-3 for values of order 1). The loss handed in must be Σ upstream ⊙ output with a random upstream gradient,
// never ones: with those softmax's gradient is 0 and any fault passes. Tested in tests/kernels/compare_test.cpp.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "core/rng.h"

namespace minke::test {

using Values = std::vector<double>;
using Loss = std::function<double(const Values&)>;

struct GradCheck {
  double step = 1e-3;
  double tolerance = 1e-9;     // times 1 + the largest |gradient|
  int64_t max_elements = 600;  // every element up to here, else this many of them at random
  int directions = 3;          // random directions on top
};

// Compares gradient (at x) with differences of loss around x.
::testing::AssertionResult gradient_matches(const Loss& loss, const Values& x, const Values& gradient,
                                            GradCheck options = {});

}  // namespace minke::test
