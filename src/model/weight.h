// Weight: one parameter tensor with its master (FP32; for inference in the format of its products), its gradient, and the
// compute forms made from the master, each at most once per version. The optimizer (later also ZeRO's shard exchange, FP8,
// RL's refresh) changes the master and calls changed(); all other code asks for a compute form.
// Test: tests/model/checkpoint_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "spec/parameters.h"

namespace minke {

class Weight {
 public:
  // Zero-filled. compute: the format in which products with this weight multiply. frozen: there is no gradient, and
  // a form is a view of the master.
  Weight(const Context& ctx, const Storage& storage, DType master, DType compute, bool frozen);

  const Storage& storage() const { return storage_; }
  const Operand& master() const { return master_.operand(); }  // [out,in], [E,out,in] or [n]
  const Operand& grad() const { return grad_.operand(); }      // same shape; null until with_gradient()
  DType compute() const { return compute_; }
  uint64_t version() const { return version_; }

  void with_gradient(const Context& ctx);  // allocates the zero gradient
  void changed() { ++version_; }           // the master was written: forms are stale

  // Right-hand side of y = x · Wᵀ, packed for the backend: [in,out] or [E,in,out].
  Operand forward(const Context& ctx) const { return form(ctx, 0, transposed_master()); }
  // Right-hand side of dx = dy · W. Not kept packed: it would cost 2 bytes a parameter, and a training product amortises
  // packing over its thousands of rows.
  const Operand& backward() const { return master(); }
  // The compute form of any view b ([K,N] or [G,K,N]) of the master; key names it among this weight's forms (≥ 1).
  Operand form(const Context& ctx, int key, const Operand& b) const;

 private:
  Operand transposed_master() const { return master().transposed(master().rank - 2, master().rank - 1); }
  struct Form {
    int key;
    uint64_t version;
    Tensor memory;
    Operand packed;
  };
  Storage storage_;
  Tensor master_, grad_;
  DType compute_;
  bool frozen_;
  uint64_t version_ = 1;
  mutable std::vector<Form> forms_;
};

}  // namespace minke
