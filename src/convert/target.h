// What a conversion writes: planned before anything is written, so that what cannot be said is refused at once.
// A GGUF file (gguf_target.cpp) or a Hugging Face folder (folder_target.cpp). Test: tests/convert/convert_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "convert/pieces.h"
#include "convert/weight_type.h"
#include "model/checkpoint.h"

namespace minke {

// A checkpoint, and those of the model's tensors that it has, in the order of the model; copies of the embedding that it
// does without are left out.
struct ConvertSource {
  CheckpointFiles files;
  std::vector<Parameter> tensors;

  WeightSource weights() const { return {.files = &files.weights, .block = files.config.scale_block()}; }
  const WeightInfo& info(const std::string& name) const { return files.weights.at(name); }
};
ConvertSource open_source(const fs::path& path);
ConvertSource with_tensors(CheckpointFiles files);

// The type in which a tensor is kept: as it is if a folder and a file can hold it, else BF16, or F32 of F64.
BlockFormat kept_format(std::string_view stored);
// Routers are small and choose: they stay in FP32 in GGUF files, as vectors do.
bool is_small(const Parameter& p);

struct Target {
  std::vector<std::string> notes;  // lines for people
  size_t bytes = 0;
};

struct GgufTarget : Target {
  GgufMetadataToWrite keys;
  struct Tensor {
    GgufExportTensor tensor;
    BlockFormat format;
  };
  std::vector<Tensor> tensors;
};
GgufTarget plan_gguf(const ConvertSource& source, WeightType type, std::optional<WeightType> experts);
void write_target(const ConvertSource& source, const GgufTarget& target, const fs::path& file, const OnBytes& on_bytes);

struct FolderTarget : Target {
  FolderToWrite content;                                   // tensors without data
  std::vector<std::pair<std::string, std::string>> texts;  // further files: name, text
};
FolderTarget plan_folder(const ConvertSource& source, WeightType type);
// Into an existing folder.
void write_target(const ConvertSource& source, FolderTarget target, const fs::path& folder, const OnBytes& on_bytes);

}  // namespace minke
