// Multi-token prediction: V3 §2.2, equations 21–25 (docs/recipe/architecture.md §4). Module k takes, at position i, the
// hidden state of the previous depth and the embedding of token i+k, and predicts token i+k+1:
//   h'_i = M_k [enorm(Emb(t_{i+k})) ; hnorm(h_i^{k−1})];  h^k = Block(h');  logits = Head(norm(h^k)).
// Where the paper and the released weights differ, minke follows the weights: the embedding comes first; h^0 is taken after
// the final norm, and h^k after shared_head.norm. Embedding and head are those of the main model.
// Test: tests/model/model_test.cpp, tests/golden.
#pragma once
#include "model/block.h"

namespace minke {

struct MtpSaved {
  Operand embedding, h_previous;     // gathered rows: residual [n,d], [n,d]
  Operand rstd_e, rstd_h, rstd_out;  // high [n]
  Operand joined;                    // [n,2d]
  BlockSaved block;
  Operand x_out;  // residual [n,d]
  Operand h;      // [n,d] after shared_head.norm
  Operand loss;   // high [n]
  Operand dh;     // residual [n,d]; only laid out with gradients
};

class Mtp {
 public:
  Mtp(const Context& ctx, const Config& config, WeightStore& weights, int64_t depth, const Rope* rope,
      ExpertExchange* exchange);

  MtpSaved lay_out_saved(Arena& arena, const Precision& precision, int64_t num_tokens, bool gradient) const;

  // h_previous [N,d]: of the previous depth. batch: of this depth.
  void forward(const Context& ctx, const Precision& precision, const Batch& batch, const Operand& h_previous,
               const MtpSaved& saved) const;
  // saved.dh holds the gradient of h; adds into dh_previous [N,d] (residual) and all weight gradients.
  void backward(const Context& ctx, const Precision& precision, const Batch& batch, const Operand& dh_previous,
                const MtpSaved& saved) const;

  // Inference: the tokens of the step are those of depth `depth`, token i+k at position i; their hidden states of the depth
  // before are the rows step.previous_row of h_previous. h [S,d]: after shared_head.norm, of the rows that step.sampled names.
  void step(const Context& ctx, const Precision& precision, const Step& step, const Operand& h_previous,
            const LayerCache& cache, const Operand& h) const;

  const Block& block() const { return block_; }

 private:
  Weight* embedding_;
  RmsNorm enorm_, hnorm_, out_norm_;
  Linear eh_proj_;
  Block block_;
};

}  // namespace minke
