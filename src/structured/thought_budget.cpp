#include "structured/thought_budget.h"

#include <limits>

namespace minke {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";

}  // namespace

ThoughtBudget::ThoughtBudget(const Tokenizer& tokenizer, int64_t budget, bool in_thought)
    : tokenizer_(&tokenizer),
      budget_(budget),
      state_(in_thought ? State::thought : State::start),
      closing_(tokenizer.encode("\n</think>\n\n")) {}

void ThoughtBudget::push(int32_t token) {
  if (forces_ && forced_ < closing_.size()) {
    if (++forced_ == closing_.size()) state_ = State::answer;
    return;
  }
  if (state_ == State::answer) return;
  held_ += tokenizer_->token_bytes(token);
  if (state_ == State::start) {
    const size_t first = held_.find_first_not_of(" \t\r\n");
    const std::string_view begun = first == held_.npos ? std::string_view() : std::string_view(held_).substr(first);
    if (begun.starts_with(kOpen)) state_ = State::thought;
    else if (!kOpen.starts_with(begun)) state_ = State::answer;
    return;
  }
  ++thought_;
  if (held_.find(kClose) != held_.npos) state_ = State::answer;
  if (held_.size() > 64) held_.erase(0, held_.size() - kClose.size());
}

bool ThoughtBudget::constrain(std::span<const int32_t> answer, std::span<float> logits) {
  for (; pushed_ < answer.size(); ++pushed_) push(answer[pushed_]);
  forces_ = forces_ || (state_ == State::thought && thought_ >= budget_);
  if (!forces_ || forced_ >= closing_.size()) return false;
  for (size_t token = 0; token < logits.size(); ++token)
    if (int32_t(token) != closing_[forced_]) logits[token] = -std::numeric_limits<float>::infinity();
  return true;
}

}  // namespace minke
