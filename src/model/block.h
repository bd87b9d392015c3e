// One transformer block: x ← x + Attn(RMSNorm(x)); x ← x + FFN or MoE(RMSNorm(x)) (docs/recipe/architecture.md §1).
// It offers its components {attention, dispatch, experts, combine} × {F, B, W}, which DualPipe interleaves between two
// micro-batches (V3 §3.2.1, docs/recipe/parallelism.md §2.1). Communication begins in dispatch or combine, and the wait is
// where its result is first needed. forward, backward_input and backward_weight run the components in order. The caller owns
// the state: one BlockSaved per micro-batch from F through B to W; one BlockWork for one F, or for one B and its W.
// Test: tests/model/layers_test.cpp (gradients; components = plain, bitwise).
#pragma once
#include <optional>
#include <variant>

#include "model/gqa.h"
#include "model/mla.h"
#include "model/moe.h"

namespace minke {

struct BlockSaved {
  Operand x, x_mid;                  // residual stream before and after attention: residual [N,d]
  Operand rstd_attention, rstd_ffn;  // high [N]
  Operand a, u;                      // normalised inputs of attention and FFN: [N,d]
  MlaSaved mla;
  GqaSaved gqa;
  FfnSaved ffn;
  MoeSaved moe;
};

// The parts that the backward pass computes again instead of keeping them: less memory for up to a third more time, with the
// same bits. V3 recomputes norms, MLA's up-projections and SwiGLU (§3.2.3); here whole parts of a block are chosen.
struct Recompute {
  bool attention = false;  // everything inside attention
  bool ffn = false;        // everything inside FFN or experts; the router's choices are kept
};

struct BlockWork {
  Operand attention_out;          // F: [N,d]
  Operand ffn_out, routed_out;    // F: dense or shared experts; sum of the routed: [N,d]
  Operand dy, du, du_routed, da;  // B → W: [N,d]
  MlaWork mla;
  GqaWork gqa;
  FfnWork ffn;
  MoeWork moe;
};

class Block {
 public:
  // layer decides between dense and MoE, by the config; prefix names the weights ("layers.3.").
  Block(const Context& ctx, const Config& config, WeightStore& weights, int64_t layer, const std::string& prefix,
        const Rope* rope, ExpertExchange* exchange);

  // Takes the state of N tokens from the arena; with a measuring arena this counts its bytes. Recomputed state may share
  // the memory of an earlier block: attention_like, ffn_like (same kind of FFN); null = memory of its own.
  BlockSaved lay_out_saved(Arena& arena, const Precision& precision, int64_t num_tokens,
                           const BlockSaved* attention_like = nullptr, const BlockSaved* ffn_like = nullptr) const;
  BlockWork lay_out_work(Arena& arena, const Precision& precision, int64_t num_tokens) const;
  // Only what F needs.
  BlockWork lay_out_forward_work(Arena& arena, const Precision& precision, int64_t num_tokens) const;

  // F. saved.x holds the input.
  void attention_forward(const Context& ctx, const Batch& batch, const BlockSaved& saved, const BlockWork& work) const;
  void dispatch_forward(const Context& ctx, const BlockSaved& saved) const;
  void experts_forward(const Context& ctx, const BlockSaved& saved, const BlockWork& work) const;
  void combine_forward(const Context& ctx, const BlockSaved& saved, const BlockWork& work) const;
  // Waits for the combine and writes x_out [N,d] (residual); the next block's attention begins with it.
  void finish_forward(const Context& ctx, const Batch& batch, const Operand& x_out, const BlockSaved& saved,
                      const BlockWork& work) const;

  // Before B: fills again what `what` left out of saved.
  void recompute(const Context& ctx, const Batch& batch, Recompute what, const BlockSaved& saved,
                 const BlockWork& work) const;

  // B, in the reverse order. dx [N,d] (residual) holds the gradient of the output and is turned into that of the input.
  void combine_backward(const Context& ctx, const Batch& batch, const Operand& dx, const BlockSaved& saved,
                        const BlockWork& work) const;
  void experts_backward_input(const Context& ctx, const BlockSaved& saved, const BlockWork& work) const;
  void dispatch_backward(const Context& ctx, const BlockSaved& saved, const BlockWork& work) const;
  void attention_backward_input(const Context& ctx, const Batch& batch, const Operand& dx, const BlockSaved& saved,
                                const BlockWork& work) const;

  // W: adds into the gradients.
  void experts_backward_weight(const Context& ctx, const BlockSaved& saved, const BlockWork& work) const;
  void attention_backward_weight(const Context& ctx, const BlockSaved& saved, const BlockWork& work) const;

  void forward(const Context& ctx, const Batch& batch, const Operand& x_out, const BlockSaved& saved,
               const BlockWork& work) const;
  void backward_input(const Context& ctx, const Batch& batch, const Operand& dx, const BlockSaved& saved,
                      const BlockWork& work) const;
  void backward_weight(const Context& ctx, const BlockSaved& saved, const BlockWork& work) const;

  // Inference: x [N,d] (residual) goes through the block in place; keeps nothing. experts: i32 [N,K], filled with the
  // choices; null in a dense layer, or if nobody asks.
  void step(const Context& ctx, const Precision& precision, const Step& step, const Operand& x, const LayerCache& cache,
            const Operand& experts) const;

  const Moe* moe() const { return moe_ ? &*moe_ : nullptr; }
  int64_t layer() const { return layer_; }

 private:
  const Operand& attention_dy(const BlockWork& w) const {
    return config_->attention == AttentionKind::mla ? w.mla.dy : w.gqa.dy;
  }

  const Config* config_;
  int64_t layer_;
  RmsNorm attention_norm_, ffn_norm_;
  std::variant<Mla, Gqa> attention_;
  std::optional<Ffn> ffn_;
  std::optional<Moe> moe_;
  ExpertExchange* exchange_;
};

}  // namespace minke
