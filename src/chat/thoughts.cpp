#include "chat/thoughts.h"

#include <utility>

#include "core/begun_at_end.h"

namespace minke {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>", kBlanks = " \t\r\n";

}  // namespace

ThoughtSplitter::Piece ThoughtSplitter::push(std::string_view text) {
  held_ += text;
  Piece piece;
  if (state_ == State::start) {
    const size_t first = held_.find_first_not_of(kBlanks);
    const std::string_view rest = first == held_.npos ? std::string_view() : std::string_view(held_).substr(first);
    if (rest.starts_with(kOpen)) {
      held_.erase(0, first + kOpen.size());
      state_ = State::thought;
    } else if (!kOpen.starts_with(rest)) {
      state_ = State::answer;
    }
  }
  if (state_ == State::thought) {
    const size_t close = held_.find(kClose);
    const size_t certain = close != held_.npos ? close : held_.size() - begun_at_end(held_, kClose);
    piece.thought = held_.substr(0, certain);
    held_.erase(0, certain);
    if (close != std::string::npos) {
      held_.erase(0, kClose.size());
      state_ = State::gap, had_thought_ = true;
    }
  }
  if (state_ == State::gap) {
    const size_t first = held_.find_first_not_of(kBlanks);
    held_.erase(0, first);
    if (!held_.empty()) state_ = State::answer;
  }
  if (state_ == State::answer) piece.answer = std::exchange(held_, "");
  return piece;
}

ThoughtSplitter::Piece ThoughtSplitter::finish() {
  Piece piece;
  (state_ == State::thought ? piece.thought : piece.answer) = std::exchange(held_, "");
  return piece;
}

}  // namespace minke
