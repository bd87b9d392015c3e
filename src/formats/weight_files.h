// The weights of a checkpoint under their published names, whatever holds them: a Hugging Face folder, a GGUF file or all
// parts of a split one, or nothing, if they are made when they are read. Test: tests/formats/weight_files_test.cpp.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/gguf_model.h"
#include "formats/hf_folder.h"

namespace minke {

struct WeightInfo {
  std::string_view name;  // model.layers.3.self_attn.q_proj.weight
  std::span<const int64_t> shape;
  std::string_view format;              // how the values are stored: bf16, Q4_1 …
  const std::string* file = nullptr;    // for messages; nullptr for one that is made
  const GgufWeight* in_gguf = nullptr;  // nullptr in a folder
};

// A matrix as the file holds it: rows of whole blocks.
struct StoredRows {
  BlockFormat format = BlockFormat::f32;
  std::span<const std::byte> bytes;  // of the matrix
  bool in_order = true;              // as published
  const GgufWeight* in_gguf = nullptr;
  size_t row_bytes = 0;

  std::span<const std::byte> row(int64_t r) const {
    return bytes.subspan(size_t(in_order ? r : row_in_file(*in_gguf, r)) * row_bytes, row_bytes);
  }
};

// f(first row, rows) over a matrix, about a million values at a time: as FP32 a whole one may be larger than a small model.
template <class F> void in_row_pieces(int64_t rows, int64_t columns, F f) {
  const int64_t at_once = std::max<int64_t>(1, (int64_t(1) << 20) / columns);
  for (int64_t first = 0; first < rows; first += at_once) f(first, std::min(at_once, rows - first));
}

// Weights that no file holds.
struct MadeWeights {
  struct Weight {
    std::string name;
    std::vector<int64_t> shape;
  };
  fs::path path;  // for messages
  std::vector<Weight> list;
  // Rows first … first + count − 1 of list[weight]. The same each time.
  std::function<void(size_t weight, int64_t first, int64_t count, float* out)> rows;
};

class WeightFiles {
 public:
  // UserError as of HfFolder, Gguf and describe().
  static WeightFiles open(const fs::path& path);
  static WeightFiles made(MadeWeights weights);

  std::span<const WeightInfo> all() const { return all_; }
  const WeightInfo* find(std::string_view name) const;  // nullptr if absent
  const WeightInfo& at(std::string_view name) const;    // UserError if absent
  // Rows first … first + count − 1 of at(name) as FP32, row-major into out; a vector is one row. `block`: of F8_E4M3 in a
  // folder (hf_folder.h). What was read of the file is no longer held in memory afterwards.
  void read_rows_as_f32(std::string_view name, int64_t first, int64_t count, float* out, int64_t block = 128) const;

  // The matrix at(name) without conversion; nullopt if it is in no rows of blocks: kv_b_proj of two tensors, F64, made.
  std::optional<StoredRows> stored_rows(std::string_view name) const;
  // The scales of F8_E4M3 in a folder, one a block, row-major. UserError if they are missing or do not fit.
  std::vector<float> fp8_scales(std::string_view name, int64_t block) const;

  // What a GGUF file says in the words of a config.json; nullptr for a folder, which has one.
  const GgufModel* gguf() const { return gguf_ ? &described_ : nullptr; }
  bool are_made() const { return made_.has_value(); }
  const fs::path& path() const { return path_; }

 private:
  void index();  // all_, by name
  fs::path path_;
  std::optional<HfFolder> folder_;
  std::optional<Gguf> gguf_;
  std::optional<MadeWeights> made_;
  GgufModel described_;
  std::vector<WeightInfo> all_;  // points into the above, which stays where it is when this object moves
  std::unordered_map<std::string_view, size_t> index_;
};

}  // namespace minke
