#include "data/text_sample.h"

#include <algorithm>

#include "data/hash.h"

namespace minke {
namespace {

constexpr size_t kLargestPiece = size_t(64) << 10;

// Length of the first piece: to the last line's end in its second half, else to the start of a UTF-8 character.
size_t cut(std::string_view text, size_t most) {
  if (text.size() <= most) return text.size();
  const size_t newline = text.rfind('\n', most - 1);
  if (newline != text.npos && newline >= most / 2) return newline + 1;
  size_t at = most;
  while (at > most / 2 && (uint8_t(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

TextSample::TextSample(size_t bytes) : bytes_(bytes), piece_bytes_(std::clamp<size_t>(bytes / 64, 64, kLargestPiece)) {}

void TextSample::add(std::string_view document) {
  for (bool begins = true; !document.empty(); begins = false) {
    const size_t size = cut(document, piece_bytes_);
    const std::string_view text = document.substr(0, size);
    document.remove_prefix(size);
    kept_bytes_ += size;
    kept_.push_back({hash64(text), pieces_++, begins, std::string(text)});
    std::push_heap(kept_.begin(), kept_.end());
    while (kept_bytes_ > bytes_ && kept_.size() > 1) {
      std::pop_heap(kept_.begin(), kept_.end());
      kept_bytes_ -= kept_.back().text.size();
      kept_.pop_back();
    }
  }
}

std::vector<std::string> TextSample::take() {
  std::sort(kept_.begin(), kept_.end(), [](const Piece& a, const Piece& b) { return a.number < b.number; });
  std::vector<std::string> texts;
  for (size_t i = 0; i < kept_.size(); ++i) {
    const bool goes_on = i > 0 && !kept_[i].begins_document && kept_[i].number == kept_[i - 1].number + 1;
    if (goes_on) texts.back() += kept_[i].text;
    else texts.push_back(std::move(kept_[i].text));
  }
  kept_.clear();
  kept_bytes_ = 0;
  return texts;
}

}  // namespace minke
