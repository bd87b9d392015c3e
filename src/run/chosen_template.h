// The chat template that a stage trains with, as its recipe names it. Tests: tests/run/sft_test.cpp, tests/app/sft_test.sh.
#pragma once
#include <filesystem>
#include <string>

#include "tokenize/chat_template.h"
#include "tokenize/tokenizer.h"

namespace minke {

// The text of the template that the key ("sft.chat_template") asks for: "model", the one in the folder or the file of the model;
// "r1", "v3", minke's own; or a .jinja file. UserError for any other.
std::string chosen_template(const std::string& key, const std::string& chosen, const std::filesystem::path& model);
ChatTemplate template_of(const std::string& jinja, const Tokenizer& tokenizer);

// Into a model's folder.
inline constexpr const char* kTemplateFile = "chat_template.jinja";
void save_template(const ChatTemplate& chat_template, const std::filesystem::path& folder);

}  // namespace minke
