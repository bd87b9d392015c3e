#include "corpus/chains.h"

#include <algorithm>

#include "core/error.h"
#include "corpus/genres.h"

namespace minke::corpus {
namespace {

// Every true "a op b = c" of a text, with or without spaces.
std::vector<Equation> equations_in(std::string_view text) {
  std::vector<Equation> found;
  size_t at = 0;
  const auto spaces = [&] {
    while (at < text.size() && text[at] == ' ') ++at;
  };
  const auto number = [&](int64_t& value) {
    constexpr size_t kMostDigits = 9;  // products fit
    const size_t begin = at;
    value = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
      if (at - begin < kMostDigits) value = value * 10 + (text[at] - '0');
    return at > begin && at - begin <= kMostDigits;
  };
  while (at < text.size()) {
    Equation e{};
    if (!number(e.a)) {
      ++at;
      continue;
    }
    const size_t after_first = at;
    spaces();
    e.op = at < text.size() ? text[at++] : '\0';
    spaces();
    const bool operation = e.op == '+' || e.op == '-' || e.op == '*' || e.op == '/';
    bool whole = operation && number(e.b);
    spaces();
    whole = whole && at < text.size() && text[at++] == '=';
    spaces();
    if (whole && number(e.value)) {
      const bool right = e.op == '+'   ? e.a + e.b == e.value
                         : e.op == '-' ? e.a - e.b == e.value
                         : e.op == '*' ? e.a * e.b == e.value
                                       : e.b != 0 && e.a % e.b == 0 && e.a / e.b == e.value;
      if (right) found.push_back(e);
    }
    at = after_first;  // its second number may begin another: "2 + 3 * 4 = 14"
  }
  return found;
}

// As a chain, or as a way to the target of a countdown.
bool is_of_test(const std::vector<Equation>& chain) {
  if (split_of(chain_form(chain[0].a, chain)) == TaskSplit::test) return true;
  Countdown c;
  c.numbers = {chain[0].a};
  for (const Equation& e : chain) c.numbers.push_back(e.b);
  c.target = chain.back().value;
  return split_of(c.canonical()) == TaskSplit::test;
}

}  // namespace

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

bool shows_test_problem(std::string_view text) { return shows_test_problem(equations_in(text)); }

bool shows_test_problem(const std::vector<Equation>& all) {
  constexpr size_t kBack = 8;                                          // a value is taken up that soon
  const size_t longest = size_t(task_levels(TaskKind::chain).last);    // longer ones are no tasks
  std::vector<std::vector<std::vector<Equation>>> ending(all.size());  // the chains that end with each equation
  for (size_t i = 0; i < all.size(); ++i) {
    ending[i] = {{all[i]}};
    const size_t oldest = i - std::min(i, kBack);
    for (size_t k = oldest; k < i; ++k) {
      const bool repeated =
          std::find(all.begin() + ptrdiff_t(oldest), all.begin() + ptrdiff_t(k), all[k]) != all.begin() + ptrdiff_t(k);
      Equation next = all[i];
      if (next.a != all[k].value && (next.op == '+' || next.op == '*')) std::swap(next.a, next.b);
      if (next.a != all[k].value || repeated) continue;
      for (std::vector<Equation> chain : ending[k]) {
        if (chain.size() == longest) continue;
        chain.push_back(next);
        if (is_of_test(chain)) return true;
        ending[i].push_back(std::move(chain));
      }
    }
  }
  return false;
}

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
