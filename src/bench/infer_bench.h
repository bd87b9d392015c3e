// The speed of inference, through the engine as users have it. `pp512`: the tokens of a prompt of 512 a second, with nothing
// in the cache; `tg32`: tokens of an answer a second, after a prompt of one token. With a batch: of all sequences together.
// Token ids are random, as in llama.cpp's bench; the most likely token is looked for at each step and then not taken, so that
// no answer ends early or repeats itself. Test: tests/bench/infer_bench_test.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "bench/ceilings.h"
#include "infer/engine.h"

namespace minke {

struct InferBenchOptions {
  int64_t prompt = 512, answer = 32;  // tokens; 0 = no such rows
  std::vector<int64_t> batches = {1};
  int64_t repetitions = 3;
};
// With room for the largest row.
EngineSettings engine_settings(const InferBenchOptions& options);

// What bounds the rows: rates of the machine.
struct InferCeilings {
  Ceiling read, products;
};
// Of products in any format that such a model can be multiplied in: INT8 too if it has weights of at most 8 bits.
InferCeilings infer_ceilings(const Context& ctx, const Model& model, double seconds);

// Bytes of the weights as the model holds them.
struct WeightBytes {
  double all_tokens = 0;           // of what a step reads once, whatever its tokens are
  double token = 0;                // of what each token reads of its own: its row of the embedding
  std::vector<double> one_expert;  // by MoE layer
  double sum = 0;                  // of all
};
WeightBytes weight_bytes(const Model& model);
// The format of most weights: "Q8_0", "bf16" …
std::string weight_format(const Model& model);

struct InferRow {
  std::string test;  // pp512, tg32
  int64_t batch = 1;
  std::vector<double> tokens_per_second;  // a run each
  double first_token_seconds = 0;         // pp: from a request to its first token, median of requests and runs
  double flops_per_token = 0;
  // tg: of weights, per token, with the experts that the steps chose in fact: those that several sequences of a step choose
  // are read once.
  double bytes_per_token = 0;
  double read_ceiling = 0, product_ceiling = 0;

  double median_rate() const;
  double bandwidth_share() const { return read_ceiling > 0 ? median_rate() * bytes_per_token / read_ceiling : 0; }
  double ceiling_share() const { return product_ceiling > 0 ? median_rate() * flops_per_token / product_ceiling : 0; }
};

// Each row first runs once uncounted. `engine` has the settings of the options. show is called with each row as soon as it is
// measured.
void infer_bench(const Context& ctx, const Model& model, Engine& engine, const InferBenchOptions& options,
                 const InferCeilings& ceilings, const std::function<void(const InferRow&)>& show);

}  // namespace minke
