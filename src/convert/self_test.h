// Whether a conversion is the model that it was made of. Every tensor is read again and compared row by row: a type may
// change a row only by so much, and a row in a wrong place is far beyond it. Then both models compute the logits of a few
// tokens, one after the other, if one of them fits into memory. Test: tests/convert/self_test_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "convert/target.h"
#include "kernels/context.h"

namespace minke {

struct SelfTest {
  double weight_error = 0;  // of the worst tensor: root mean square, relative to its values
  std::string worst_tensor;
  bool exact = true;   // every value of every tensor is the same
  int64_t tokens = 0;  // whose logits were compared; 0: memory is too small
  double logit_error = 0;
  int64_t same_top = 0;  // tokens with the same most likely next one
  std::string text() const;
};

// UserError if the tensors at `to` are others, or further away than their types explain.
SelfTest compare_weights(const ConvertSource& from, const ConvertSource& to, const OnBytes& on_bytes);
// Fills in the rest. available: bytes of memory that may be used. UserError if the logits differ more than the weights
// explain.
void compare_logits(const Context& ctx, const ConvertSource& from, const ConvertSource& to, double available,
                    SelfTest& result);

}  // namespace minke
