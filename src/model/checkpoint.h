// A model from a Hugging Face folder or a GGUF file, and to a folder, in the published names and layouts, walking the one
// table of spec/parameters.h; and plain named tensors for the resumable state of a run. Test: tests/model/checkpoint_test.cpp.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "formats/weight_files.h"
#include "model/model.h"

namespace minke {

// One published tensor as a view into the fused storages. Weights in blocks have none.
struct PublishedTensor {
  std::string name, storage;
  std::vector<int64_t> shape;
  Operand master, grad;    // grad null without gradients, for frozen weights and for duplicates
  bool duplicate = false;  // MTP's copy of embedding or head
};
std::vector<PublishedTensor> published_tensors(const Model& model);
// The value head of a reward model, in place of lm_head.weight: [1, hidden_size].
inline constexpr const char* kScoreTensor = "score.weight";

// The weights of a folder or a GGUF file, after comparing them with the config, so that nothing is allocated for one that
// lies. UserError for a missing tensor or a shape that disagrees with the configuration; tensors that the model does not
// have are an error too, except rotary buffers that old files carry and MTP modules left out. A reward model (kScoreTensor) is
// opened with Head::value, any other model with Head::tokens: UserError for the other.
WeightFiles open_weights(const Config& config, const std::filesystem::path& path, Head head = Head::tokens);

// A checkpoint as it is to be used: its configuration and open_weights of it. transformers leaves the MTP modules of
// DeepSeek-V3 out when it saves a model, and num_nextn_predict_layers as it was: then config has none, and a note says so.
struct CheckpointFiles {
  Config config;
  WeightFiles weights;
  std::vector<std::string> notes;  // lines for people
};
// MTP modules beyond so many are left out even if they are there.
constexpr int64_t kAllMtp = 64;  // validate(Config) allows no more
CheckpointFiles open_checkpoint(const std::filesystem::path& path, int64_t mtp_modules, Head head = Head::tokens);

// Fills all weights, those in blocks (block_weights.h) too, from what open_weights gave for the model's config. Frozen weights
// once: of most of them only the packed form stays (Weight::keep_packed). A value head that the files lack stays as it is: a reward
// model begins with another model's body.
void load_weights(const Context& ctx, Model& model, const WeightFiles& weights);

// On a dry run: leaves the model as load_weights would. Returns the most bytes that weights take on the way there: of one that
// is being packed there are two.
size_t load_nothing(const Context& dry, Model& model);

// bos and eos as a generation_config.json; "" if the model has none.
std::string generation_config_json(const Config& config);

// config.json, weights (f32 or bf16; the router's bias always f32) and generation_config.json into an existing
// folder. A model with a value head becomes one for sequence classification with one label.
void save_weights(const Context& ctx, const Model& model, const std::filesystem::path& folder, DType dtype);

using NamedOperands = std::vector<std::pair<std::string, Operand>>;
void save_tensors(const Context& ctx, const NamedOperands& tensors, const std::filesystem::path& file);
// Every tensor must be in the file with the same dtype and size.
void load_tensors(const Context& ctx, const NamedOperands& tensors, const std::filesystem::path& file);

}  // namespace minke
