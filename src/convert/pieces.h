// The bytes of one tensor that is to be written, piece by piece, made of rows of published ones: no more than a piece is in
// memory. Test: tests/convert/convert_test.cpp.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/types.h"
#include "formats/gguf_export.h"
#include "formats/weight_files.h"

namespace minke {

using OnBytes = std::function<void(size_t)>;  // so many more bytes are made

// Where tensors come from. `block`: of FP8 in a folder.
struct WeightSource {
  const WeightFiles* files = nullptr;
  int64_t block = 128;
};

// A published tensor as it is.
GgufExportTensor plain_tensor(std::string name, std::vector<int64_t> shape);
int64_t elements(std::span<const int64_t> shape);
int64_t columns(std::span<const int64_t> shape);

class TensorPieces {
 public:
  TensorPieces(const WeightSource& source, GgufExportTensor tensor, BlockFormat format, OnBytes on_bytes);
  std::span<const std::byte> next();

 private:
  std::span<const std::byte> encoded(std::span<const float> values);

  WeightSource source_;
  GgufExportTensor tensor_, piece_;  // the second: what arrange() sees
  BlockFormat format_;
  OnBytes on_bytes_;
  int64_t unit_ = 1;  // rows that go together
  size_t from_ = 0;   // tensor_.sources
  int64_t row_ = 0;
  std::vector<float> values_, arranged_;
  std::vector<std::byte> bytes_;
};

// The same for FP8 blocks: the values, and their scales.
class Fp8Pieces {
 public:
  enum class What : uint8_t { values, scales };
  Fp8Pieces(const WeightSource& source, GgufExportTensor tensor, What what, OnBytes on_bytes);
  std::span<const std::byte> next();

 private:
  WeightSource source_;
  GgufExportTensor tensor_;
  What what_;
  OnBytes on_bytes_;
  int64_t row_ = 0;
  std::vector<float> rows_, scales_;
  std::vector<f8_e4m3> values_;
};

}  // namespace minke
