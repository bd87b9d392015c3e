// The chat template of a model: what a conversation looks like to it. Rendered as the transformers library (5.24) does in
// apply_chat_template. Tested in tests/tokenize/chat_template_test.cpp.
#pragma once
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/files.h"
#include "core/json.h"
#include "tokenize/jinja/template.h"

namespace minke {

struct ChatInputs {
  Json messages = Json::array();  // objects with "role", "content" …; of each, keys that are null are left out
  bool add_generation_prompt = false;
  Json variables =
      Json::object();  // further ones ("tools", "enable_thinking" …); they replace special tokens of the same name
  std::string name;    // of one of several templates; "": "tool_use" if there are tools, else "default"
  std::tm now = local_time();
};

class ChatTemplate {
 public:
  // Of a folder, from chat_template.jinja or else tokenizer_config.json, or of a GGUF file; nothing if there is none.
  static std::optional<ChatTemplate> load(const fs::path& path);
  // Templates by name, as GGUF's metadata have them. `variables`: bos_token and the like.
  ChatTemplate(std::vector<std::pair<std::string, std::string>> sources, std::string_view where, Json variables);

  // UserError for what is no template, for what the template refuses, and for a name that is not there.
  std::string render(const ChatInputs& inputs) const;
  const std::vector<std::pair<std::string, std::string>>& sources() const { return sources_; }  // by name

 private:
  std::string where_;
  std::vector<std::pair<std::string, std::string>> sources_;  // name, template
  Json special_tokens_;
};

// The answer to this prompt begins within a thought: what a template pre-fills for R1 and its like.
bool opens_thought(std::string_view prompt);

// The template of models that minke trains: DeepSeek V3's turns, no tools. What stands before </think> in earlier answers is
// left out. With `thinking`, as for R1, the answer is begun with "<think>".
std::string own_chat_template(bool thinking);

}  // namespace minke
