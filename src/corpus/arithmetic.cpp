// Arithmetic with its reasoning (sums by place value, long products, chains with brackets, comparisons, sequences,
// missing numbers, remainders, fractions, percent), and drill lists of short sums.
#include <numeric>

#include "core/error.h"
#include "corpus/chains.h"
#include "corpus/genres.h"
#include "corpus/grammar.h"

namespace minke::corpus {
namespace {

int64_t power10(int n) {
  int64_t p = 1;
  while (n-- > 0) p *= 10;
  return p;
}

struct Maker {
  Expander e;
  int level;

  int64_t number(int64_t low, int64_t high) { return e.between(low, high); }
  // A number with up to `level` digits, no more than four.
  int64_t sized() { return number(level == 1 ? 0 : power10(level - 2), power10(std::min(level, 4)) - 1); }
  std::string ask(std::string_view text) { return e.expand(text, true); }
  std::string ask_value(const std::string& what) {
    const std::string_view kForms[] = {"What is ", "Calculate ", "Compute ", "How much is ", "Work out "};
    const size_t form = e.below(5);
    return std::string(kForms[form]) + what + (form == 0 || form == 3 ? "?" : ".");
  }
};

// 347 → {300, 40, 7}, without zeros.
std::vector<int64_t> places(int64_t value) {
  std::vector<int64_t> parts;
  for (int64_t p = 1000000000; p > 0; p /= 10)
    if (const int64_t digit = value / p % 10) parts.push_back(digit * p);
  return parts;
}

void line(std::string& reasoning, const std::string& text) {
  if (!reasoning.empty()) reasoning += '\n';
  reasoning += text;
}

Task add(Maker& m) {
  const int64_t x = m.sized(), y = m.sized();
  Task t{"add", m.ask_value(fmt::format("{} + {}", x, y)), "", std::to_string(x + y)};
  if (m.level == 1) return t;
  int64_t sum = x;  // add the second number place by place
  const auto parts = places(y);
  if (parts.size() < 2) return t;
  for (int64_t part : parts) {
    line(t.reasoning, fmt::format("{} + {} = {}", sum, part, sum + part));
    sum += part;
  }
  return t;
}

Task subtract(Maker& m) {
  int64_t x = m.sized(), y = m.sized();
  if (m.level <= 3 && x < y) std::swap(x, y);
  Task t{"subtract", m.ask_value(fmt::format("{} - {}", x, y)), "", std::to_string(x - y)};
  if (x < y) {
    line(t.reasoning, fmt::format("{} is smaller than {}, so the result is negative.", x, y));
    line(t.reasoning, fmt::format("{} - {} = {}", y, x, y - x));
    line(t.reasoning, fmt::format("{} - {} = {}", x, y, x - y));
    return t;
  }
  const auto parts = places(y);
  if (m.level == 1 || parts.size() < 2) return t;
  int64_t rest = x;
  for (int64_t part : parts) {
    line(t.reasoning, fmt::format("{} - {} = {}", rest, part, rest - part));
    rest -= part;
  }
  return t;
}

Task multiply(Maker& m) {
  const int64_t x =
      m.level <= 2 ? m.number(2, 9 + 3 * (m.level - 1)) : m.number(11, power10(std::min(m.level - 1, 3)) - 1);
  const int64_t y = m.level <= 3 ? m.number(2, 9) : m.number(11, 99);
  Task t{"multiply", m.ask_value(fmt::format("{} * {}", x, y)), "", std::to_string(x * y)};
  const auto parts = places(m.level <= 3 ? x : y);
  const int64_t other = m.level <= 3 ? y : x;
  if (parts.size() < 2) return t;
  std::string sum;
  for (int64_t part : parts) {
    line(t.reasoning, fmt::format("{} * {} = {}", other, part, other * part));
    sum += (sum.empty() ? "" : " + ") + std::to_string(other * part);
  }
  line(t.reasoning, fmt::format("{} = {}", sum, x * y));
  return t;
}

Task divide(Maker& m) {
  const int64_t y = m.number(2, m.level <= 3 ? 9 : 25), q = m.number(2, m.level <= 2 ? 10 : power10(m.level - 1));
  Task t{"divide", m.ask_value(fmt::format("{} / {}", y * q, y)), "", std::to_string(q)};
  if (m.level >= 3) line(t.reasoning, fmt::format("{} * {} = {}", y, q, y * q));
  if (m.level >= 3) line(t.reasoning, fmt::format("{} / {} = {}", y * q, y, q));
  return t;
}

Task remainder(Maker& m) {
  const int64_t y = m.number(3, m.level <= 3 ? 9 : 25), q = m.number(2, 4 * m.level * m.level), r = m.number(0, y - 1),
                x = y * q + r;
  Task t{"remainder",
         m.ask(fmt::format(
             "{{What is the remainder when {0} is divided by {1}?|What remains when {0} is divided by {1}?}}", x, y)),
         "", std::to_string(r)};
  line(t.reasoning, fmt::format("{} * {} = {}", y, q, y * q));
  line(t.reasoning, fmt::format("{} - {} = {}", x, y * q, r));
  return t;
}

Task missing(Maker& m) {
  const int64_t x = m.sized(), y = m.sized();
  if (m.e.chance(0.5)) {
    Task t{"missing", fmt::format("{} + ? = {}. What is the missing number?", x, x + y), "", std::to_string(y)};
    line(t.reasoning, fmt::format("{} - {} = {}", x + y, x, y));
    return t;
  }
  Task t{"missing", fmt::format("? - {} = {}. What is the missing number?", x, y), "", std::to_string(x + y)};
  line(t.reasoning, fmt::format("{} + {} = {}", y, x, x + y));
  return t;
}

Task compare(Maker& m) {
  int64_t x = m.sized(), y = m.sized();
  if (x == y) ++y;
  if (m.level == 1)
    return {"larger", m.ask(fmt::format("{{Which {{number |}}is larger|Which number is greater}}: {} or {}?", x, y)),
            "", std::to_string(std::max(x, y))};
  const int64_t k = m.number(2, 9), other = m.number(1, power10(std::min(m.level, 3)));
  Task t{"larger", fmt::format("Which is larger: {} + {} or {} + {}? Give the larger value.", x, k, y, other), "",
         std::to_string(std::max(x + k, y + other))};
  line(t.reasoning, fmt::format("{} + {} = {}", x, k, x + k));
  line(t.reasoning, fmt::format("{} + {} = {}", y, other, y + other));
  line(t.reasoning, fmt::format("The larger value is {}.", std::max(x + k, y + other)));
  return t;
}

Task sequence(Maker& m) {
  const int64_t start = m.number(1, 10 * m.level), step = m.number(1, 4 * m.level);
  if (m.level >= 4 && m.e.chance(0.4)) {
    const int64_t k = m.number(2, 4), x = m.number(1, 9);
    Task t{"sequence",
           m.ask(fmt::format(
               "{{What is the next number|Which number comes next|Continue the sequence}}: {}, {}, {}, {}, ?", x, x * k,
               x * k * k, x * k * k * k)),
           "", std::to_string(x * k * k * k * k)};
    line(t.reasoning, fmt::format("Each number is {} times the one before.", k));
    line(t.reasoning, fmt::format("{} * {} = {}", x * k * k * k, k, x * k * k * k * k));
    return t;
  }
  const bool down = m.level >= 2 && m.e.chance(0.4);
  const int64_t s = down ? -step : step, first = down ? start + 4 * step : start;
  Task t{
      "sequence",
      m.ask(fmt::format("{{What is the next number|Which number comes next|Continue the sequence}}: {}, {}, {}, {}, ?",
                        first, first + s, first + 2 * s, first + 3 * s)),
      "", std::to_string(first + 4 * s)};
  line(t.reasoning, fmt::format("Each number is {} {} than the one before.", step, down ? "less" : "more"));
  line(t.reasoning, fmt::format("{} {} {} = {}", first + 3 * s, down ? '-' : '+', step, first + 4 * s));
  return t;
}

Task chain(Maker& m) {
  const int64_t a = m.number(1, 9 * m.level), b = m.number(2, 9), c = m.number(2, 9), d = m.number(1, 10 * m.level);
  if (m.level <= 3) {
    Task t{"chain", m.ask_value(fmt::format("{} + {} * {}", a, b, c)), "", std::to_string(a + b * c)};
    line(t.reasoning, fmt::format("{} * {} = {}", b, c, b * c));
    line(t.reasoning, fmt::format("{} + {} = {}", a, b * c, a + b * c));
    t.canonical = chain_form(b, {{b, '*', c, b * c}, {b * c, '+', a, a + b * c}});
    return t;
  }
  const int64_t sum = a + b, product = sum * c;
  Task t{"chain", m.ask_value(fmt::format("({} + {}) * {} - {}", a, b, c, d)), "", std::to_string(product - d)};
  line(t.reasoning, fmt::format("{} + {} = {}", a, b, sum));
  line(t.reasoning, fmt::format("{} * {} = {}", sum, c, product));
  line(t.reasoning, fmt::format("{} - {} = {}", product, d, product - d));
  t.canonical = chain_form(a, {{a, '+', b, sum}, {sum, '*', c, product}, {product, '-', d, product - d}});
  return t;
}

Task fraction(Maker& m) {
  const int64_t k = m.number(2, 2 * m.level), q = m.number(3, 12);
  int64_t p = m.number(1, q - 1);
  const int64_t g = std::gcd(p, q), n = p * k, d = q * k;
  Task t{"fraction",
         m.ask(fmt::format(
             "{{Simplify the fraction {0}/{1}.|Write {0}/{1} in lowest terms.|Reduce {0}/{1} as far as possible.}}", n,
             d)),
         "", fmt::format("{}/{}", p / g, q / g)};
  line(t.reasoning, fmt::format("The greatest common divisor of {} and {} is {}.", n, d, k * g));
  line(t.reasoning, fmt::format("{} / {} = {}", n, k * g, p / g));
  line(t.reasoning, fmt::format("{} / {} = {}", d, k * g, q / g));
  return t;
}

Task percent(Maker& m) {
  constexpr int64_t kPercent[] = {5, 10, 20, 25, 50, 75};
  const int64_t p = m.e.pick(kPercent), x = m.number(1, 10 * m.level) * 20;
  Task t{"percent", m.ask_value(fmt::format("{}% of {}", p, x)), "", std::to_string(x * p / 100)};
  line(t.reasoning, fmt::format("{} * {} = {}", x, p, x * p));
  line(t.reasoning, fmt::format("{} / 100 = {}", x * p, x * p / 100));
  return t;
}

struct Family {
  int first_level, last_level;
  Task (*make)(Maker&);
};
constexpr Family kFamilies[] = {{1, 5, add},       {1, 5, subtract}, {1, 5, multiply}, {1, 5, divide},
                                {2, 5, remainder}, {1, 4, missing},  {1, 4, compare},  {1, 5, sequence},
                                {2, 5, chain},     {3, 5, fraction}, {3, 5, percent}};

// Twenty short sums in one form: "7 + 5 = 12".
std::string drill(Maker& m) {
  std::string text;
  const int64_t form = m.number(0, 4), fixed = m.number(2, 12), rows = m.number(6, 16),
                high = m.e.chance(0.5) ? 20 : 100;
  if (form == 0) text = fmt::format("{} times table:\n", fixed);
  for (int64_t i = 1; i <= rows; ++i) {
    const int64_t x = m.number(0, high), y = m.number(0, high);
    if (form == 0) text += fmt::format("{} * {} = {}\n", i, fixed, i * fixed);
    else if (form == 1) text += fmt::format("{} + {} = {}\n", x, y, x + y);
    else if (form == 2) text += fmt::format("{} - {} = {}\n", x + y, y, x);
    else if (form == 3) text += fmt::format("{} * {} = {}\n", x % 13, y % 13, (x % 13) * (y % 13));
    else text += fmt::format("{} / {} = {}\n", (x % 12) * (y % 12 + 1), y % 12 + 1, x % 12);
  }
  text.pop_back();
  return text;
}

}  // namespace

Task arithmetic_task(Rng rng, int level) {
  check(level >= kMinTaskLevel && level <= kMaxTaskLevel, "task level is 1 to 5");
  Maker m{Expander(rng), level};
  for (;;) {
    const Family& family = kFamilies[m.e.below(std::size(kFamilies))];
    if (level >= family.first_level && level <= family.last_level) return family.make(m);
  }
}

std::string arithmetic_text(Rng rng, Levels levels, Problems& problems) {
  Maker m{Expander(rng), 1};
  if (m.e.chance(0.3) && levels.has(1)) return drill(m);
  const int count = int(m.number(1, 4));  // a few questions in one document
  std::string text;
  for (int i = 0; i < count; ++i) {
    if (i) text += '\n';
    const Task task =
        task_of_split({m.e.rng.key.at(uint64_t(i))}, TaskKind::arithmetic, levels.pick(m.e.rng), TaskSplit::train);
    problems.push_back(task.canonical);
    text += task_document(task);
  }
  return text;
}

}  // namespace minke::corpus
