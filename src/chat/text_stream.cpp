#include "chat/text_stream.h"

#include <algorithm>
#include <utility>

#include "core/begun_at_end.h"

namespace minke {

TextStream::TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops, bool show_special)
    : tokenizer_(&tokenizer), decoder_(tokenizer), stops_(std::move(stops)), show_special_(show_special) {
  std::erase(stops_, "");
}

std::string TextStream::push(int32_t token) {
  if (stopped_) return "";
  if (!show_special_ && tokenizer_->is_special(token)) {
    const std::string_view text = tokenizer_->token_bytes(token);
    if (text != "<think>" && text != "</think>") return "";
  }
  return certain(decoder_.push(token));
}

std::string TextStream::finish() {
  if (stopped_) return "";
  std::string text = certain(decoder_.finish());
  if (!stopped_) text += std::exchange(held_, "");
  return text;
}

std::string TextStream::certain(std::string_view text) {
  held_ += text;
  size_t end = held_.size(), open = 0, last = held_.npos;
  for (const std::string& s : stops_) {
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

}  // namespace minke
