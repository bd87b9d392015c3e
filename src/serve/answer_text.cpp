#include "serve/answer_text.h"

#include <algorithm>
#include <utility>

#include "core/begun_at_end.h"

namespace minke {

void AnswerText::Piece::append(Piece more) {
  thought += more.thought, text += more.text;
  calls.insert(calls.end(), more.calls.begin(), more.calls.end());
  tokens.insert(tokens.end(), more.tokens.begin(), more.tokens.end());
}

AnswerText::AnswerText(const Tokenizer& tokenizer, Settings settings)
    : settings_(std::move(settings)), stream_(tokenizer, {}, false), stops_(settings_.stop) {
  if (settings_.splits_thoughts) thoughts_.emplace(settings_.in_thought);
  if (settings_.tools) calls_.emplace(*settings_.tools);
}

std::string StopTexts::push(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  size_t end = held_.size(), open = 0, last = held_.npos;
  for (const std::string& s : texts_) {
    // The one that is complete first, however the text was cut into tokens; of these the longest.
    if (const size_t at = held_.find(s);
        at != held_.npos && (at + s.size() < last || (at + s.size() == last && at < end)))
      end = at, last = at + s.size(), stopped_ = true;
    open = std::max(open, begun_at_end(held_, s));
  }
  if (!stopped_) end -= open;
  std::string out = held_.substr(0, end);
  held_.erase(0, stopped_ ? held_.size() : end);
  return out;
}

std::string StopTexts::finish() { return std::exchange(held_, ""); }

AnswerText::Piece AnswerText::split(const std::string& text) {
  Piece piece;
  if (!thoughts_) {
    piece.text = stops_.push(text);
  } else {
    ThoughtSplitter::Piece p = thoughts_->push(text);
    piece.thought = std::move(p.thought);
    say(piece, stops_.push(p.answer));
  }
  return piece;
}

void AnswerText::say(Piece& piece, std::string text) {
  if (!calls_) {
    piece.text = std::move(text);
    return;
  }
  ToolCallParser::Piece said = calls_->push(text);
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
  ThoughtSplitter::Piece rest = thoughts_ ? thoughts_->finish() : ThoughtSplitter::Piece{};
  Piece last{.thought = std::move(rest.thought), .text = ""};
  std::string said = stops_.push(rest.answer);
  say(last, said += stops_.finish());
  if (calls_) last.text += calls_->finish().text;
  piece.append(std::move(last));
  return piece;
}

}  // namespace minke
