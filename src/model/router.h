// The router: DeepSeekMoE §3, V2 §2.2, V3 §2.1.2 equations 12–16 (docs/recipe/architecture.md §3.2–3.3).
//   s_{i,t} = sigmoid or softmax (u_t · e_i);  choose top-K of s + b within the best groups;  g_i from s without b.
// Everything here is in `high` precision: top-k is discontinuous. b gets no gradient; it moves against the load after
// each optimizer step (§2.1.2, docs/recipe/training.md §4.3). Tests: tests/model/layers_test.cpp, tests/kernels (known
// vectors).
#pragma once
#include "core/memory.h"
#include "model/batch.h"
#include "model/layers.h"
#include "model/precision.h"
#include "model/weight_store.h"

namespace minke {

struct RouterSaved {
  Operand affinity;        // s: high [N,E]
  Operand expert, weight;  // chosen experts i32 [N,K], their expert weights g: high [N,K]
};
struct RouterWork {
  Operand d_logits;  // high [N,E]
};

class Router {
 public:
  Router(const Config& config, WeightStore& weights, const std::string& prefix);

  static RouterSaved lay_out_saved(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens);
  static RouterWork lay_out_work(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens);

  // replay: experts chosen earlier (i32 [N,K]), used instead of choosing; null = choose. Padding is sent to no expert.
  void forward(const Context& ctx, const Batch& batch, const Operand& u, const RouterSaved& saved,
               const Operand& replay) const;
  // du += the router's share, from the gradient of the expert weights and the balance loss of the batch.
  void backward_input(const Context& ctx, const Batch& batch, const Operand& d_weight, const Operand& du,
                      const RouterSaved& saved, const RouterWork& work) const;
  void backward_weight(const Context& ctx, const Operand& u, const RouterWork& work) const;

  Weight* bias() const { return bias_; }  // e_score_correction_bias, null if the model has none

 private:
  RouteArgs route_args(const RouterSaved& saved, const Operand& logits) const;

  Linear matrix_;
  Weight* bias_;
  AffinityFunc affinity_func_;
  GroupAffinity group_affinity_;
  int64_t num_groups_, top_groups_;
  bool normalise_;
  double scale_;
};

}  // namespace minke
