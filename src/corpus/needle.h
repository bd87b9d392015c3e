// A needle in a haystack (V3 §4.3, figure 8): short facts among the sentences of stories, and a question at the end. Used by
// the long-context evaluation and, as documents of the built-in corpus ("needle"), for a small model to learn the task.
// Pure functions of (seed, index). Tested in tests/corpus/corpus_test.cpp.
#pragma once
#include <cstdint>
#include <string>

#include "core/rng.h"

namespace minke {

struct NeedleTask {
  std::string prompt;  // the haystack and the question, up to where the answer begins
  std::string answer;  // " lantern"
};
// A haystack of about `bytes` bytes that hides four needles; the one asked for stands at `depth` of it (0 = the
// beginning, 1 = the end), the others anywhere.
NeedleTask make_needle(uint64_t seed, uint64_t index, size_t bytes, double depth);

namespace corpus {
// Nine times in ten a list of passwords that is repeated many times. Otherwise a haystack of 40 to 4,000 bytes (as many short
// as long ones) in which four needles are repeated, so that every window of it asks for something that came before.
std::string needle_text(Rng rng);
}  // namespace corpus

}  // namespace minke
