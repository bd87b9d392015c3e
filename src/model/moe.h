// DeepSeekMoE (MoE §3, V2 §2.2, V3 §2.1.2; docs/recipe/architecture.md §3): shared experts process every token, routed
// experts only the tokens that the router sends to them:  y = Σ_s FFN_s(u) + Σ_{i∈Top} g_i FFN_i(u).
// It has the steps that a pipeline interleaves: route · begin dispatch · experts · begin combine · finish, each also
// backward. The routed experts are two tensors [E,2F,d] and [E,d,F]; rows sorted by expert go through grouped products.
// Test: tests/model/layers_test.cpp.
#pragma once
#include <optional>

#include "model/expert_exchange.h"
#include "model/ffn.h"
#include "model/router.h"

namespace minke {

// F → B → W.
struct MoeSaved {
  RouterSaved router;
  ExchangePlan plan;
  Operand rows, row_weight;  // dispatched tokens [R,d], their expert weights high [R]
  Operand gate_up, h;        // [R,2F], [R,F] = g·silu(gate)·up
  FfnSaved shared;
};
// One forward (out of experts, into combine) or one backward with its weight step.
struct MoeWork {
  Operand rows_out;                // F: results of the experts [R,d]. B: gradient of them, from the combine's backward
  Operand d_gate_up, d_rows;       // [R,2F], [R,d]
  Operand d_row_weight, d_weight;  // high [R], [N,K]
  RouterWork router;
  FfnWork shared;
};

class Moe {
 public:
  Moe(const Context& ctx, const Config& config, WeightStore& weights, const std::string& prefix,
      ExpertExchange* exchange);

  // shared: the layer whose memory of rows and activations this one also uses, because they are recomputed.
  static MoeSaved lay_out_saved(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens,
                                const ExpertExchange& exchange, const MoeSaved* shared = nullptr);
  // MoeWork::rows_out, all that F needs; and the rest beside it.
  static Operand lay_out_rows_out(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens,
                                  const ExpertExchange& exchange);
  static MoeWork lay_out_work(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens,
                              const ExpertExchange& exchange, const Operand& rows_out);

  void route(const Context& ctx, const Batch& batch, const Operand& u, const MoeSaved& saved,
             const Operand& replay) const;
  void begin_dispatch(const Context& ctx, const Operand& u, const MoeSaved& saved) const;
  void experts(const Context& ctx, const Operand& u, const Operand& shared_out, const MoeSaved& saved,
               const MoeWork& work) const;
  void begin_combine(const Context& ctx, const Operand& routed_out, const MoeSaved& saved, const MoeWork& work) const;
  void finish_combine(const Context& ctx, const MoeSaved& saved) const;

  void begin_combine_backward(const Context& ctx, const Operand& dy, const MoeSaved& saved, const MoeWork& work) const;
  // du is overwritten with the shared experts' share.
  void experts_backward_input(const Context& ctx, const Operand& dy, const Operand& du, const MoeSaved& saved,
                              const MoeWork& work) const;
  void begin_dispatch_backward(const Context& ctx, const Operand& du_routed, const MoeSaved& saved,
                               const MoeWork& work) const;
  // Waits for du_routed and the gradient of the expert weights, then du += du_routed + the router's share.
  void route_backward_input(const Context& ctx, const Batch& batch, const Operand& du_routed, const Operand& du,
                            const MoeSaved& saved, const MoeWork& work) const;
  void experts_backward_weight(const Context& ctx, const Operand& u, const Operand& dy, const MoeSaved& saved,
                               const MoeWork& work) const;
  void route_backward_weight(const Context& ctx, const Operand& u, const MoeWork& work) const;

  // Inference: x [N,d] += the experts' results for u [N,d]; out [N,d] is for temporaries. chosen: as Block::step's experts.
  void step(const Context& ctx, const Config& config, const Precision& precision, const Operand& u, const Operand& out,
            const Operand& x, const Operand& chosen) const;

  const Router& router() const { return router_; }
  // Tokens per expert since the trainer last cleared it: i32 [E].
  const Operand& load() const { return load_.operand(); }
  // Assignments dropped since then (V2's token dropping): i32 [1].
  const Operand& dropped() const { return dropped_.operand(); }

 private:
  Router router_;
  Linear gate_up_, down_;
  std::optional<Ffn> shared_;
  ExpertExchange* exchange_;
  Tensor load_, dropped_;
  int64_t choices_;
};

}  // namespace minke
