// What the weights of a run will take, before anything is taken. Activations: PlainExecutor::activation_bytes.
// Test: tests/run/memory_estimate_test.cpp.
#pragma once
#include "recipe/recipe.h"

namespace minke {

class Backend;

struct WeightBytes {
  double masters = 0, gradients = 0, moments = 0, forms = 0, average = 0;
  double all() const { return masters + gradients + moments + forms + average; }
};
// The packed forms are as large as the backend makes them; without one they are left out.
WeightBytes weight_bytes(const Config& config, const Recipe& recipe, const Backend* backend = nullptr);

}  // namespace minke
