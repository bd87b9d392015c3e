// The whole model: embedding → blocks → final norm → head, and the MTP modules beside it (V3 §2;
// docs/recipe/architecture.md §1, §4). DeepSeek V1–V3, Llama and Qwen are configurations of it. There is no autograd
// graph: forward and backward call the blocks in order, and a pipeline may call the same pieces in another order
// (train/executor.h). Tests: tests/model/model_test.cpp (whole-model gradients in f64), tests/golden (published
// layouts, outside reference).
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <span>

#include "model/lm_head.h"
#include "model/mtp.h"
#include "model/value_head.h"

namespace minke {

// All state of one micro-batch between forward and backward.
struct ModelSaved {
  std::deque<BlockSaved> blocks;
  Operand x_final;     // residual [N,d]
  Operand rstd_final;  // high [N]
  Operand h;           // [N,d] after the final norm
  Operand loss;        // high [N], per token
  Operand dh;          // residual [N,d]; only laid out with gradients
  std::deque<MtpSaved> mtp;
};

// What the gradient of the micro-batch is of: main · Σ loss + mtp[k] · Σ loss_k.
struct LossScales {
  double main = 0;
  std::vector<double> mtp;
};

class Model {
 public:
  // Weights are zero: initialise() or a checkpoint fills them. exchange null = all experts are here. UserError
  // if the backend does not support what this model will give it, with op, dtype and shape. With a value head it is a critic or a
  // reward model: it has no MTP modules, and its batches have a place for values.
  Model(const Context& ctx, Config config, const Precision& precision, int64_t max_positions,
        std::unique_ptr<ExpertExchange> exchange = nullptr, Head head = Head::tokens);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const Config& config() const { return config_; }
  const Precision& precision() const { return precision_; }
  WeightStore& weights() { return weights_; }
  const WeightStore& weights() const { return weights_; }
  const std::deque<Block>& blocks() const { return blocks_; }
  const std::deque<Mtp>& mtp() const { return mtp_; }
  bool is_critic() const { return value_head_.has_value(); }
  const LmHead& head() const { return *head_; }
  int64_t max_positions() const { return rope_.max_positions(); }
  // For the blocks of the main model; MTP modules keep everything. Set before state is laid out.
  void set_recompute(Recompute what) { recompute_ = what; }
  Recompute recompute() const { return recompute_; }
  // Every MoE layer, MTP's included, with its layer index.
  const std::vector<std::pair<int64_t, const Moe*>>& moe_layers() const { return moe_layers_; }

  // Takes the state for the given batches (batch[0] main, [k] MTP depth k) from the arena; saved_bytes says how much that
  // is. num_tokens[k]: tokens of batch k.
  ModelSaved lay_out_saved(Arena& arena, std::span<const int64_t> num_tokens, bool gradient) const;
  size_t saved_bytes(std::span<const int64_t> num_tokens, bool gradient) const {
    Arena measure;
    lay_out_saved(measure, num_tokens, gradient);
    return measure.high_water();
  }
  static std::vector<int64_t> tokens_per_batch(const Config& config, int64_t num_sequences, int64_t sequence_length,
                                               bool with_mtp);

  // Hidden states and per-token losses. saved.mtp may be empty: then the modules are left out.
  void forward(const Context& ctx, const std::vector<Batch>& batches, const ModelSaved& saved) const;
  // Per-token losses; with scales also the gradients of everything, added to the weights' grad.
  void loss(const Context& ctx, const std::vector<Batch>& batches, const ModelSaved& saved) const;
  void loss_and_backward(const Context& ctx, const std::vector<Batch>& batches, const ModelSaved& saved,
                         const LossScales& scales) const;

  // Inference: one step over the layers' pools. logits [S,V], f32: of the rows that step.sampled names. h [N,d], optional:
  // filled with what the first MTP module takes.
  void step(const Context& ctx, const Step& step, std::span<const LayerCache> caches, const Operand& logits,
            const Operand& h = {}) const;
  // A step of the first MTP module: Mtp::step, then the head.
  void draft(const Context& ctx, const Step& step, const Operand& h_previous, const LayerCache& cache, const Operand& h,
             const Operand& logits) const;

 private:
  struct Unasked {};
  Model(Unasked, const Context& ctx, Config config, const Precision& precision, int64_t max_positions,
        std::unique_ptr<ExpertExchange> exchange, Head head);
  static Unasked ask_backend(const Context& ctx, const Config& config, const Precision& precision, Head head);
  void head_loss(const Context& ctx, const Operand& h, const Batch& batch, const Operand& loss, double grad_scale = 0,
                 const Operand& dh = {}) const;

  Config config_;
  Precision precision_;
  WeightStore weights_;
  Rope rope_;
  std::unique_ptr<ExpertExchange> exchange_;
  std::deque<Block> blocks_;
  std::deque<Mtp> mtp_;
  std::vector<std::pair<int64_t, const Moe*>> moe_layers_;
  Weight* embedding_;
  RmsNorm final_norm_;
  std::optional<LmHead> head_;  // or
  std::optional<ValueHead> value_head_;
  Recompute recompute_;
};

}  // namespace minke
