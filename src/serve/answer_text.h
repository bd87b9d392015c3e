// An answer as clients get it, piece by piece as its tokens come: what was thought, what is said, the log-probabilities of the tokens.
// Test: tests/serve/exchange_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/text_stream.h"
#include "chat/thoughts.h"
#include "core/json.h"
#include "infer/sequence.h"
#include "serve/tool_calls.h"

namespace minke {

// Text up to the first stop text that is complete; what may be the beginning of one is held back.
class StopTexts {
 public:
  explicit StopTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {}
  std::string push(std::string_view text);
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> texts_;
  std::string held_;
  bool stopped_ = false;
};

class AnswerText {
 public:
  struct Settings {
    std::vector<std::string> stop;  // of what is said; a thought may have them
    bool splits_thoughts = true;    // of chats; else all is text
    bool in_thought = false;        // the prompt has opened one
    bool with_logprobs = false;
    std::optional<ToolCallForm> tools = {};  // that may be called
  };
  struct Piece {
    std::string thought, text;
    std::vector<ToolCallParser::Delta> calls;
    std::vector<NewToken> tokens;  // with_logprobs: of this piece
    void append(Piece more);
    bool empty() const { return thought.empty() && text.empty() && calls.empty() && tokens.empty(); }
  };
  AnswerText(const Tokenizer& tokenizer, Settings settings);

  Piece push(const NewToken& token);
  Piece finish();  // what was held back
  // A stop text is complete: nothing more comes, and the answer ends here.
  bool stopped() const { return stops_.stopped(); }
  int64_t tokens() const { return tokens_; }
  int64_t thought_tokens() const { return thought_tokens_; }  // its end included
  size_t calls() const { return calls_ ? calls_->calls() : 0; }

 private:
  Piece split(const std::string& text);
  void say(Piece& piece, std::string text);
  Settings settings_;
  TextStream stream_;
  StopTexts stops_;
  std::optional<ThoughtSplitter> thoughts_;
  std::optional<ToolCallParser> calls_;
  int64_t tokens_ = 0, thought_tokens_ = 0;
};

}  // namespace minke
