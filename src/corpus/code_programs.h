// Small Python programs with calls and their results, for the texts of code.cpp.
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corpus/grammar.h"

namespace minke::corpus {

using List = std::vector<int64_t>;

// As Python's repr writes a value; quoted: as a program's text does.
inline std::string in_quotes(std::string_view s) { return fmt::format("\"{}\"", s); }
inline std::string repr(bool b) { return b ? "True" : "False"; }
inline std::string repr(int64_t v) { return std::to_string(v); }
inline std::string repr(const std::string& s) { return fmt::format("'{}'", s); }
template <class T> std::string repr(const std::vector<T>& list) {
  std::string s = "[";
  for (size_t i = 0; i < list.size(); ++i) s += (i ? ", " : "") + repr(list[i]);
  return s + "]";
}

struct Program {
  Expander e;
  std::string task;    // "Return the largest number in a list."
  std::string source;  // the definition
  std::string name;
  std::vector<std::pair<std::string, std::string>> calls;  // call, repr of its result

  explicit Program(Rng rng) : e(rng) {
    e.capitals = false;
    e.expand(
        "{x=x|a|n|value|first}{y=y|b|k|second}{xs=numbers|values|items|xs|data}{v=v|item|value|number}{s=text|s|word|"
        "string}{c=c|ch|letter}{out=result|out|answer}{i=i|j|index}");
    if (e.get("v") == e.get("x")) e.set("v", "item");
  }
  int64_t number(int64_t low, int64_t high) { return e.between(low, high); }
  std::string word();
  List list(int64_t low = 0, int64_t high = 30) {
    List values(size_t(number(3, 7)));
    for (int64_t& v : values) v = number(low, high);
    return values;
  }
  void define(std::string_view name_choices, std::string_view task_text, std::string_view body) {
    e.set("f", name_choices);
    name = e.get("f");
    task = e.expand(task_text);
    source = e.expand(body);
  }
  template <class R> void call(const std::string& arguments, const R& result) {
    calls.emplace_back(name + "(" + arguments + ")", repr(result));
  }
  // Three different calls of one list each.
  template <class F> void call_lists(F f, int64_t low = 0, int64_t high = 30) {
    for (int i = 0; i < 3; ++i) {
      const List values = list(low, high);
      call(repr(values), f(values));
    }
  }
  template <class F> void call_numbers(int64_t low, int64_t high, F f) {
    for (int i = 0; i < 3; ++i) {
      const int64_t v = number(low, high);
      call(repr(v), f(v));
    }
  }
  template <class F> void call_words(F f) {
    for (int i = 0; i < 3; ++i) {
      const std::string w = word();
      call(in_quotes(w), f(w));
    }
  }
};

// One of the families at random. Each computes the results in C++ beside the source it prints; the tests run python3 over
// a sample to see that both agree.
void write_program(Program& p);

}  // namespace minke::corpus
