#include "model/weight.h"

namespace minke {
namespace {

Tensor make(const Context& ctx, const std::vector<int64_t>& shape, DType dtype) {
  switch (shape.size()) {
    case 1: return Tensor(ctx.backend->memory(), dtype, {shape[0]});
    case 2: return Tensor(ctx.backend->memory(), dtype, {shape[0], shape[1]});
    case 3: return Tensor(ctx.backend->memory(), dtype, {shape[0], shape[1], shape[2]});
  }
  bug("Weight: rank must be 1, 2 or 3", SourceLocation::current());
}

}  // namespace

Weight::Weight(const Context& ctx, const Storage& storage, DType master, DType compute, bool frozen)
    : storage_(storage), master_(make(ctx, storage.shape, master)), compute_(compute), frozen_(frozen) {}

void Weight::with_gradient(const Context& ctx) {
  check(!frozen_, "Weight::with_gradient: the weight is frozen");
  if (!grad_) grad_ = make(ctx, storage_.shape, master().dtype);
}

Operand Weight::form(const Context& ctx, int key, const Operand& b) const {
  if (frozen_) return b;
  for (Form& f : forms_) {
    if (f.key != key) continue;
    if (f.version != version_) {
      ctx.backend->pack_weight(ctx, {.b = b, .packed = f.packed, .compute = compute_});
      f.version = version_;
    }
    return f.packed;
  }
  const int64_t groups = b.rank == 3 ? b.shape[0] : 1;
  const size_t bytes = ctx.backend->packed_bytes(b.shape[b.rank - 2], b.shape[b.rank - 1], compute_);
  Form f{key, version_, Tensor(ctx.backend->memory(), DType::u8, {int64_t(bytes) * groups}), {}};
  f.packed = b.rank == 3 ? Operand::of(f.memory.operand().data, compute_, {groups, b.shape[1], b.shape[2]})
                         : Operand::of(f.memory.operand().data, compute_, {b.shape[0], b.shape[1]});
  f.packed.packing = Packing::panels;
  ctx.backend->pack_weight(ctx, {.b = b, .packed = f.packed, .compute = compute_});
  forms_.push_back(std::move(f));
  return forms_.back().packed;
}

}  // namespace minke
