#include "structured/answer_constraint.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/begun_at_end.h"
#include "core/error.h"

namespace minke {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";
constexpr std::string_view kBlanks = " \t\r\n";
constexpr size_t kMostBlanks = 8;  // bytes, behind a thought
constexpr float kNever = -std::numeric_limits<float>::infinity();
// What one answer may remember: 4 MiB of states, and 4 MiB of masks with 129,280 tokens.
constexpr int64_t kMostStates = 4096;
constexpr size_t kMostMasks = 256;

std::string_view without_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  return first == text.npos ? std::string_view() : text.substr(first);
}

}  // namespace

AnswerConstraint::AnswerConstraint(const Grammar& grammar, const Tokenizer& tokenizer, const TokenTrie& trie,
                                   Settings settings)
    : tokenizer_(&tokenizer),
      trie_(&trie),
      settings_(std::move(settings)),
      matcher_(grammar),
      state_(matcher_.start()),
      phase_(settings_.in_thought  ? Phase::thought
             : settings_.may_think ? Phase::start
                                   : Phase::text) {
  if (settings_.stop_tokens.empty())
    user_error("an answer in a given form needs a token that ends it, and this model has none");
}

bool AnswerConstraint::is_stop(size_t token) const {
  return std::find(settings_.stop_tokens.begin(), settings_.stop_tokens.end(), int32_t(token)) !=
         settings_.stop_tokens.end();
}

const AnswerConstraint::Mask& AnswerConstraint::mask_of(int32_t state) {
  if (const auto known = masks_.find(state); known != masks_.end()) return known->second;
  if (masks_.size() >= kMostMasks) masks_.clear();
  Mask mask(size_t(trie_->vocab_size()));
  bool any = false;
  std::vector<int32_t> states(257, Matcher::kDead);  // by bytes read
  states[0] = state;
  const std::vector<TokenTrie::Node>& nodes = trie_->nodes();
  for (int32_t i = 0; i < int32_t(nodes.size());) {
    const TokenTrie::Node& node = nodes[size_t(i)];
    const int32_t to = matcher_.next(states[node.depth - 1u], node.byte);
    states[node.depth] = to;
    if (to == Matcher::kDead) {
      i = node.end;
      continue;
    }
    for (int32_t t = node.first_token; t < node.first_token + node.num_tokens; ++t)
      mask[size_t(trie_->tokens()[size_t(t)])] = any = true;
    ++i;
  }
  for (const int32_t token : settings_.stop_tokens)
    if (token >= 0 && size_t(token) < mask.size()) mask[size_t(token)] = matcher_.accepts(state) || !any;
  return masks_[state] = std::move(mask);
}

void AnswerConstraint::constrain(std::span<const int32_t> answer, std::span<float> logits) {
  for (; pushed_ < answer.size(); ++pushed_) push(answer[pushed_]);
  mask(logits);
}

void AnswerConstraint::mask(std::span<float> logits) {
  const auto never = [&](size_t token) { logits[token] = kNever; };
  if (phase_ == Phase::thought) {
    for (const int32_t token : settings_.stop_tokens)
      if (token >= 0 && size_t(token) < logits.size()) never(size_t(token));
    for (const int32_t token : trie_->behind_a_sign()) {
      const std::string text = held_ + std::string(tokenizer_->token_bytes(token));
      const size_t close = text.find(kClose);
      if (close == text.npos) continue;
      const std::string_view behind = without_blanks(std::string_view(text).substr(close + kClose.size()));
      if (matcher_.next(state_, behind) == Matcher::kDead) never(size_t(token));
    }
    return;
  }
  if (phase_ == Phase::gap) return mask_gap(logits);
  // What has begun like <think> may be of the grammar, too.
  const int32_t state = phase_ == Phase::start ? matcher_.next(state_, held_) : state_;
  const Mask* may = state == Matcher::kDead && !held_.empty() ? nullptr : &mask_of(state);
  const std::string_view rest = phase_ == Phase::start ? kOpen.substr(held_.size()) : std::string_view();  // of <think>
  for (size_t token = 0; token < logits.size(); ++token) {
    if (may && token < may->size() && (*may)[token]) continue;
    if (!rest.empty() && token < size_t(trie_->vocab_size())) {
      const std::string_view text = tokenizer_->token_bytes(int32_t(token));
      if (!text.empty() && rest.starts_with(text)) continue;
    }
    never(token);
  }
}

// Blanks, and then the grammar.
void AnswerConstraint::mask_gap(std::span<float> logits) {
  const Mask& may = mask_of(state_);
  for (size_t token = 0; token < logits.size(); ++token) {
    bool allowed = token < may.size() && may[token];
    const std::string_view text =
        token < size_t(trie_->vocab_size()) ? tokenizer_->token_bytes(int32_t(token)) : std::string_view();
    if (!text.empty() && kBlanks.find(text[0]) != text.npos && !tokenizer_->is_special(int32_t(token))) {
      const std::string_view behind = without_blanks(text);
      allowed = blanks_ + (text.size() - behind.size()) <= kMostBlanks &&
                (behind.empty() || matcher_.next(state_, behind) != Matcher::kDead);
    }
    if (!allowed) logits[token] = kNever;
  }
}

void AnswerConstraint::push_gap(std::string_view text) {
  const std::string_view behind = without_blanks(text);
  phase_ = Phase::gap, blanks_ += text.size() - behind.size();
  if (!behind.empty()) push_text(behind);
}

void AnswerConstraint::push_text(std::string_view text) {
  state_ = matcher_.next(state_, text);
  phase_ = Phase::text;
  if (matcher_.num_states() > kMostStates || matcher_.work() > Matcher::kMostWork / 8) {
    state_ = matcher_.reset(state_);
    masks_.clear();
  }
}

void AnswerConstraint::push_thought(std::string_view text) {
  held_ += text;
  const size_t close = held_.find(kClose);
  if (close == held_.npos) {
    held_.erase(0, held_.size() - begun_at_end(held_, kClose));
    return;
  }
  const std::string rest = held_.substr(close + kClose.size());
  held_.clear();
  push_gap(rest);
}

void AnswerConstraint::push(int32_t token) {
  if (is_stop(size_t(token))) return;
  const std::string_view text = tokenizer_->token_bytes(token);
  const bool is_tag = text == kOpen || text == kClose;  // as a special token, too
  if (tokenizer_->is_special(token) && !is_tag) return;
  if (phase_ == Phase::thought) return push_thought(text);
  if (phase_ == Phase::text) return push_text(text);
  if (phase_ == Phase::gap) return push_gap(text);
  held_ += text;
  if (held_.starts_with(kOpen)) {
    phase_ = Phase::thought;
    push_thought(std::exchange(held_, "").substr(kOpen.size()));
  } else if (!kOpen.starts_with(held_)) {
    push_text(held_);
    held_.clear();
  }
}

}  // namespace minke
