#include "serve/answer_text.h"

#include <utility>

namespace minke {

AnswerText::AnswerText(const Tokenizer& tokenizer, Settings settings)
    : settings_(std::move(settings)), stream_(tokenizer, settings_.stop, false) {
  if (settings_.splits_thoughts) thoughts_.emplace(settings_.in_thought);
}

AnswerText::Piece AnswerText::split(const std::string& text) {
  if (!thoughts_) return {.text = text};
  ThoughtSplitter::Piece p = thoughts_->push(text);
  return {.thought = std::move(p.thought), .text = std::move(p.answer)};
}

AnswerText::Piece AnswerText::push(const NewToken& token) {
  ++tokens_;
  const bool thinks = thoughts_ && thoughts_->is_open();
  Piece piece;
  if (token.ending != Ending::stop_token) piece = split(stream_.push(token.token));
  if (thinks || (thoughts_ && thoughts_->is_open())) ++thought_tokens_;
  if (settings_.with_logprobs && token.ending != Ending::stop_token) piece.tokens.push_back(token);
  has_text_ = has_text_ || !piece.text.empty();
  return piece;
}

AnswerText::Piece AnswerText::finish() {
  Piece piece = split(stream_.finish());
  if (thoughts_) {
    ThoughtSplitter::Piece rest = thoughts_->finish();
    piece.thought += rest.thought, piece.text += rest.answer;
  }
  has_text_ = has_text_ || !piece.text.empty();
  return piece;
}

}  // namespace minke
