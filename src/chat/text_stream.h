// The text of an answer as its tokens come, up to the stop string that is complete first. What may be the beginning of a stop string is held back until it is known not to
// be one. Test: tests/chat/text_stream_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "tokenize/tokenizer.h"

namespace minke {

class TextStream {
 public:
  // show_special: special tokens give their text, too. Without it, <think> and </think> still do: in tokenizers that have
  // them as special tokens a thought would lose its ends.
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops, bool show_special = true);

  // The text that is certain now; "" once a stop string has come.
  std::string push(int32_t token);
  std::string finish();  // what was held back
  bool stopped() const { return stopped_; }

 private:
  std::string certain(std::string_view text);

  const Tokenizer* tokenizer_;
  StreamDecoder decoder_;
  std::vector<std::string> stops_;
  bool show_special_, stopped_ = false;
  std::string held_;
};

}  // namespace minke
