#include "model/weight.h"

#include <algorithm>

#include "blocks/blocks.h"

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
    : storage_(storage),
      master_(make(ctx, storage.shape, master)),
      operand_(master_.operand()),
      compute_(compute),
      frozen_(frozen),
      multiplied_(storage.part != Part::embedding) {}

Weight::Weight(const Context& ctx, const Storage& storage, DType compute, const std::vector<HeldRows>& parts,
               bool integer_products)
    : storage_(storage),
      held_(parts),
      compute_(compute),
      frozen_(true),
      integers_(integer_products &&
                std::ranges::all_of(parts, [](const HeldRows& p) { return is_integers(p.format); })),
      multiplied_(true) {
  const size_t rank = storage.shape.size();
  check(rank == 2 || rank == 3, "Weight: blocks are of a matrix, or of one for each group");
  const int64_t groups = rank == 3 ? storage.shape[0] : 1, rows = storage.shape[rank - 2],
                columns = storage.shape[rank - 1], per_group = int64_t(parts.size()) / groups;
  check(per_group > 0 && per_group * groups == int64_t(parts.size()), "Weight: parts of every group");
  size_t bytes = 0, scales = 0;
  int64_t row = 0;
  std::vector<size_t> begins, scale_begins;
  for (const HeldRows& p : parts) {
    RowBlocks r{.first_row = row, .row_bytes = row_bytes(p.format, columns), .scale_block = p.scale_block};
    r.format = p.format, r.strip = p.strip;
    parts_.push_back(r);
    begins.push_back(bytes), scale_begins.push_back(scales);
    if (!p.in_file) bytes += size_t(p.held_rows() * r.row_bytes);
    scales += scales_in(p);
    row += p.rows;
    if (row == rows) row = 0;
  }
  check(row == 0, "Weight: the parts are all rows");
  Memory& memory = ctx.backend->memory();
  master_ = Tensor(memory, DType::u8, {int64_t(parts.size() * sizeof(RowBlocks))});
  if (bytes > 0) blocks_ = Tensor(memory, DType::u8, {int64_t(bytes)});
  if (scales > 0) scales_ = Tensor(memory, DType::f32, {int64_t(scales)});
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].in_file) parts_[i].rows = static_cast<const std::byte*>(blocks_.operand().data) + begins[i];
    if (parts[i].format == BlockFormat::f8_e4m3)
      parts_[i].scales = static_cast<const float*>(scales_.operand().data) + scale_begins[i];
  }
  operand_ = rank == 3 ? Operand::of(master_.operand().data, DType::u8, {groups, rows, columns})
                       : Operand::of(master_.operand().data, DType::u8, {rows, columns});
  operand_.packing = Packing::blocks;
  operand_.parts = int32_t(per_group);
}

size_t Weight::bytes() const {
  size_t packed = 0;
  if (frozen_)
    for (const Form& f : forms_) packed += f.memory.operand().bytes();
  return packed + (master_ ? master_.operand().bytes() : 0) + (blocks_ ? blocks_.operand().bytes() : 0) +
         (scales_ ? scales_.operand().bytes() : 0);
}

size_t Weight::scales_in(const HeldRows& part) const {
  if (part.format != BlockFormat::f8_e4m3) return 0;
  return size_t(divided_up(part.rows, part.scale_block) * divided_up(storage_.shape.back(), part.scale_block));
}

Operand Weight::bytes_of(size_t part) const {
  if (held_[part].in_file) return {};
  return Operand::of(const_cast<void*>(parts_[part].rows), DType::u8,
                     {held_[part].held_rows() * parts_[part].row_bytes});
}

Operand Weight::scales_of(size_t part) const {
  const size_t count = scales_in(held_[part]);
  if (count == 0) return {};
  return Operand::of(const_cast<float*>(parts_[part].scales), DType::f32, {int64_t(count)});
}

void Weight::ready(const Context& ctx) {
  for (const RowBlocks& p : parts_) check(p.rows != nullptr, "Weight::ready: a part is nowhere");
  ctx.backend->upload(ctx, {.host = parts_.data(), .device = master_});
  ctx.backend->synchronize(ctx);
}

void Weight::with_gradient(const Context& ctx) {
  check(!frozen_, "Weight::with_gradient: the weight is frozen");
  if (!grad_) grad_ = make(ctx, storage_.shape, master().dtype);
}

int Weight::multiplied_in(std::function<Operand(const Operand& master)> view) {
  check(forms_.empty(), "Weight::multiplied_in: before the first product");
  views_.push_back(std::move(view));
  return int(views_.size());
}

Operand Weight::view_of(int key) const {
  return key == 0 ? master().transposed(master().rank - 2, master().rank - 1) : views_[size_t(key - 1)](master());
}

void Weight::keep_packed(const Context& ctx) {
  check(may_be_packed(), "Weight::keep_packed: a frozen matrix that is multiplied");
  if (!forms_.empty()) return;
  for (int key = 0; key <= int(views_.size()); ++key) make_form(ctx, key);
  ctx.backend->synchronize(ctx);
  master_ = Tensor();
  operand_.data = nullptr;
}

Operand Weight::form(const Context& ctx, int key) const {
  if (frozen_ && forms_.empty()) return view_of(key);
  for (Form& f : forms_) {
    if (f.key != key) continue;
    if (f.version != version_) {
      ctx.backend->pack_weight(ctx, {.b = view_of(key), .packed = f.packed, .compute = compute_});
      f.version = version_;
    }
    return f.packed;
  }
  return make_form(ctx, key);
}

const Operand& Weight::make_form(const Context& ctx, int key) const {
  const Operand b = view_of(key);
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
