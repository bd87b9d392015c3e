// What a sampler throws of a model whose logits are all no numbers: a run of training can go back to better weights.
// Test: tests/app/grpo_test.sh.
#pragma once
#include "core/error.h"

namespace minke {

struct DivergedError : UserError {
  using UserError::UserError;
};

}  // namespace minke
