#include "model/router.h"

namespace minke {

Router::Router(const Config& c, WeightStore& weights, const std::string& prefix)
    : gate_{weights.get(prefix + "gate")},
      bias_(weights.find(prefix + "gate.e_score_correction_bias")),
      scoring_(c.scoring_func == ScoringFunc::sigmoid ? Scoring::sigmoid : Scoring::softmax),
      group_score_(c.topk_method == TopkMethod::greedy                 ? GroupScore::none
                   : c.topk_method == TopkMethod::group_limited_greedy ? GroupScore::max
                                                                       : GroupScore::top2_sum),
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
          .scores = s.scores,
          .expert = s.expert,
          .weight = s.weight,
          .scoring = scoring_,
          .group_score = group_score_,
          .num_groups = num_groups_,
          .top_groups = top_groups_,
          .normalise = normalise_,
          .scale = scale_};
}

void Router::forward(const Context& ctx, const Batch& batch, const Operand& u, const RouterSaved& s,
                     const Operand& replay) const {
  const ArenaScope scope(*ctx.scratch);
  const Operand logits = ctx.scratch->take(s.scores.dtype, {s.scores.shape[0], s.scores.shape[1]});
  gate_.forward(ctx, u, logits);
  RouteArgs args = route_args(s, logits);
  args.valid = batch.valid;
  if (replay) {
    ctx.backend->copy(ctx, {.src = replay, .dst = s.expert});
    args.replay = true;
  }
  ctx.backend->route(ctx, args);
}

void Router::backward_input(const Context& ctx, const Batch& batch, const Operand& d_weight, const Operand& du,
                            const RouterSaved& s, const RouterWork& w) const {
  const ArenaScope scope(*ctx.scratch);
  Operand d_scores;
  if (batch.balance_loss) {
    d_scores = ctx.scratch->take(s.scores.dtype, {s.scores.shape[0], s.scores.shape[1]});
    ctx.backend->fill(ctx, {.dst = d_scores, .value = 0});
    const BalanceTerms& b = batch.balance;
    const int64_t whole[2] = {0, batch.num_tokens};
    ctx.backend->balance(ctx, {.scores = s.scores,
                               .expert = s.expert,
                               .d_scores = d_scores,
                               .loss = batch.balance_loss,
                               .valid = batch.valid,
                               .sequence_offsets = b.whole_batch ? whole : batch.sequence_offsets.data(),
                               .num_sequences = b.whole_batch ? 1 : batch.num_sequences(),
                               .alpha_expert = b.alpha_expert,
                               .alpha_device = b.alpha_device,
                               .alpha_comm = b.alpha_comm,
                               .num_devices = b.num_devices,
                               .top_devices = b.top_devices,
                               .normalise_scores = b.normalise_scores,
                               .count_unbiased = b.count_unbiased,
                               .grad_scale = batch.balance_grad_scale});
  }
  ctx.backend->route_backward(
      ctx, {.forward = route_args(s, {}), .d_weight = d_weight, .d_scores = d_scores, .d_logits = w.d_logits});
  gate_.backward_input(ctx, w.d_logits, du, true);
}

void Router::backward_weight(const Context& ctx, const Operand& u, const RouterWork& w) const {
  gate_.backward_weight(ctx, u, w.d_logits);
}

}  // namespace minke
