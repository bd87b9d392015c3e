// -m of every verb: a checkpoint as a Hugging Face folder or a GGUF file (opened by chat/model_source.h).
#pragma once
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace minke {

CLI::Option* add_model_flag(CLI::App& command, std::string& model);

}  // namespace minke
