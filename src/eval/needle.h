// Needle in a haystack (V3 §4.3, figure 8): does the model repeat a fact from any place of a text of a given length?
// The texts are those of corpus/needle.h. Test: tests/eval/eval_test.cpp.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "eval/likelihood.h"
#include "tokenize/tokenizer.h"

namespace minke {

struct NeedleOptions {
  std::vector<int64_t> lengths;  // tokens, question and answer included
  int64_t depths = 10;           // places from the beginning (0) to the end (1) of the text
  int64_t trials = 5;            // texts per length and depth
  uint64_t seed = 1;
};
struct NeedleCell {
  int64_t length = 0;
  double depth = 0;
  int64_t trials = 0, found = 0;  // found: greedy decoding writes exactly the answer
};
// UserError if a length is too short for a needle and its question, or if the tokenizer cannot encode them.
void check_needles(const Tokenizer& tokenizer, const NeedleOptions& options);
// Cells by length, then depth. UserError as in check_needles, or if a length is more than `likelihood` takes.
std::vector<NeedleCell> find_needles(const Context& ctx, Likelihood& likelihood, const Tokenizer& tokenizer,
                                     const NeedleOptions& options,
                                     const std::function<void(const NeedleCell&)>& progress = {});

}  // namespace minke
