// log p(continuation | prompt) under a model, by the forward pass of training. Sequences are batched and padded on the
// right; causal attention does not see the padding. Test: tests/eval/eval_test.cpp.
#pragma once
#include <cstdint>
#include <vector>

#include "model/model.h"

namespace minke {

struct Continuation {
  std::vector<int32_t> prompt, text;  // token ids; neither is empty
};
struct LogLikelihood {
  double nats = 0;      // log p of the whole continuation
  bool greedy = false;  // every token of it is the most likely one: greedy decoding would write exactly this
};

// UserError, which says that the weights are damaged, if a number that a model gave is not finite.
void check_finite(double of_model);

class Likelihood {
 public:
  // Sequences of up to max_length tokens, prompt and text together; `batch` at once.
  Likelihood(const Context& ctx, Model& model, int64_t max_length, int64_t batch = 8);

  // A batch of the longest sequences: on a dry run, what all others need at most.
  void run_longest(const Context& ctx);
  // What it takes of the scratch arena at most: a dry run.
  static size_t scratch_bytes(const Context& ctx, const Config& config, const Precision& precision, int64_t max_length,
                              int64_t batch = 8);

  // One result for each, in the same order. UserError if one is longer than max_length, or not finite.
  std::vector<LogLikelihood> operator()(const Context& ctx, const std::vector<Continuation>& all);

 private:
  void run(const Context& ctx, const Continuation* first, int64_t count, std::vector<LogLikelihood>& out);

  Model* model_;
  int64_t max_length_, batch_;
  Arena arena_;
  BatchBuffers buffers_;
};

}  // namespace minke
