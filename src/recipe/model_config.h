// The model that a recipe asks for. Test: tests/app/pretrain_test.sh, tests/bench/train_bench_test.cpp.
#pragma once
#include "recipe/recipe.h"

namespace minke {

// config.json of the run: [model], completed with values from the tokenizer and the recipe; −1: no such token. UserError
// if they contradict each other.
Config model_config(const Recipe& recipe, int64_t vocab_size, int64_t bos, int64_t eos);

}  // namespace minke
