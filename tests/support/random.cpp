#include "support/random.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace minke::test {
namespace {

constexpr std::byte kFiller{0xff};
constexpr int64_t kGuardBytes = 256;  // before and after; a multiple of the alignment
constexpr int64_t kGapElements = 3;   // after a row: odd, so that rows of a padded operand are not aligned

}  // namespace

TestContext::TestContext(Backend& backend, int threads, size_t scratch_bytes)
    : threads_(threads), scratch_(backend.memory(), scratch_bytes) {
  context_.backend = &backend;
  context_.threads = &threads_;
  context_.scratch = &scratch_;
  context_.rng = RngKey{1, 0};
}

Buffer::Buffer(const Context& ctx, DType dtype, Indices shape, Layout layout) : ctx_(&ctx) {
  operand_.dtype = dtype;
  operand_.rank = int8_t(shape.size());
  check(operand_.rank <= Operand::kMaxRank && (layout != Layout::transposed || operand_.rank >= 2), "Buffer: rank");
  std::copy(shape.begin(), shape.end(), operand_.shape.begin());
  const int64_t gap = layout == Layout::contiguous ? 0 : kGapElements;
  if (layout == Layout::transposed) std::swap(operand_.shape[shape.size() - 2], operand_.shape[shape.size() - 1]);
  int64_t stride = 1;
  for (int d = operand_.rank - 1; d >= 0; --d) {
    operand_.stride[d] = stride;
    stride *= operand_.shape[d];
    if (d == operand_.rank - 1) stride += gap;
  }
  if (layout == Layout::transposed) operand_ = operand_.transposed(operand_.rank - 2, operand_.rank - 1);
  const int64_t element = int64_t(size_of(dtype)), start = kGuardBytes + (gap ? element : 0);
  storage_ = Tensor(ctx.backend->memory(), DType::u8, {start + stride * element + kGuardBytes});
  operand_.data = static_cast<std::byte*>(storage_.operand().data) + start;
  const std::vector<std::byte> filler(storage_.operand().bytes(), kFiller);
  ctx.backend->upload(ctx, {filler.data(), storage_});
  ctx.backend->synchronize(ctx);
}

int64_t Buffer::byte_offset(int64_t flat) const {
  int64_t offset = 0;
  for (int d = operand_.rank - 1; d >= 0; --d) {
    offset += flat % operand_.shape[d] * operand_.stride[d];
    flat /= operand_.shape[d];
  }
  return static_cast<std::byte*>(operand_.data) - static_cast<std::byte*>(storage_.operand().data) +
         offset * int64_t(size_of(operand_.dtype));
}

std::vector<std::byte> Buffer::download() const {
  std::vector<std::byte> bytes(storage_.operand().bytes());
  ctx_->backend->download(*ctx_, {storage_, bytes.data()});
  return bytes;
}

void Buffer::set(const Values& values) {
  check(int64_t(values.size()) == operand_.size(), "Buffer::set: number of values");
  auto bytes = download();
  const auto put = [&](size_t i, auto value) {
    std::memcpy(bytes.data() + byte_offset(int64_t(i)), &value, sizeof value);
  };
  for (size_t i = 0; i < values.size(); ++i) switch (operand_.dtype) {
      case DType::f64: put(i, values[i]); break;
      case DType::f32: put(i, float(values[i])); break;
      case DType::bf16: put(i, bf16(float(values[i]))); break;
      case DType::i32: put(i, int32_t(values[i])); break;
      default: check(false, "Buffer::set: dtype");
    }
  ctx_->backend->upload(*ctx_, {bytes.data(), storage_});
  ctx_->backend->synchronize(*ctx_);
}

void Buffer::set(const Indices& values) { set(Values(values.begin(), values.end())); }

Values Buffer::get() const {
  const auto bytes = download();
  Values values(size_t(operand_.size()));
  const auto take = [&](size_t i, auto value) {
    std::memcpy(&value, bytes.data() + byte_offset(int64_t(i)), sizeof value);
    return value;
  };
  for (size_t i = 0; i < values.size(); ++i) switch (operand_.dtype) {
      case DType::f64: values[i] = take(i, double{}); break;
      case DType::f32: values[i] = take(i, float{}); break;
      case DType::bf16: values[i] = float(take(i, bf16{})); break;
      case DType::i32: values[i] = take(i, int32_t{}); break;
      default: check(false, "Buffer::get: dtype");
    }
  return values;
}

bool Buffer::surroundings_intact() const {
  auto bytes = download();
  for (int64_t i = 0; i < operand_.size(); ++i)
    std::fill_n(bytes.begin() + byte_offset(i), size_of(operand_.dtype), kFiller);
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == kFiller; });
}

double rounded_to(DType dtype, double value) {
  switch (dtype) {
    case DType::f64: return value;
    case DType::f32: return float(value);
    case DType::bf16: return float(bf16(float(value)));
    default: throw BugError("rounded_to: dtype");
  }
}

Values rounded_to(DType dtype, Values values) {
  for (double& v : values) v = rounded_to(dtype, v);
  return values;
}

Values normals(RngKey key, int64_t n, double stddev) {
  Values values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i) values[i] = stddev * key.normal(i);
  return values;
}

int64_t product_of(const Indices& shape) {
  int64_t n = 1;
  for (int64_t s : shape) n *= s;
  return n;
}

Values absolute(Values values) {
  for (double& v : values) v = std::abs(v);
  return values;
}

}  // namespace minke::test
