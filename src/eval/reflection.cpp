#include "eval/reflection.h"

#include <charconv>
#include <optional>
#include <vector>

#include "reward/response.h"

namespace minke {
namespace {

struct Stated {
  int64_t a = 0, b = 0, value = 0;
  char op = 0;
  std::optional<int64_t> instead;  // "not 47"

  bool same_sides(const Stated& s) const { return a == s.a && b == s.b && op == s.op; }
  bool is_right(int64_t v) const {
    if (op == '/') return b != 0 && a % b == 0 && v == a / b;
    return v == (op == '+' ? a + b : op == '-' ? a - b : a * b);
  }
};

// A whole number at the beginning of the text, which is cut off from it. Longer ones than nine digits are none: products fit.
bool take_number(std::string_view& text, int64_t& value) {
  constexpr size_t kMostDigits = 9;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const size_t digits = size_t(end - text.data());
  if (error != std::errc() || value < 0 || text.front() == '-' || digits > kMostDigits) return false;
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, std::string_view part) {
  if (!text.starts_with(part)) return false;
  text.remove_prefix(part.size());
  return true;
}

// The equation that a line begins with.
std::optional<Stated> equation_of(std::string_view line) {
  Stated s;
  if (!take_number(line, s.a) || line.empty()) return {};
  s.op = line.front();
  if (std::string_view("+-*/").find(s.op) == std::string_view::npos) return {};
  line.remove_prefix(1);
  if (!take_number(line, s.b) || !take(line, "=") || !take_number(line, s.value)) return {};
  if (int64_t instead = 0; take(line, " not ") && take_number(line, instead)) s.instead = instead;
  return s;
}

}  // namespace

void Reflection::add(const Reflection& o) {
  equations += o.equations, wrong += o.wrong, caught += o.caught;
  corrections += o.corrections, false_alarms += o.false_alarms;
}

Reflection reflection_of(std::string_view prompt, std::string_view response) {
  return reflection_of(parts_of(response, thought_after(prompt)).thought);
}

Reflection reflection_of(std::string_view thought) {
  constexpr size_t kMost = 1000;  // equations; every two are compared
  std::vector<Stated> all;
  while (!thought.empty() && all.size() < kMost) {
    const size_t end = std::min(thought.find('\n'), thought.size());
    if (const auto s = equation_of(thought.substr(0, end))) all.push_back(*s);
    thought.remove_prefix(std::min(end + 1, thought.size()));
  }
  Reflection r;
  for (size_t i = 0; i < all.size(); ++i) {
    const Stated& s = all[i];
    bool found = false;
    if (s.instead) {
      ++r.corrections;
      for (size_t k = 0; k < i; ++k) found |= !all[k].instead && all[k].same_sides(s) && all[k].value == *s.instead;
      r.false_alarms += !found || s.is_right(*s.instead);
      continue;
    }
    ++r.equations;
    if (s.is_right(s.value)) continue;
    ++r.wrong;
    for (size_t k = i + 1; k < all.size(); ++k)
      found |= all[k].instead == s.value && all[k].same_sides(s) && s.is_right(all[k].value);
    r.caught += found;
  }
  return r;
}

}  // namespace minke
