// Weight: one parameter tensor with its master (FP32; for inference in the format of its products), its gradient, and the
// compute forms made from the master, each at most once per version. The optimizer (later also ZeRO's shard exchange, FP8,
// RL's refresh) changes the master and calls changed(); all other code asks for a compute form. Or, for inference, held in
// quantised blocks, in memory or where they lie in a mapped file: then these are the master.
// Test: tests/model/checkpoint_test.cpp.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/divided_up.h"
#include "core/row_blocks.h"
#include "kernels/backend.h"
#include "spec/parameters.h"

namespace minke {

// How one published tensor, some rows of a storage, is held in blocks.
struct HeldRows {
  BlockFormat format = BlockFormat::f32;
  int64_t rows = 0;
  bool in_file = false;     // no memory of its own: Weight::use_file says where
  int32_t scale_block = 0;  // f8_e4m3
  int32_t strip = 0;        // so many rows interleaved (blocks/strips.h), and rows of zeros after the last
  int64_t held_rows() const { return strip > 0 ? divided_up(rows, strip) * strip : rows; }
};

// MLA's kv_b_proj: the absorbed form multiplies along its rows as well (mla_step.cpp), which blocks do not allow.
inline bool is_multiplied_both_ways(std::string_view storage) { return storage.ends_with(".kv_b_proj"); }

class Weight {
 public:
  // Zero-filled. compute: the format in which products with this weight multiply. frozen: there is no gradient, and
  // a form is a view of the master.
  Weight(const Context& ctx, const Storage& storage, DType master, DType compute, bool frozen);
  // Frozen and in blocks: of each group the same number of parts, which follow each other. To be filled: bytes_of(part), or
  // use_file; scales_of(part); then ready().
  // integer_products: where all parts are integers with scales, products are in 8 bits.
  Weight(const Context& ctx, const Storage& storage, DType compute, const std::vector<HeldRows>& parts,
         bool integer_products);

  const Storage& storage() const { return storage_; }
  const Operand& master() const { return operand_; }       // [out,in], [E,out,in] or [n]
  const Operand& grad() const { return grad_.operand(); }  // same shape; null until with_gradient()
  DType compute() const { return compute_; }
  DType products() const { return integers_ ? DType::i8 : compute_; }  // the format of y = x · Wᵀ
  bool in_blocks() const { return !parts_.empty(); }
  size_t bytes() const;  // of memory: the master, or what a frozen weight has instead
  uint64_t version() const { return version_; }

  const std::vector<RowBlocks>& parts() const { return parts_; }
  Operand bytes_of(size_t part) const;   // u8: the rows, in device memory; null if they are in a file
  Operand scales_of(size_t part) const;  // f32; null unless f8_e4m3
  // The rows are at this address of a mapped file, which stays mapped as long as this weight.
  void use_file(size_t part, const void* rows) { parts_[part].rows = rows; }
  void ready(const Context& ctx);  // gives the kernels the table of parts

  // For the layers that own the weight, before it is used. Beyond y = x · Wᵀ it is multiplied in this view of the master,
  // too ([K,N] or [G,K,N]): returns the view's key.
  int multiplied_in(std::function<Operand(const Operand& master)> view);
  void also_head() { multiplied_ = true; }  // an embedding that is multiplied, too

  // Frozen, multiplied, and not in blocks.
  bool may_be_packed() const { return frozen_ && !in_blocks() && storage_.shape.size() >= 2 && multiplied_; }
  // From now on there are only the packed right-hand sides of its products, which these need not pack again. The master has
  // a shape, but no memory.
  void keep_packed(const Context& ctx);

  void with_gradient(const Context& ctx);  // allocates the zero gradient
  void changed() { ++version_; }           // the master was written: forms are stale

  // Right-hand side of y = x · Wᵀ, packed for the backend: [in,out] or [E,in,out].
  Operand forward(const Context& ctx) const { return form(ctx, 0); }
  // Right-hand side of dx = dy · W. Not kept packed: it would cost 2 bytes a parameter, and a training product amortises
  // packing over its thousands of rows.
  const Operand& backward() const { return master(); }
  // Right-hand side of a product in the view that multiplied_in() gave this key.
  Operand form(const Context& ctx, int key) const;
  // The source of a gather of rows (kernels/ops.h).
  const Operand& rows() const { return operand_.data || forms_.empty() ? operand_ : forms_.front().packed; }

 private:
  Operand view_of(int key) const;
  size_t scales_in(const HeldRows& part) const;
  const Operand& make_form(const Context& ctx, int key) const;
  struct Form {
    int key;
    uint64_t version;
    Tensor memory;
    Operand packed;
  };
  Storage storage_;
  Tensor master_, grad_;  // in blocks: master_ is the table of parts
  std::vector<HeldRows> held_;
  std::vector<RowBlocks> parts_;  // of held_, as kernels see them
  Tensor blocks_, scales_;
  Operand operand_;
  DType compute_;
  bool frozen_, integers_ = false, multiplied_;
  uint64_t version_ = 1;
  std::vector<std::function<Operand(const Operand&)>> views_;  // key 1 on
  mutable std::vector<Form> forms_;
};

}  // namespace minke
