// A reader of numbers and a calculator for the tests of the corpus, written apart from the generators.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minke::test {

using Ints = std::vector<int64_t>;

// The numbers of a question in their order; "half" and "twice" are 2.
inline Ints integers(std::string text) {
  const std::pair<std::string, std::string> words[] = {
      {"twice", " 2 "}, {"three times", " 3 "}, {"four times", " 4 "}, {"five times", " 5 "}};
  for (const auto& [word, digits] : words)
    if (const size_t at = text.find(word); at != std::string::npos) text.replace(at, word.size(), digits);
  Ints values;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') continue;
    int64_t v = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) v = v * 10 + (text[i] - '0');
    values.push_back(v);
  }
  return values;
}

// A calculator for + - * / and brackets over exact integers, written apart from the generator.
struct Calculator {
  std::string_view text;
  size_t at = 0;
  bool ok = true;

  char peek() {
    while (at < text.size() && text[at] == ' ') ++at;
    return at < text.size() ? text[at] : '\0';
  }
  int64_t atom() {
    if (peek() == '(') {
      ++at;
      const int64_t v = sum();
      ok &= peek() == ')';
      ++at;
      return v;
    }
    if (peek() == '-') return ++at, -atom();
    int64_t v = 0;
    size_t digits = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) v = v * 10 + (text[at] - '0');
    ok &= digits > 0;
    return v;
  }
  int64_t product() {
    int64_t v = atom();
    for (char c; (c = peek()) == '*' || c == '/';) {
      ++at;
      const int64_t w = atom();
      if (c == '*') {
        v *= w;
      } else {
        ok &= w != 0 && v % w == 0;
        v = w ? v / w : 0;
      }
    }
    return v;
  }
  int64_t sum() {
    int64_t v = product();
    for (char c; (c = peek()) == '+' || c == '-';) {
      ++at;
      const int64_t w = product();
      v += c == '+' ? w : -w;
    }
    return v;
  }
};

// Checks every "expression = value" in the text; returns the value of the last one.
inline bool equations_hold(const std::string& text, int& count, int64_t& last) {
  const std::string_view kMath = "0123456789+-*/() ";
  for (size_t eq = text.find('='); eq != std::string::npos; eq = text.find('=', eq + 1)) {
    size_t begin = eq;
    while (begin > 0 && kMath.find(text[begin - 1]) != std::string_view::npos) --begin;
    Calculator left{std::string_view(text).substr(begin, eq - begin)};
    const int64_t value = left.sum();
    Calculator right{std::string_view(text).substr(eq + 1)};
    const int64_t stated = right.atom();
    if (!left.ok || left.peek() != '\0' || !right.ok || value != stated) return false;
    ++count;
    last = stated;
  }
  return true;
}

// The value of a whole expression; ok is cleared where it is none, or a division leaves a rest.
inline int64_t value_of(std::string_view expression, bool& ok) {
  Calculator c{expression};
  const int64_t value = c.sum();
  ok &= c.ok && c.peek() == '\0';
  return value;
}

}  // namespace minke::test
