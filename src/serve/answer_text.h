// An answer as clients get it, piece by piece as its tokens come: what was thought, what is said, the log-probabilities of the tokens.
// Test: tests/serve/exchange_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "chat/text_stream.h"
#include "chat/thoughts.h"
#include "core/json.h"
#include "infer/sequence.h"

namespace minke {

class AnswerText {
 public:
  struct Settings {
    std::vector<std::string> stop;
    bool splits_thoughts = true;  // of chats; else all is text
    bool in_thought = false;      // the prompt has opened one
    bool with_logprobs = false;
  };
  struct Piece {
    std::string thought, text;
    std::vector<NewToken> tokens;  // with_logprobs: of this piece
    bool empty() const { return thought.empty() && text.empty() && tokens.empty(); }
  };
  AnswerText(const Tokenizer& tokenizer, Settings settings);

  Piece push(const NewToken& token);
  Piece finish();  // what was held back
  // A stop text is complete: nothing more comes, and the answer ends here.
  bool stopped() const { return stream_.stopped(); }
  int64_t tokens() const { return tokens_; }
  int64_t thought_tokens() const { return thought_tokens_; }  // its end included
  bool has_text() const { return has_text_; }

 private:
  Piece split(const std::string& text);
  Settings settings_;
  TextStream stream_;
  std::optional<ThoughtSplitter> thoughts_;
  int64_t tokens_ = 0, thought_tokens_ = 0;
  bool has_text_ = false;
};

}  // namespace minke
