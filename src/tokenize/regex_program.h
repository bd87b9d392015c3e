// A regex as instructions for the matcher (regex.cpp). Tested in tests/tokenize/regex_test.cpp.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenize/regex_parser.h"

namespace minke {

// A set of code points as one bit each: 136 kB, of which a text touches little.
class CharBits {
 public:
  explicit CharBits(const CharSet& set);
  bool contains(char32_t c) const { return words_[c >> 6] >> (c & 63) & 1; }

 private:
  std::vector<uint64_t> words_;
};

struct RegexInstruction {
  enum class Op : uint8_t {
    set,     // one character of set a
    run,     // min to max characters of set a; then the next instruction
    split,   // on at a; if that fails, at b
    jump,    // on at a
    anchor,  // a: RegexNode::Anchor
    look,    // the instructions from the next one on to their `match` match here, or do not; then on at b
    atomic,  // the same, and the text goes on behind them
    match,
  };
  enum class Greed : uint8_t { greedy, lazy, possessive };
  Op op;
  Greed greed = Greed::greedy;
  bool ahead = true, negated = false;
  int32_t a = 0, b = 0;
  int32_t min = 0, max = RegexNode::kNoLimit;  // run; of a look behind the characters it may be long
};

struct RegexProgram {
  std::vector<RegexInstruction> code;
  std::vector<CharBits> sets;
  int num_splits = 0;  // a split's number stands in its min
};

// with_runs: repetitions of a set are one instruction, which is fast; without: splits, which can be remembered.
RegexProgram compile_regex(const RegexNode& tree, bool with_runs, std::string_view where);

}  // namespace minke
