// Countdown: make a target from numbers, each used once, with + - * /. Values in between are whole, from 1 to 199.
// Tested in tests/corpus/countdown_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.h"

namespace minke::corpus {

inline constexpr int64_t kLargestNumber = 25, kSmallestTarget = 10, kLargestTarget = 100, kLargestValue = 199;

// One equation: "25-7=18".
struct Equation {
  int64_t a;
  char op;
  int64_t b, value;
  std::string text() const;  // with the value that it states
  bool operator==(const Equation&) const = default;
};

// A number that is still to be used, or the result of equations: with the expression that it stands for.
struct Operand {
  int64_t value = 0;
  std::string text;
  char op = 0;  // the operation that comes last in the expression; 0: a plain number
};
// a op b, with the brackets that it needs; or `plain`: around all that is no plain number, so that an expression is read
// off the equations word by word.
Operand combine(const Operand& a, char op, const Operand& b, int64_t value, bool plain = false);

// From the numbers on the table towards one value, a random allowed operation at a time.
struct Path {
  std::vector<Operand> table;
  std::vector<Equation> equations;

  // An operation on two numbers of the table, the larger one first, so that there is one way to write an equation.
  struct Move {
    size_t i, j;
    char op;
    int64_t value;
  };

  explicit Path(const std::vector<int64_t>& numbers);
  std::vector<Move> moves() const;  // that are allowed
  bool step(Rng& rng);              // false: no operation is allowed
  void apply(const Move& move);
  void apply(const Equation& equation);  // its numbers are on the table
  bool complete() const { return table.size() == 1; }
};

struct Countdown {
  std::vector<int64_t> numbers;  // in the order of the question
  int64_t target = 0;
  Path solution{{}};

  std::string question() const;   // "Make 54 from 3 7 25."
  std::string canonical() const;  // "countdown 3 7 25 = 54"
  std::string answer_json() const;
};
// With `count` numbers; it has a solution.
Countdown make_countdown(Rng rng, int count);

}  // namespace minke::corpus
