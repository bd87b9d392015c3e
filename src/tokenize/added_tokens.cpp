#include "tokenize/added_tokens.h"

#include <algorithm>

#include "tokenize/unicode.h"

namespace minke {
namespace {

bool is_space(char32_t c) { return unicode::tables().class_of(c) & unicode::kSpace; }
bool is_word(char32_t c) {  // \w of the regex library: letters, marks, decimal and letter numbers, connectors, joiners
  static const std::vector<unicode::Range> connectors = unicode::ranges_of("Pc"), others = unicode::ranges_of("No");
  const auto within = [c](const std::vector<unicode::Range>& ranges) {
    return std::any_of(ranges.begin(), ranges.end(), [c](const auto& r) { return r.first <= c && c <= r.last; });
  };
  const uint8_t bits = unicode::tables().class_of(c);
  if (bits & (unicode::kLetter | unicode::kMark) || c == 0x200C || c == 0x200D) return true;
  return (bits & unicode::kNumber && !within(others)) || (bits & unicode::kPunctuation && within(connectors)) ||
         (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);  // circled and squared letters: Other_Alphabetic, category So
}

}  // namespace

void AddedTokenMatcher::add(const AddedToken* token, std::string_view content) {
  if (content.empty()) return;
  uint32_t node = 0;
  for (char c : content) {
    auto& children = nodes_[node].children;
    const auto at = std::lower_bound(children.begin(), children.end(), std::pair(uint8_t(c), uint32_t(0)));
    if (at != children.end() && at->first == uint8_t(c)) {
      node = at->second;
      continue;
    }
    const uint32_t fresh = uint32_t(nodes_.size());
    children.insert(at, {uint8_t(c), fresh});
    nodes_.emplace_back();
    node = fresh;
  }
  if (!nodes_[node].token) nodes_[node].token = token;
  for (const auto& [byte, child] : nodes_[0].children) first_[byte] = child;
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, size_t at, size_t& end) const {
  const AddedToken* longest = nullptr;
  uint32_t node = first_[uint8_t(text[at])];
  for (size_t i = at + 1; node; ++i) {
    if (nodes_[node].token) longest = nodes_[node].token, end = i;
    if (i >= text.size()) break;
    const auto& children = nodes_[node].children;
    const auto next = std::lower_bound(children.begin(), children.end(), std::pair(uint8_t(text[i]), uint32_t(0)));
    node = next != children.end() && next->first == uint8_t(text[i]) ? next->second : 0;
  }
  return longest;
}

void AddedTokenMatcher::split(std::string_view text, bool match_special, std::vector<Segment>& out) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    if (!first_[uint8_t(text[at])]) {
      ++at;
      continue;
    }
    size_t end = 0;
    const AddedToken* token = longest_at(text, at, end);
    if (!token) {
      ++at;
      continue;
    }
    size_t first = at;
    at = end;  // even if the match is given up, the library looks for the next one behind it
    if (token->special && !match_special) continue;
    if (token->single_word) {
      if (first > 0 && is_word(unicode::decode_before(text, first).value)) continue;
      if (end < text.size() && is_word(unicode::decode_at(text, end).value)) continue;
    }
    if (token->lstrip) {
      while (first > done && is_space(unicode::decode_before(text, first).value))
        first -= unicode::decode_before(text, first).length;
      first = std::max(first, done);
    }
    if (token->rstrip) {
      while (end < text.size() && is_space(unicode::decode_at(text, end).value))
        end += unicode::decode_at(text, end).length;
    }
    if (done < first) out.push_back({done, first, nullptr});
    out.push_back({first, end, token});
    done = end;
  }
  if (done < text.size()) out.push_back({done, text.size(), nullptr});
}

}  // namespace minke
