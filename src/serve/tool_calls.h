// Calls of tools, in the forms in which models write them: as a grammar, so that every call names a tool that is there and has arguments
// that are JSON of its schema, and as a parser of what was written, piece by piece. Test: tests/serve/tool_calls_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "structured/grammar.h"

namespace minke {

// A block of calls: begin, call, between, call, end; a call: begin, name, then, arguments, end.
struct ToolCallForm {
  std::string block_begin, call_begin, then, call_end, between, block_end;
  bool several = true;
  bool at_start = false;  // an answer that begins so is a call; elsewhere it is text
  std::string opening() const { return block_begin + call_begin; }
};
// That of a chat template: DeepSeek V3 and R1, V3.1, Qwen 2.5, Llama 3.1; nothing for others.
std::optional<ToolCallForm> tool_call_form(std::string_view chat_template);
// Whether the template writes the arguments of earlier calls from objects; else from their text.
bool takes_argument_objects(std::string_view chat_template);
// Whether it asks if the content beside calls is none; else no content is "".
bool asks_for_none(std::string_view chat_template);

// Text with a block of calls or without one; must_call: a block alone. tools: OpenAI's list. A schema of parameters that is not known here
// allows any object.
Grammar tool_call_grammar(const ToolCallForm& form, const Json& tools, bool must_call);

class ToolCallParser {
 public:
  explicit ToolCallParser(ToolCallForm form) : form_(std::move(form)) {}

  struct Delta {
    size_t index = 0;       // of the call
    std::string name;       // with the first of a call
    std::string arguments;  // more of them
  };
  struct Piece {
    std::string text;  // that is no call
    std::vector<Delta> calls;
  };
  Piece push(std::string_view text);
  Piece finish();  // what was held back: of a call that is not whole nothing
  size_t calls() const { return calls_; }

 private:
  enum class State : uint8_t { start, text, name, arguments, behind, over };
  bool step(Piece& piece);
  ToolCallForm form_;
  State state_ = State::start;
  std::string held_;
  size_t calls_ = 0;
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false;
};

}  // namespace minke
