#include "corpus/chains.h"

#include <algorithm>

#include "core/error.h"
#include "corpus/genres.h"

namespace minke::corpus {
namespace {

// The next operation on a value: an addend up to 50, a factor or divisor up to 12.
Equation next_equation(Rng& rng, int64_t value) {
  for (;;) {
    const char op = "+-*/"[rng.below(4)];
    const int64_t b = op == '+' || op == '-' ? 1 + int64_t(rng.below(50)) : 2 + int64_t(rng.below(11));
    int64_t result = 0;
    if (op == '+') result = value + b;
    else if (op == '-') result = value - b;
    else if (op == '*') result = value * b;
    else if (value % b == 0) result = value / b;
    if (result >= 1 && result <= kLargestValue) return {value, op, b, result};
  }
}

}  // namespace

std::string chain_form(int64_t first, const std::vector<Equation>& equations) {
  const Equation& e = equations.front();
  const bool free = e.op == '+' || e.op == '*';
  const int64_t a = free ? std::min(first, e.b) : first, b = free ? std::max(first, e.b) : e.b;
  std::string form = "chain " + std::to_string(a) + e.op + std::to_string(b);
  for (size_t i = 1; i < equations.size(); ++i) form += equations[i].op + std::to_string(equations[i].b);
  return form;
}

Chain make_chain(Rng rng, int steps) {
  check(steps >= 1, "a chain has steps");
  Chain chain;
  Operand so_far{2 + int64_t(rng.below(49)), "", 0};
  so_far.text = std::to_string(so_far.value);
  for (int i = 0; i < steps; ++i) {
    const Equation e = next_equation(rng, so_far.value);
    so_far = combine(so_far, e.op, {e.b, std::to_string(e.b), 0}, e.value);
    chain.equations.push_back(e);
  }
  chain.expression = so_far.text;
  return chain;
}

Task chain_task(Rng rng, int level) {
  const Chain c = make_chain(rng, level);
  std::string reasoning;
  for (const Equation& e : c.equations) reasoning += (reasoning.empty() ? "" : "\n") + e.text();
  Task task{"steps", c.question(), std::move(reasoning), std::to_string(c.value())};
  task.canonical = chain_form(c.equations[0].a, c.equations);
  return task;
}

}  // namespace minke::corpus
