#include "convert/pieces.h"

#include <fmt/format.h>

#include <algorithm>

#include "blocks/fp8.h"
#include "blocks/quantise.h"
#include "core/divided_up.h"
#include "core/error.h"

namespace minke {
namespace {

using Kind = GgufExportTensor::Kind;

constexpr int64_t kPiece = int64_t(1) << 20;  // elements

std::string where(const WeightSource& source, const std::string& tensor) {
  return fmt::format("{}: tensor {}", source.files->path().string(), tensor);
}

}  // namespace

GgufExportTensor plain_tensor(std::string name, std::vector<int64_t> shape) {
  GgufExportTensor t{.name = name, .shape = shape, .sources = {name}};
  t.source_shape = std::move(shape);
  return t;
}

int64_t elements(std::span<const int64_t> shape) {
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  return n;
}
int64_t columns(std::span<const int64_t> shape) { return shape.empty() ? 1 : shape.back(); }

TensorPieces::TensorPieces(const WeightSource& source, GgufExportTensor tensor, BlockFormat format, OnBytes on_bytes)
    : source_(source), tensor_(std::move(tensor)), piece_(tensor_), format_(format), on_bytes_(std::move(on_bytes)) {
  // Heads are arranged one by one, so that a piece is one head, whatever the size of the whole.
  if (tensor_.heads == 0) return;
  unit_ = tensor_.source_shape[0] / tensor_.heads;
  piece_.heads = 1;
  piece_.source_shape[0] = unit_;
}

std::span<const std::byte> TensorPieces::next() {
  if (tensor_.kind == Kind::given) return encoded(tensor_.values);
  const std::string& name = tensor_.sources[from_];
  const int64_t width = columns(tensor_.source_shape), rows = elements(tensor_.source_shape) / width;
  const int64_t at_once = tensor_.heads > 0 ? unit_ : std::max<int64_t>(1, kPiece / width);
  const int64_t count = std::min(at_once, rows - row_);
  values_.resize(size_t(count * width));
  source_.files->read_rows_as_f32(name, row_, count, values_.data(), source_.block);
  row_ += count;
  if (row_ == rows) row_ = 0, ++from_;
  if (tensor_.heads == 0) return encoded(values_);
  arranged_.resize(size_t(elements(tensor_.shape) / tensor_.heads));
  arrange(piece_, values_.data(), arranged_.data());
  return encoded(arranged_);
}

std::span<const std::byte> TensorPieces::encoded(std::span<const float> values) {
  bytes_.resize(size_t(row_bytes(format_, int64_t(values.size()))));
  quantise(format_, values, bytes_, where(source_, tensor_.name));
  on_bytes_(bytes_.size());
  return bytes_;
}

Fp8Pieces::Fp8Pieces(const WeightSource& source, GgufExportTensor tensor, What what, OnBytes on_bytes)
    : source_(source), tensor_(std::move(tensor)), what_(what), on_bytes_(std::move(on_bytes)) {}

std::span<const std::byte> Fp8Pieces::next() {
  const int64_t width = columns(tensor_.shape), count = std::min(kFp8Block, tensor_.shape[0] - row_);
  rows_.resize(size_t(count * width));
  source_.files->read_rows_as_f32(tensor_.name, row_, count, rows_.data(), source_.block);
  row_ += count;
  scales_.resize(size_t(divided_up(width, kFp8Block)));
  fp8_scales(rows_, width, scales_, where(source_, tensor_.name));
  if (what_ == What::scales) {
    on_bytes_(scales_.size() * sizeof(float));
    return std::as_bytes(std::span(scales_));
  }
  values_.resize(rows_.size());
  to_fp8(rows_, width, scales_, values_);
  on_bytes_(values_.size());
  return std::as_bytes(std::span(values_));
}

}  // namespace minke
