// Grouped-query attention (MHA and MQA are its ends): DeepSeek LLM §2, the Llama layout
// (docs/recipe/architecture.md §1), with Qwen2's q/k/v biases and Qwen3's q/k norms as options. Head i reads key/value
// head i / (H/Hkv); scale dh^-½. Tests: tests/model/layers_test.cpp, tests/golden.
#pragma once
#include "core/memory.h"
#include "model/batch.h"
#include "model/layers.h"
#include "model/precision.h"
#include "model/rope.h"
#include "model/step.h"
#include "model/weight_store.h"

namespace minke {

// F → B → W.
struct GqaSaved {
  Operand q_raw, k_raw, rstd_q, rstd_k;  // before the q/k norms, and theirs: high [N,H], [N,Hkv]   (qk_norm only)
  Operand q, k, v;                       // [N,H,dh], [N,Hkv,dh] ×2; q and k rotated
  Operand o, lse;                        // [N,H,dh]; high [N,H]
};
// B → W.
struct GqaWork {
  Operand dy;                // [N,d]
  Operand d_q, d_k, d_v;     // with qk_norm: before the norm; else of the projections
  Operand d_q_raw, d_k_raw;  // qk_norm only
};

class Gqa {
 public:
  Gqa(const Config& config, WeightStore& weights, const std::string& prefix, const Rope* rope, double softmax_scale);

  static GqaSaved lay_out_saved(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens);
  static GqaWork lay_out_work(Arena& arena, const Config& config, const Precision& precision, int64_t num_tokens);

  void forward(const Context& ctx, const Batch& batch, const Operand& x, const Operand& y, const GqaSaved& saved) const;
  // work.dy must hold dy. dx is overwritten.
  void backward_input(const Context& ctx, const Batch& batch, const Operand& dx, const GqaSaved& saved,
                      const GqaWork& work) const;
  void backward_weight(const Context& ctx, const Operand& x, const GqaSaved& saved, const GqaWork& work) const;
  // Inference, as Mla::step.
  void step(const Context& ctx, const Step& step, const Operand& x, const Operand& y, const LayerCache& cache) const;

 private:
  void project(const Context& ctx, const Operand& positions, const Operand& x, const GqaSaved& saved) const;
  AttentionArgs attention_args(const Batch& batch, const GqaSaved& saved) const;

  double scale_;
  const Rope* rope_;
  Linear q_, k_, v_, o_;
  RmsNorm q_norm_, k_norm_;  // gain null without qk_norm
};

}  // namespace minke
