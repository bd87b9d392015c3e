// Added tokens: strings that are always one token. They are found before any other step (leftmost, longest), with the flags
// and the quirks of the Hugging Face library.
// Tested in tests/tokenize/added_tokens_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = false;
  bool single_word = false;  // only where no word character is next to it
  bool lstrip = false;       // includes the whitespace on its left
  bool rstrip = false;
  bool normalized = false;  // searched in the normalised text
};

struct Segment {
  size_t first, end;
  const AddedToken* token;  // nullptr: text
};

// Finds a set of strings, all at once, by a trie.
class AddedTokenMatcher {
 public:
  // `tokens` outlives the matcher; `contents[i]` is what is looked for: the (normalised) content of tokens[i].
  void add(const AddedToken* token, std::string_view content);
  bool empty() const { return nodes_.size() == 1; }
  // Appends the segments of text; without match_special, special tokens stay text.
  void split(std::string_view text, bool match_special, std::vector<Segment>& out) const;

 private:
  struct Node {
    const AddedToken* token = nullptr;
    std::vector<std::pair<uint8_t, uint32_t>> children;
  };
  const AddedToken* longest_at(std::string_view text, size_t at, size_t& end) const;
  std::vector<Node> nodes_ = std::vector<Node>(1);
  uint32_t first_[256] = {};  // the root's children: 0 where no token begins with this byte
};

}  // namespace minke
