// Chains of calculations: "Compute ((12+7)*3-8)/7.", step by step from the innermost bracket. Values are whole, from 1 to
// 199. Tested in tests/corpus/countdown_test.cpp.
#pragma once
#include "corpus/countdown.h"

namespace minke::corpus {

struct Chain {
  std::vector<Equation> equations;  // each takes up the value of the one before as its a
  std::string expression;

  std::string question() const { return "Compute " + expression + "."; }
  int64_t value() const { return equations.back().value; }
};
Chain make_chain(Rng rng, int steps);
// The next operation on a value: an addend up to 50, a factor or divisor up to 12.
Equation next_equation(Rng& rng, int64_t value);

// "chain 7+12*3-8": the whole chain; the first two numbers sorted where their order is free.
std::string chain_form(int64_t first, const std::vector<Equation>& equations);

// True if somewhere in the text equations that take up each other's values ("12+7=19", later "19*3=57") work out a chain
// of the test side, or reach the target of a countdown of the test side with its numbers. No text to train on does: it
// would show a test's answer, whatever it was asked itself.
bool shows_test_problem(std::string_view text);
bool shows_test_problem(const std::vector<Equation>& equations);

}  // namespace minke::corpus
