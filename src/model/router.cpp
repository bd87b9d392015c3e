#include "model/router.h"

namespace minke {

Router::Router(const Config& c, WeightStore& weights, const std::string& prefix)
    : matrix_{weights.get(prefix + "gate")},
      bias_(weights.find(prefix + "gate.e_score_correction_bias")),
      affinity_func_(c.scoring_func == ScoringFunc::sigmoid ? AffinityFunc::sigmoid : AffinityFunc::softmax),
      group_affinity_(c.topk_method == TopkMethod::greedy                 ? GroupAffinity::none
                      : c.topk_method == TopkMethod::group_limited_greedy ? GroupAffinity::max
                                                                          : GroupAffinity::top2_sum),
      num_groups_(c.n_group),
      top_groups_(c.topk_group),
      normalise_(c.norm_topk_prob),
      scale_(c.routed_scaling_factor) {}

RouterSaved Router::lay_out_saved(Arena& arena, const Config& c, const Precision& p, int64_t n) {
  return {arena.take(p.high, {n, c.n_routed_experts}), arena.take(DType::i32, {n, c.num_experts_per_tok}),
          arena.take(p.high, {n, c.num_experts_per_tok})};
}

RouterWork Router::lay_out_work(Arena& arena, const Config& c, const Precision& p, int64_t n) {
  return {arena.take(p.high, {n, c.n_routed_experts})};
}

RouteArgs Router::route_args(const RouterSaved& s, const Operand& logits) const {
  return {.logits = logits,
          .bias = bias_ ? bias_->master() : Operand{},
          .affinity = s.affinity,
          .expert = s.expert,
          .weight = s.weight,
          .affinity_func = affinity_func_,
          .group_affinity = group_affinity_,
          .num_groups = num_groups_,
          .top_groups = top_groups_,
          .normalise = normalise_,
          .scale = scale_};
}

void Router::forward(const Context& ctx, const Batch& batch, const Operand& u, const RouterSaved& s,
                     const Operand& replay) const {
  const ArenaScope scope(*ctx.scratch);
  const Operand logits = ctx.scratch->take(s.affinity.dtype, {s.affinity.shape[0], s.affinity.shape[1]});
  matrix_.forward(ctx, u, logits);
  RouteArgs args = route_args(s, logits);
  args.valid = batch.valid;
  if (replay) {
    ctx.backend->copy(ctx, {.src = replay, .dst = s.expert});
    args.replay = true;
    args.flips = batch.flips;
  }
  ctx.backend->route(ctx, args);
}

void Router::backward_input(const Context& ctx, const Batch& batch, const Operand& d_weight, const Operand& du,
                            const RouterSaved& s, const RouterWork& w) const {
  const ArenaScope scope(*ctx.scratch);
  Operand d_affinity;
  if (batch.balance_loss) {
    d_affinity = ctx.scratch->take(s.affinity.dtype, {s.affinity.shape[0], s.affinity.shape[1]});
    ctx.backend->fill(ctx, {.dst = d_affinity, .value = 0});
    const bool all = batch.balance.whole_batch;
    const int64_t whole[2] = {0, batch.num_tokens};
    ctx.backend->balance(ctx, {.affinity = s.affinity,
                               .expert = s.expert,
                               .d_affinity = d_affinity,
                               .loss = batch.balance_loss,
                               .valid = batch.valid,
                               .sequence_offsets = all ? whole : batch.sequence_offsets.data(),
                               .num_sequences = all ? 1 : batch.num_sequences(),
                               .terms = batch.balance.terms,
                               .grad_scale = batch.balance_grad_scale});
  }
  ctx.backend->route_backward(
      ctx, {.forward = route_args(s, {}), .d_weight = d_weight, .d_affinity = d_affinity, .d_logits = w.d_logits});
  matrix_.backward_input(ctx, w.d_logits, du, true);
}

void Router::backward_weight(const Context& ctx, const Operand& u, const RouterWork& w) const {
  matrix_.backward_weight(ctx, u, w.d_logits);
}

}  // namespace minke
