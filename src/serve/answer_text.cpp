#include "serve/answer_text.h"

#include <utility>

namespace minke {

void AnswerText::Piece::append(Piece more) {
  thought += more.thought, text += more.text;
  calls.insert(calls.end(), more.calls.begin(), more.calls.end());
  tokens.insert(tokens.end(), more.tokens.begin(), more.tokens.end());
}

AnswerText::AnswerText(const Tokenizer& tokenizer, Settings settings)
    : settings_(std::move(settings)), stream_(tokenizer, settings_.stop, false) {
  if (settings_.splits_thoughts) thoughts_.emplace(settings_.in_thought);
  if (settings_.tools) calls_.emplace(*settings_.tools);
}

AnswerText::Piece AnswerText::split(const std::string& text) {
  if (!thoughts_) return {.text = text};
  ThoughtSplitter::Piece p = thoughts_->push(text);
  Piece piece{.thought = std::move(p.thought), .text = std::move(p.answer)};
  if (calls_) take_calls(piece);
  return piece;
}

void AnswerText::take_calls(Piece& piece) {
  ToolCallParser::Piece said = calls_->push(piece.text);
  piece.text = std::move(said.text), piece.calls = std::move(said.calls);
}

AnswerText::Piece AnswerText::push(const NewToken& token) {
  ++tokens_;
  const bool thinks = thoughts_ && thoughts_->is_open();
  Piece piece;
  if (token.ending != Ending::stop_token) piece = split(stream_.push(token.token));
  if (thinks || (thoughts_ && thoughts_->is_open())) ++thought_tokens_;
  if (settings_.with_logprobs && token.ending != Ending::stop_token) piece.tokens.push_back(token);
  return piece;
}

AnswerText::Piece AnswerText::finish() {
  Piece piece = split(stream_.finish());
  if (thoughts_) {
    ThoughtSplitter::Piece rest = thoughts_->finish();
    Piece last{.thought = std::move(rest.thought), .text = std::move(rest.answer)};
    if (calls_) {
      take_calls(last);
      last.text += calls_->finish().text;
    }
    piece.append(std::move(last));
  }
  return piece;
}

}  // namespace minke
