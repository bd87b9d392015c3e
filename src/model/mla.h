// Multi-head latent attention: V2 §2.1.2–2.1.3 and appendix C, equations 37–47; V3 §2.1.1
// (docs/recipe/architecture.md §2).
//
//   symbol      meaning                          shape              checkpoint name
//   W_DQ        query down-projection            [d_c', d]          q_a_proj             (absent without compression)
//   W_UQ;W_QR   query up-projection; its rotary  [H(dn+dr), d_c']   q_b_proj, per head dn rows then dr rows (or q_proj)
//   W_DKV;W_KR  latent; shared rotary key        [d_c+dr, d]        kv_a_proj_with_mqa, d_c rows then dr rows
//   W_UK;W_UV   key and value up-projections     [H(dn+dv), d_c]    kv_b_proj, per head dn rows then dv rows
//   W_O         output                           [d, H·dv]          o_proj
//
// Beyond the equations, as the released weights have it: RMSNorm (eps 1e-6 whatever rms_norm_eps says) on c_q and c_kv;
// YaRN's factor in the softmax scale. Training and prompts use the naive form (keys and values expanded), answers the
// absorbed one (mla_step.cpp): W_UK moves to the query, W_UV behind the sum, and only latents are read.
// Tests: tests/model/layers_test.cpp (gradients in f64; naive = absorbed), goldens.
#pragma once
#include "core/memory.h"
#include "model/batch.h"
#include "model/layers.h"
#include "model/precision.h"
#include "model/rope.h"
#include "model/step.h"
#include "model/weight_store.h"

namespace minke {

// F → B → W. [N,…] in the activation format unless said.
struct MlaSaved {
  Operand q_a, c_q, rstd_q;     // W_DQ h; its norm; high [N]      (query compression only)
  Operand kv_a, c_kv, rstd_kv;  // [N,d_c+dr] (rotary part already rotated); norm of the latent; high [N]
  Operand q;                    // [N,H,dn+dr], rotated
  Operand kv;                   // [N,H,dn+dv]
  Operand o, lse;               // [N,H,dv]; high [N,H]
};
// B → W: the gradients that the weight step multiplies with what was saved.
struct MlaWork {
  Operand dy;  // [N,d]
  Operand d_q, d_c_q, d_q_a;
  Operand d_kv, d_c_kv, d_kv_a;
};

class Mla {
 public:
  Mla(const Config& config, WeightStore& weights, const std::string& prefix, const Rope* rope, double softmax_scale);

  static MlaSaved lay_out_saved(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens);
  static MlaWork lay_out_work(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens);

  void forward(const Context& ctx, const Batch& batch, const Operand& x, const Operand& y, const MlaSaved& saved) const;
  // work.dy must hold dy. dx is overwritten.
  void backward_input(const Context& ctx, const Batch& batch, const Operand& dx, const MlaSaved& saved,
                      const MlaWork& work) const;
  void backward_weight(const Context& ctx, const Operand& x, const MlaSaved& saved, const MlaWork& work) const;

  // x [N,d] are the tokens of the step; puts their keys into the cache and attends (model/step.h).
  void step(const Context& ctx, const Step& step, const Operand& x, const Operand& y, const LayerCache& cache) const;

 private:
  void project(const Context& ctx, const Operand& positions, const Operand& x, const MlaSaved& saved) const;
  void attend_prompts(const Context& ctx, const Step& step, const Operand& q, const Operand& o,
                      const LayerCache& cache) const;
  void attend_answers(const Context& ctx, const Step& step, const Operand& q, const Operand& o,
                      const LayerCache& cache) const;
  AttentionArgs attention_args(const Batch& batch, const MlaSaved& saved) const;

  int64_t heads_, dn_, dr_, dv_, latent_;
  int w_uk_, w_uv_;  // views of kv_b_proj, in the absorbed form
  double scale_;
  const Rope* rope_;
  Linear q_a_, q_b_;  // q_a_.weight null without query compression
  Linear kv_a_, kv_b_, o_;
  RmsNorm q_norm_, kv_norm_;
};

}  // namespace minke
