// The expert exchange: tokens are sent to their experts (dispatch), and the results come back and are summed (combine); V3
// §3.2.2, docs/recipe/parallelism.md §3. Each has a begin and a wait, so that an executor can compute in between. Expert
// weights are applied where the expert is, so combine is a plain sum, dispatch and combine are each other's backward, and
// the gradient of the expert weights travels with the backward of combine. `moe.cpp` uses only this interface. The
// single-process version is here; ranks as threads and MPI will have their own. Test: tests/model/layers_test.cpp.
#pragma once
#include <memory>

#include "core/memory.h"
#include "kernels/backend.h"

namespace minke {

// The row on the experts' side of each assignment (token t, choice k; slot = t·K + k). On the device.
struct ExchangePlan {
  Operand offsets;                   // i32 [local experts + 1]: rows of expert e
  Operand row_of_slot, slot_of_row;  // i32 [N·K]; rows beyond offsets[last] are unused
};

class ExpertExchange {
 public:
  virtual ~ExpertExchange() = default;

  // Largest number of rows that N tokens with K choices each can send here: ranks · N · min(K, local experts).
  virtual int64_t max_rows(int64_t num_tokens, int64_t num_choices) const = 0;

  // expert i32 [N,K] (−1 = dropped) → plan; load i32 [E] += tokens per expert, if given.
  virtual void make_plan(const Context& ctx, const Operand& expert, const ExchangePlan& plan, const Operand& load) = 0;

  // tokens [N,d] → rows [R,d]; with weight high [N,K] also row_weight high [R]. Readable after wait_dispatch.
  virtual void begin_dispatch(const Context& ctx, const ExchangePlan& plan, int64_t num_choices, const Operand& tokens,
                              const Operand& rows, const Operand& weight, const Operand& row_weight) = 0;
  virtual void wait_dispatch(const Context& ctx, const ExchangePlan& plan) = 0;

  // rows [R,d] → tokens [N,d]: the sum over a token's choices; with row_scalar high [R] also slot_scalar high [N,K].
  // Readable after wait_combine; until then rows must stay.
  virtual void begin_combine(const Context& ctx, const ExchangePlan& plan, const Operand& rows, const Operand& tokens,
                             const Operand& row_scalar, const Operand& slot_scalar) = 0;
  virtual void wait_combine(const Context& ctx, const ExchangePlan& plan) = 0;
};

// All experts are here: dispatch is a permutation of rows, and begin does all the work.
class LocalExchange final : public ExpertExchange {
 public:
  int64_t max_rows(int64_t num_tokens, int64_t num_choices) const override { return num_tokens * num_choices; }
  void make_plan(const Context& ctx, const Operand& expert, const ExchangePlan& plan, const Operand& load) override;
  void begin_dispatch(const Context& ctx, const ExchangePlan& plan, int64_t num_choices, const Operand& tokens,
                      const Operand& rows, const Operand& weight, const Operand& row_weight) override;
  void wait_dispatch(const Context&, const ExchangePlan&) override {}
  void begin_combine(const Context& ctx, const ExchangePlan& plan, const Operand& rows, const Operand& tokens,
                     const Operand& row_scalar, const Operand& slot_scalar) override;
  void wait_combine(const Context&, const ExchangePlan&) override {}
};

}  // namespace minke
