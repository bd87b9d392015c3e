#include "structured/token_trie.h"

#include <algorithm>

namespace minke {
namespace {

constexpr size_t kLongest = 255;  // longer tokens (rows of blanks or signs) are left out: they can be written by others

}  // namespace

TokenTrie::TokenTrie(const Tokenizer& tokenizer) : vocab_size_(tokenizer.vocab_size()) {
  std::vector<std::pair<std::string_view, int32_t>> texts;
  for (int32_t id = 0; id < vocab_size_; ++id) {
    const std::string_view text = tokenizer.token_bytes(id);
    if (const size_t sign = text.find('>'); sign != text.npos && sign + 1 < text.size()) behind_a_sign_.push_back(id);
    if (tokenizer.has_token(id) && !tokenizer.is_special(id)) texts.emplace_back(text, id);
  }
  build(std::move(texts));
}

TokenTrie::TokenTrie(const std::vector<std::string>& tokens) : vocab_size_(int32_t(tokens.size())) {
  std::vector<std::pair<std::string_view, int32_t>> texts;
  for (size_t id = 0; id < tokens.size(); ++id) texts.emplace_back(tokens[id], int32_t(id));
  build(std::move(texts));
}

void TokenTrie::build(std::vector<std::pair<std::string_view, int32_t>> texts) {
  std::erase_if(texts, [](const auto& t) { return t.first.empty() || t.first.size() > kLongest; });
  std::sort(texts.begin(), texts.end());
  std::vector<size_t> path;  // nodes of the last text, by depth
  std::string_view last;
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) nodes_[path.back()].end = int32_t(nodes_.size());
  };
  for (const auto& [text, id] : texts) {
    const size_t same = size_t(std::mismatch(text.begin(), text.end(), last.begin(), last.end()).first - text.begin());
    close(same);
    for (size_t i = same; i < text.size(); ++i) {
      path.push_back(nodes_.size());
      nodes_.push_back({uint8_t(text[i]), uint8_t(i + 1), 0, int32_t(tokens_.size()), 0});
    }
    Node& node = nodes_[path.back()];
    if (node.num_tokens == 0) node.first_token = int32_t(tokens_.size());
    ++node.num_tokens;
    tokens_.push_back(id);
    last = text;
  }
  close(0);
}

}  // namespace minke
