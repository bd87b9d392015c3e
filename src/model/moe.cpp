#include "model/moe.h"

namespace minke {

Moe::Moe(const Context& ctx, const Config& c, WeightStore& weights, const std::string& prefix, ExpertExchange* exchange)
    : router_(c, weights, prefix),
      gate_up_{weights.get(prefix + "experts.gate_up")},
      down_{weights.get(prefix + "experts.down")},
      exchange_(exchange),
      load_(ctx.backend->memory(), DType::i32, {c.n_routed_experts}),
      dropped_(ctx.backend->memory(), DType::i32, {1}),
      choices_(c.num_experts_per_tok) {
  if (c.n_shared_experts > 0) shared_.emplace(weights, prefix + "shared_experts.");
}

MoeSaved Moe::lay_out_saved(Arena& arena, const Config& c, const Precision& p, int64_t n,
                            const ExpertExchange& exchange, const MoeSaved* shared) {
  const int64_t k = c.num_experts_per_tok, rows = exchange.max_rows(n, k), width = c.moe_intermediate_size;
  MoeSaved s = shared ? *shared : MoeSaved{};
  s.router = Router::lay_out_saved(arena, c, p, n);
  s.plan.offsets = arena.take(DType::i32, {c.n_routed_experts + 1});
  s.plan.row_of_slot = arena.take(DType::i32, {n * k});
  s.plan.slot_of_row = arena.take(DType::i32, {rows});
  if (shared) return s;
  s.rows = arena.take(p.activation, {rows, c.hidden_size});
  s.row_weight = arena.take(p.high, {rows});
  s.gate_up = arena.take(p.activation, {rows, 2 * width});
  s.h = arena.take(p.activation, {rows, width});
  if (c.n_shared_experts > 0) s.shared = Ffn::lay_out_saved(arena, c.n_shared_experts * width, p, n);
  return s;
}

Operand Moe::lay_out_rows_out(Arena& arena, const Config& c, const Precision& p, int64_t n,
                              const ExpertExchange& exchange) {
  return arena.take(p.activation, {exchange.max_rows(n, c.num_experts_per_tok), c.hidden_size});
}

MoeWork Moe::lay_out_work(Arena& arena, const Config& c, const Precision& p, int64_t n, const ExpertExchange& exchange,
                          const Operand& rows_out) {
  const int64_t k = c.num_experts_per_tok, rows = exchange.max_rows(n, k), width = c.moe_intermediate_size;
  MoeWork w;
  w.rows_out = rows_out;
  w.d_gate_up = arena.take(p.activation, {rows, 2 * width});
  w.d_rows = arena.take(p.activation, {rows, c.hidden_size});
  w.d_row_weight = arena.take(p.high, {rows});
  w.d_weight = arena.take(p.high, {n, k});
  w.router = Router::lay_out_work(arena, c, p, n);
  if (c.n_shared_experts > 0) w.shared = Ffn::lay_out_work(arena, c.n_shared_experts * width, p, n);
  return w;
}

void Moe::route(const Context& ctx, const Batch& batch, const Operand& u, const MoeSaved& s,
                const Operand& replay) const {
  router_.forward(ctx, batch, u, s.router, replay);
  const Operand load = batch.count_load ? load_.operand() : Operand{};
  if (batch.drop.capacity <= 0) {
    exchange_->make_plan(ctx, s.router.expert, s.plan, load);
    return;
  }
  // The router keeps all its choices, for the balance loss and the load; only the exchange leaves some out. Their expert
  // weights then get a zero gradient from the combine.
  const ArenaScope scope(*ctx.scratch);
  const Operand kept = ctx.scratch->take(DType::i32, {s.router.expert.shape[0], choices_});
  ctx.backend->drop_tokens(ctx, {.affinity = s.router.affinity,
                                 .expert = s.router.expert,
                                 .kept = kept,
                                 .load = load,
                                 .dropped = batch.count_load ? dropped_.operand() : Operand{},
                                 .sequence_offsets = batch.sequence_offsets.data(),
                                 .is_protected = batch.is_protected.data(),
                                 .num_sequences = batch.num_sequences(),
                                 .capacity = batch.drop.capacity,
                                 .num_devices = batch.drop.num_devices});
  exchange_->make_plan(ctx, kept, s.plan, {});
}

void Moe::begin_dispatch(const Context& ctx, const Operand& u, const MoeSaved& s) const {
  exchange_->begin_dispatch(ctx, s.plan, choices_, u, s.rows, s.router.weight, s.row_weight);
}

void Moe::experts(const Context& ctx, const Operand& u, const Operand& shared_out, const MoeSaved& s,
                  const MoeWork& w) const {
  if (shared_) shared_->forward(ctx, u, shared_out, s.shared);  // needs no token from elsewhere: under the dispatch
  exchange_->wait_dispatch(ctx, s.plan);
  const int64_t last = s.plan.offsets.shape[0] - 1;
  gate_up_.forward(ctx, s.rows, s.gate_up, s.plan.offsets);
  ctx.backend->swiglu(ctx, {.gate_up = s.gate_up,
                            .y = s.h,
                            .row_weight = s.row_weight,
                            .num_rows = s.plan.offsets.slice(0, last, last + 1)});
  down_.forward(ctx, s.h, w.rows_out, s.plan.offsets);
}

void Moe::begin_combine(const Context& ctx, const Operand& routed_out, const MoeSaved& s, const MoeWork& w) const {
  exchange_->begin_combine(ctx, s.plan, w.rows_out, routed_out, {}, {});
}

void Moe::finish_combine(const Context& ctx, const MoeSaved& s) const { exchange_->wait_combine(ctx, s.plan); }

void Moe::begin_combine_backward(const Context& ctx, const Operand& dy, const MoeSaved& s, const MoeWork& w) const {
  exchange_->begin_dispatch(ctx, s.plan, choices_, dy, w.rows_out, {}, {});
}

void Moe::experts_backward_input(const Context& ctx, const Operand& dy, const Operand& du, const MoeSaved& s,
                                 const MoeWork& w) const {
  if (shared_) shared_->backward_input(ctx, dy, du, s.shared, w.shared);
  else ctx.backend->fill(ctx, {.dst = du, .value = 0});
  exchange_->wait_dispatch(ctx, s.plan);
  const ArenaScope scope(*ctx.scratch);
  const int64_t last = s.plan.offsets.shape[0] - 1;
  const Operand dh = ctx.scratch->take(s.h.dtype, {s.h.shape[0], s.h.shape[1]});
  down_.backward_input(ctx, w.rows_out, dh, false, s.plan.offsets);
  ctx.backend->swiglu_backward(ctx, {.gate_up = s.gate_up,
                                     .row_weight = s.row_weight,
                                     .dy = dh,
                                     .d_gate_up = w.d_gate_up,
                                     .d_row_weight = w.d_row_weight,
                                     .num_rows = s.plan.offsets.slice(0, last, last + 1)});
  gate_up_.backward_input(ctx, w.d_gate_up, w.d_rows, false, s.plan.offsets);
}

void Moe::begin_dispatch_backward(const Context& ctx, const Operand& du_routed, const MoeSaved& s,
                                  const MoeWork& w) const {
  exchange_->begin_combine(ctx, s.plan, w.d_rows, du_routed, w.d_row_weight, w.d_weight);
}

void Moe::route_backward_input(const Context& ctx, const Batch& batch, const Operand& du_routed, const Operand& du,
                               const MoeSaved& s, const MoeWork& w) const {
  exchange_->wait_combine(ctx, s.plan);
  ctx.backend->add(ctx, {.x = du_routed, .y = du});
  router_.backward_input(ctx, batch, w.d_weight, du, s.router, w.router);
}

void Moe::experts_backward_weight(const Context& ctx, const Operand& u, const Operand& dy, const MoeSaved& s,
                                  const MoeWork& w) const {
  down_.backward_weight(ctx, s.h, w.rows_out, s.plan.offsets);
  gate_up_.backward_weight(ctx, s.rows, w.d_gate_up, s.plan.offsets);
  if (shared_) shared_->backward_weight(ctx, u, dy, s.shared, w.shared);
}

void Moe::route_backward_weight(const Context& ctx, const Operand& u, const MoeWork& w) const {
  router_.backward_weight(ctx, u, w.router);
}

void Moe::step(const Context& ctx, const Config& c, const Precision& p, const Operand& u, const Operand& out,
               const Operand& x, const Operand& chosen) const {
  const ArenaScope scope(*ctx.scratch);
  const int64_t n = u.shape[0];
  const MoeSaved s = lay_out_saved(*ctx.scratch, c, p, n, *exchange_);
  MoeWork w;
  w.rows_out = ctx.scratch->take(p.activation, {s.rows.shape[0], c.hidden_size});
  route(ctx, {}, u, s, {});
  if (chosen) ctx.backend->copy(ctx, {.src = s.router.expert, .dst = chosen});
  begin_dispatch(ctx, u, s);
  experts(ctx, u, out, s, w);
  if (shared_) ctx.backend->add(ctx, {.x = out, .y = x});
  begin_combine(ctx, out, s, w);
  finish_combine(ctx, s);
  ctx.backend->add(ctx, {.x = out, .y = x});
}

}  // namespace minke
