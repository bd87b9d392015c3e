// -m of every verb: a checkpoint as a Hugging Face folder or a GGUF file, and its tokenizer.
#pragma once
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "tokenize/tokenizer.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace minke {

CLI::Option* add_model_flag(CLI::App& command, std::string& model);

// The tokenizer of -m. UserError if it has ids that the model does not have: they do not belong together.
Tokenizer open_tokenizer(const std::string& model, const Config& config);

// What both have to say to people.
std::vector<std::string> notes_of(const CheckpointFiles& files, const Tokenizer& tokenizer);

}  // namespace minke
