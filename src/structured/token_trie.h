// The tokens of a vocabulary by their bytes, as a tree: what must be tried for one beginning is tried once for all tokens that
// have it. Test: tests/structured/answer_constraint_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenize/tokenizer.h"

namespace minke {

class TokenTrie {
 public:
  // Of all tokens that are text: special ones, and those without bytes, are not in it.
  explicit TokenTrie(const Tokenizer& tokenizer);
  explicit TokenTrie(const std::vector<std::string>& tokens);  // "" is none

  // A beginning of tokens, in the order of a walk that takes a node before what is behind it: so these are the next ones, up to `end`.
  struct Node {
    uint8_t byte;
    uint8_t depth;  // bytes of the beginning, at most 255
    int32_t end;
    int32_t first_token, num_tokens;  // that end here, in tokens()
  };
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<int32_t>& tokens() const { return tokens_; }
  int32_t vocab_size() const { return vocab_size_; }
  // Tokens of the tokenizer, special ones too, that have text behind a ">": those that may end a tag and go on.
  const std::vector<int32_t>& behind_a_sign() const { return behind_a_sign_; }

 private:
  void build(std::vector<std::pair<std::string_view, int32_t>> texts);
  std::vector<Node> nodes_;
  std::vector<int32_t> tokens_, behind_a_sign_;
  int32_t vocab_size_ = 0;
};

}  // namespace minke
