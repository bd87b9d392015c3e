#include "corpus/countdown.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "corpus/genres.h"

namespace minke::corpus {
namespace {

// The value of a op b, or 0 where the operation is not allowed or changes nothing.
int64_t value_of(int64_t a, char op, int64_t b) {
  if (op == '+') return a + b;
  if (op == '-') return a > b ? a - b : 0;
  if (op == '*') return a > 1 && b > 1 ? a * b : 0;
  return b > 1 && a % b == 0 ? a / b : 0;
}

}  // namespace

std::string Equation::text() const { return fmt::format("{}{}{}={}", a, op, b, value); }

Operand combine(const Operand& a, char op, const Operand& b, int64_t value, bool plain) {
  const auto sum = [](char c) { return c == '+' || c == '-'; };
  const bool factor = op == '*' || op == '/';
  const bool left = plain ? a.op != 0 : factor && sum(a.op);
  const bool right =
      plain ? b.op != 0 : (sum(b.op) && op != '+') || (factor && b.op == '/') || (op == '/' && b.op == '*');
  const auto put = [](const Operand& x, bool brackets) { return brackets ? "(" + x.text + ")" : x.text; };
  return {value, put(a, left) + op + put(b, right), op};
}

Path::Path(const std::vector<int64_t>& numbers) {
  for (int64_t n : numbers) table.push_back({n, std::to_string(n), 0});
}

void Path::apply(const Move& m) {
  equations.push_back({table[m.i].value, m.op, table[m.j].value, m.value});
  Operand result = combine(table[m.i], m.op, table[m.j], m.value, true);
  table.erase(table.begin() + ptrdiff_t(std::max(m.i, m.j)));
  table.erase(table.begin() + ptrdiff_t(std::min(m.i, m.j)));
  table.push_back(std::move(result));
}

void Path::apply(const Equation& e) {
  for (const Move& m : moves())
    if (table[m.i].value == e.a && table[m.j].value == e.b && m.op == e.op) return apply(m);
  check(false, "the equation is a move");
}

std::vector<Path::Move> Path::moves() const {
  std::vector<Move> all;
  for (size_t i = 0; i < table.size(); ++i)
    for (size_t j = 0; j < table.size(); ++j) {
      if (i == j || table[i].value < table[j].value || (table[i].value == table[j].value && i > j)) continue;
      for (char op : {'+', '-', '*', '/'})
        if (const int64_t v = value_of(table[i].value, op, table[j].value); v > 0 && v <= kLargestValue)
          all.push_back({i, j, op, v});
    }
  return all;
}

bool Path::step(Rng& rng) {
  const std::vector<Move> all = moves();
  if (all.empty()) return false;
  apply(all[size_t(rng.below(all.size()))]);
  return true;
}

std::string Countdown::question() const { return fmt::format("Make {} from {}.", target, fmt::join(numbers, " ")); }

std::string Countdown::canonical() const {
  std::vector<int64_t> sorted = numbers;
  std::sort(sorted.begin(), sorted.end());
  return fmt::format("countdown {} = {}", fmt::join(sorted, " "), target);
}

std::string Countdown::answer_json() const {
  return fmt::format("{{\"numbers\": [{}], \"target\": {}}}", fmt::join(numbers, ", "), target);
}

Countdown make_countdown(Rng rng, int count) {
  check(count >= 2, "countdown has numbers");
  for (;;) {
    Countdown c;
    for (int i = 0; i < count; ++i) c.numbers.push_back(1 + int64_t(rng.below(uint64_t(kLargestNumber))));
    Path path(c.numbers);
    while (!path.complete() && path.step(rng)) {
    }
    if (!path.complete()) continue;
    c.target = path.table[0].value;
    if (c.target < kSmallestTarget || c.target > kLargestTarget) continue;
    c.solution = std::move(path);
    return c;
  }
}

Task countdown_task(Rng rng, int level) {
  const Countdown c = make_countdown(rng, level);
  std::string reasoning;
  for (const Equation& e : c.solution.equations) reasoning += (reasoning.empty() ? "" : "\n") + e.text();
  Task task{"countdown", c.question(), std::move(reasoning), c.answer_json(), GraderKind::countdown};
  task.solution = c.solution.table[0].text;
  task.canonical = c.canonical();
  return task;
}

}  // namespace minke::corpus
