#include "model/expert_exchange.h"

namespace minke {

void LocalExchange::make_plan(const Context& ctx, const Operand& expert, const ExchangePlan& plan,
                              const Operand& load) {
  ctx.backend->permute_plan(ctx, {.expert = expert,
                                  .offsets = plan.offsets,
                                  .row_of_slot = plan.row_of_slot,
                                  .slot_of_row = plan.slot_of_row,
                                  .load = load});
}

void LocalExchange::begin_dispatch(const Context& ctx, const ExchangePlan& plan, int64_t num_choices,
                                   const Operand& tokens, const Operand& rows, const Operand& weight,
                                   const Operand& row_weight) {
  const int64_t experts = plan.offsets.shape[0] - 1;
  const Operand used = plan.offsets.slice(0, experts, experts + 1);
  ctx.backend->gather(
      ctx, {.src = tokens, .index = plan.slot_of_row, .dst = rows, .divisor = num_choices, .num_rows = used});
  if (weight)
    ctx.backend->gather(ctx, {.src = weight.merged(0), .index = plan.slot_of_row, .dst = row_weight, .num_rows = used});
}

void LocalExchange::begin_combine(const Context& ctx, const ExchangePlan& plan, const Operand& rows,
                                  const Operand& tokens, const Operand& row_scalar, const Operand& slot_scalar) {
  ctx.backend->combine(ctx, {.src = rows, .row_of_slot = plan.row_of_slot, .dst = tokens});
  if (row_scalar)
    ctx.backend->gather(ctx, {.src = row_scalar, .index = plan.row_of_slot, .dst = slot_scalar.merged(0)});
}

}  // namespace minke
