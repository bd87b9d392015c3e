// Owns operands for benchmarks: random values, indices, packed right-hand sides.
#pragma once
#include <deque>
#include <initializer_list>
#include <vector>

#include "kernels/backend.h"

namespace minke {

class Operands {
 public:
  explicit Operands(const Context& ctx) : ctx_(ctx) {}

  Operand empty(DType dtype, std::initializer_list<int64_t> shape) {
    return tensors_.emplace_back(ctx_.backend->memory(), dtype, shape);
  }
  Operand random(DType dtype, std::initializer_list<int64_t> shape) {
    const Operand o = empty(dtype, shape);
    ctx_.backend->fill_normal(ctx_, {.dst = o, .key = RngKey{7, tensors_.size()}, .stddev = 1});
    return o;
  }
  Operand indices(const std::vector<int32_t>& values) {
    const Operand o = empty(DType::i32, {int64_t(values.size())});
    ctx_.backend->upload(ctx_, {.host = values.data(), .device = o});
    return o;
  }
  Operand packed(const Operand& b, DType compute) {
    const size_t bytes = ctx_.backend->packed_bytes(b.shape[b.rank - 2], b.shape[b.rank - 1], compute);
    Operand o = b;
    o.data = empty(DType::u8, {(b.rank == 3 ? b.shape[0] : 1) * int64_t(bytes)}).data;
    o.dtype = compute;
    o.packing = Packing::panels;
    ctx_.backend->pack_weight(ctx_, {.b = b, .packed = o, .compute = compute});
    return o;
  }

 private:
  const Context& ctx_;
  std::deque<Tensor> tensors_;
};

}  // namespace minke
