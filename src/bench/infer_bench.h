// The speed of inference, through the engine as users have it. `pp512`: the tokens of a prompt of 512 a second, with nothing
// in the cache; `tg32`: tokens of an answer a second, after a prompt of one token. With a batch: of all sequences together.
// Token ids are random, as in llama.cpp's bench; the most likely token is looked for at each step and then not taken, so that
// no answer ends early or repeats itself. `tg32 spec`, of an engine with speculation: answers as they are, the most likely token
// each time, after a piece of a text, because how many drafts are right depends on the text. Test:
// tests/bench/infer_bench_test.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "bench/ceilings.h"
#include "infer/engine.h"
#include "model/weight_bytes.h"

namespace minke {

struct InferBenchOptions {
  int64_t prompt = 512, answer = 32;  // tokens; 0 = no such rows
  int64_t depth = 0;                  // tokens that every sequence has in the cache before; whole pages
  std::vector<int64_t> batches = {1};
  int64_t repetitions = 3;
  // For `tg32 spec`: an answer begins after so many tokens of the text; of random ones if there is no text.
  std::vector<int32_t> text = {};
  int64_t beginning = 32;
  SpeculationMode speculation = SpeculationMode::off;
  int64_t drafts = 1;
};
// With room for the largest row.
EngineSettings engine_settings(const InferBenchOptions& options);

// What bounds the rows: rates of the machine.
struct InferCeilings {
  Ceiling read, products;
};
// Of products in any format that such a model can be multiplied in: INT8 too if it has weights of at most 8 bits.
InferCeilings infer_ceilings(const Context& ctx, const Model& model, double seconds);

// The format of most weights: "Q8_0", "bf16" …
std::string weight_format(const Model& model);

struct InferRow {
  std::string test;  // pp512, tg32, tg32 spec
  int64_t batch = 1, depth = 0;
  std::vector<double> tokens_per_second;  // a run each
  double first_token_seconds = 0;         // pp: from a request to its first token, median of requests and runs
  double flops_per_token = 0;
  // tg: of weights, per token, with the experts that the steps chose in fact: those that several sequences of a step choose
  // are read once. At a depth, of the cache too.
  double bytes_per_token = 0;
  double read_ceiling = 0, product_ceiling = 0;
  // Of `tg32 spec`: what became of drafts, and how many times as fast as answers without this is, median of turns.
  SpeculationCounts drafts = {};
  double gain = 0;

  double median_rate() const;
  double bandwidth_share() const { return read_ceiling > 0 ? median_rate() * bytes_per_token / read_ceiling : 0; }
  double ceiling_share() const { return product_ceiling > 0 ? median_rate() * flops_per_token / product_ceiling : 0; }
};

// Each row first runs once uncounted. `engine` has the settings of the options. show is called with each row as soon as it is
// measured.
void infer_bench(const Context& ctx, const Model& model, Engine& engine, const InferBenchOptions& options,
                 const InferCeilings& ceilings, const std::function<void(const InferRow&)>& show);

}  // namespace minke
