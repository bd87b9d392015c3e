// Flags of every verb that computes with a model: -m, a Hugging Face folder or a GGUF file (opened by model/checkpoint.h or
// chat/model_source.h), --weights and --activations (model/block_weights.h).
#pragma once
#include <string>

#include "model/block_weights.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace minke {

CLI::Option* add_model_flag(CLI::App& command, std::string& model);
void add_weights_flags(CLI::App& command, WeightFormat& weights, ActivationFormat& activations);

}  // namespace minke
