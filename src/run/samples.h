// Samples of what a model writes while it trains. Test: tests/run/pretrain_test.cpp, sft_test.cpp.
#pragma once
#include "infer/engine.h"
#include "run/stage.h"

namespace minke {

// What follows `ids`, shown as `prompt`, to the console and the log: log.sample_tokens at most, temperature 0.7, top-p 0.95.
void write_sample(const RunView& run, Engine& engine, const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                  const std::string& prompt, uint64_t seed);

}  // namespace minke
