// A model to and from a Hugging Face folder, in the published names and layouts, walking the one table of
// spec/parameters.h; and plain named tensors for the resumable state of a run. Test: tests/model/checkpoint_test.cpp.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"

namespace minke {

// One published tensor as a view into the fused storages.
struct PublishedTensor {
  std::string name;
  std::vector<int64_t> shape;
  Operand master, grad;    // grad null without gradients, for frozen weights and for duplicates
  bool duplicate = false;  // MTP's copy of embedding or head
};
std::vector<PublishedTensor> published_tensors(const Model& model);

// Fills all weights from the folder. UserError for a missing tensor or a shape that disagrees with config.json; tensors
// that the model does not have are an error too, except rotary buffers that old files carry and MTP modules left out.
void load_weights(const Context& ctx, Model& model, const std::filesystem::path& folder);

// config.json, weights (f32 or bf16; the gate's correction bias always f32) and generation_config.json into an existing
// folder.
void save_weights(const Context& ctx, const Model& model, const std::filesystem::path& folder, DType dtype);

using NamedOperands = std::vector<std::pair<std::string, Operand>>;
void save_tensors(const Context& ctx, const NamedOperands& tensors, const std::filesystem::path& file);
// Every tensor must be in the file with the same dtype and size.
void load_tensors(const Context& ctx, const NamedOperands& tensors, const std::filesystem::path& file);

}  // namespace minke
