#include "app/model_flag.h"

#include <CLI/CLI.hpp>

namespace minke {

CLI::Option* add_model_flag(CLI::App& command, std::string& model) {
  return command.add_option("-m,--model", model, "Checkpoint: a Hugging Face folder or a GGUF file");
}

}  // namespace minke
