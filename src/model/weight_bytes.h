// Bytes of the weights as a model holds them, and which of them a step of inference reads: what bounds answers.
// Test: tests/bench/infer_bench_test.cpp, tests/infer/speculation_test.cpp.
#pragma once
#include <functional>
#include <vector>

#include "model/model.h"

namespace minke {

struct WeightBytes {
  double all_tokens = 0;           // of what a step reads once, whatever its tokens are
  double token = 0;                // of what each token reads of its own: its row of the embedding
  std::vector<double> one_expert;  // by MoE layer
  double head = 0;                 // a part of all_tokens
  // The first MTP module: what a step of it reads once, the main model's head left out; one of its routed experts.
  double mtp = 0, mtp_expert = 0;
  double sum = 0;  // of all, modules too
};
WeightBytes weight_bytes(const Model& model);

// f(name of a format, bits of an element, elements): a weight in blocks may have parts in several formats.
void for_each_format(const Weight& weight,
                     const std::function<void(const char* name, double bits, int64_t elements)>& f);

}  // namespace minke
