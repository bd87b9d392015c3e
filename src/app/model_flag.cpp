#include "app/model_flag.h"

#include <CLI/CLI.hpp>

#include "core/error.h"

namespace minke {

CLI::Option* add_model_flag(CLI::App& command, std::string& model) {
  return command.add_option("-m,--model", model, "Checkpoint: a Hugging Face folder or a GGUF file");
}

Tokenizer open_tokenizer(const std::string& model, const Config& config) {
  Tokenizer tokenizer = Tokenizer::load(model);
  if (tokenizer.vocab_size() > config.vocab_size)
    user_error("the tokenizer of {} has {} tokens, the model only {}: they do not belong together", model,
               tokenizer.vocab_size(), config.vocab_size);
  return tokenizer;
}

std::vector<std::string> notes_of(const CheckpointFiles& files, const Tokenizer& tokenizer) {
  std::vector<std::string> notes = files.notes;
  if (!tokenizer.note().empty()) notes.push_back(tokenizer.note());
  return notes;
}

}  // namespace minke
