#include "app/model_flag.h"

#include <CLI/CLI.hpp>

#include "app/choice_flag.h"

namespace minke {

CLI::Option* add_model_flag(CLI::App& command, std::string& model) {
  return command.add_option("-m,--model", model, "Checkpoint: a Hugging Face folder or a GGUF file");
}

void add_weights_flags(CLI::App& command, WeightFormat& weights, ActivationFormat& activations) {
  add_choice(command, "--weights", weights,
             "Number format of the weights in memory; keep = quantised ones as they are");
  add_choice(command, "--activations", activations,
             "What quantised weights are multiplied with: activations in 8 bits, or in --dtype, which is slower");
}

}  // namespace minke
