// What a model thinks, apart from what it answers: R1 writes <think> thought </think> answer (R1 §2.2.3, table 1). A template
// may end its prompt with "<think>", then the thought is open before the first token. Only a thought at the beginning of an
// answer is one; the words elsewhere are text. Test: tests/chat/thoughts_test.cpp.
#pragma once
#include <string>
#include <string_view>

namespace minke {

class ThoughtSplitter {
 public:
  struct Piece {
    std::string thought, answer;
    bool operator==(const Piece&) const = default;
  };

  explicit ThoughtSplitter(bool is_open) : state_(is_open ? State::thought : State::start) {}

  Piece push(std::string_view text);
  Piece finish();  // what was held back
  bool is_open() const { return state_ == State::thought; }
  bool has_thought() const { return had_thought_ || is_open(); }

 private:
  enum class State : uint8_t { start, thought, gap, answer };  // gap: the blank lines behind </think>
  State state_;
  bool had_thought_ = false;
  std::string held_;
};

}  // namespace minke
