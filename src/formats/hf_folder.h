// A checkpoint as a Hugging Face folder: config.json, model.safetensors or shards with model.safetensors.index.json.
// Reading finds a tensor in any of the files; conversion to FP32 includes FP8 with block scales
// (docs/recipe/architecture.md §6: the value is W · weight_scale_inv of its block). Test:
// tests/formats/hf_folder_test.cpp.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/safetensors.h"

namespace minke {

// model.safetensors.index.json: tensor → file. UserError unless every file is a .safetensors of the same folder.
using WeightMap = std::map<std::string, std::string>;
WeightMap parse_weight_map(std::string_view json, std::string_view where);

class HfFolder {
 public:
  // Throws UserError when there are no weights, a shard is missing or damaged, or the index contradicts the files.
  static HfFolder open(const fs::path& folder);

  const TensorInfo* find(std::string_view name) const;  // nullptr if absent
  const TensorInfo& at(std::string_view name) const;    // UserError if absent
  // at(name) as FP32, row-major into out[size]; F8_E4M3 uses "<name>_scale_inv", blocks of `block` × `block`.
  void read_as_f32(std::string_view name, float* out, int64_t block = 128) const;
  // The same of rows first … first + count − 1; a vector is one row.
  void read_rows_as_f32(std::string_view name, int64_t first, int64_t count, float* out, int64_t block = 128) const;
  // "<name>_scale_inv" of F8_E4M3: one a block, row-major.
  std::vector<float> fp8_scales(std::string_view name, int64_t block) const;
  std::span<const SafetensorsFile> files() const { return files_; }
  size_t tensor_count() const { return index_.size(); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  std::vector<SafetensorsFile> files_;
  std::unordered_map<std::string_view, const TensorInfo*> index_;  // views and pointers into files_
};

// The tensor as FP32, row-major. weight_scale_inv (F32 or F8_E8M0, [ceil(rows/block), ceil(columns/block)]) is needed
// for F8_E4M3 and only there; edge blocks may be partial. UserError for integers and for scales that do not fit.
void read_as_f32(const TensorInfo& tensor, float* out, const TensorInfo* weight_scale_inv = nullptr,
                 int64_t block = 128);
void read_rows_as_f32(const TensorInfo& tensor, int64_t first, int64_t count, float* out,
                      const TensorInfo* weight_scale_inv = nullptr, int64_t block = 128);

struct FolderToWrite {
  std::string config_json;
  std::string generation_config_json;      // empty: not written
  std::vector<TensorToWrite> tensors;      // kept in this order when they are split into shards
  size_t max_shard_bytes = 5'000'000'000;  // as the usual libraries split
};
// Writes config.json, generation_config.json and the weights (sharded with an index beyond max_shard_bytes) into an
// existing folder: normally AtomicFolder::path(), so that all files appear at once.
void write_hf_folder(const fs::path& folder, const FolderToWrite& content);

}  // namespace minke
