// Speculation with the model's MTP module (V3 §2.2, §5.4.3; docs/recipe/architecture.md §4): after a step the module drafts the
// tokens that may follow; the next step takes them behind the last token, and each is kept if it is the token that would have
// been chosen there.
//
// Exact by construction: a row has the same bits alone and behind others (model/step.h), and the sampler's draw at a position
// depends on the logits there and on (seed, sample index, position) only. So the token of each position is chosen as ever, from
// the model's own logits, in order; a draft is right if it is that token, and what comes behind a wrong one is thrown away. The
// text is that of plain generation, greedy or sampled. Accepting a draft x with probability min(1, p(x)/q(x)) and else drawing
// from the rest (Leviathan et al. 2023) would have the same distribution, but another text, and one that depends on the
// module. It would accept some more (docs/results.md): here a draft is drawn from the module's probabilities with the random
// number that its position will have, so that both draws agree where the probabilities do, but for the order of tokens.
//
// The module has a layer of its own in the pages. Its slot of position i depends on the tokens 0 … i+1, so it is filled after
// the step that has i, when the next token is known; and of a beginning that two sequences share, the last slot cannot be used
// if they go on differently (PagePool: ahead). A rejected token's slots are overwritten by the token that comes instead. More
// drafts than one come from the same module, which then takes its own hidden state for the model's. Further modules of a model
// are not used. Test: tests/infer/speculation_test.cpp.
#pragma once
#include <string>

#include "infer/pace.h"
#include "infer/step_rows.h"
#include "model/weight_bytes.h"

namespace minke {

struct SpeculationCounts {
  int64_t drafted = 0, accepted = 0;
  // Of steps that had drafts and no prompts: sequences in them, and tokens that came of them; bytes of weights that they read,
  // and would have read without drafts. Experts count once a step, however many of its rows chose them.
  int64_t steps = 0, tokens = 0;
  double bytes = 0, plain_bytes = 0;

  double acceptance() const { return drafted > 0 ? double(accepted) / double(drafted) : 0; }
  double tokens_per_step() const { return steps > 0 ? double(tokens) / double(steps) : 0; }
  // How many times as fast as plain generation this can be where reading weights is all that takes time.
  double bound() const { return bytes > 0 ? tokens_per_step() * plain_bytes / bytes : 0; }
  SpeculationCounts since(const SpeculationCounts& before) const;
  std::string text() const;
};

class Speculation {
 public:
  Speculation(const Context& ctx, const Model& model, const EngineSettings& settings, const LayerCache& cache);

  // Whether the module is to take the tokens of a sequence that begins now; else it can have no drafts.
  bool follows_new() const { return !automatic_ || pace_.follows_new(); }
  // Whether the next step, of so many answers, checks the drafts that there are.
  bool checks(int64_t answers) const { return !automatic_ || pace_.drafts(answers); }
  // Where a step of so many rows leaves its hidden states.
  Operand hidden(int64_t rows) const { return hidden_.operand().slice(0, 0, rows); }

  // After a step: takes the tokens that the sequences kept, and drafts. They come in the order of their rows, with `cached` as it
  // was before. experts [MoE layers, rows, K]: what the rows chose. seconds: what the step took. false: drafts do not pay, no
  // sequence is followed any more.
  bool finish_step(const Context& ctx, std::span<Sequence* const> sequences, std::span<const int32_t> experts,
                   double seconds, Sampler& sampler);

  const SpeculationCounts& counts() const { return counts_; }
  // The token that the module expects at a position.
  static int32_t draft(Sampler& sampler, std::span<const float> logits, const Sequence& s);

 private:
  struct Summary {  // of a step
    int64_t answers = 0, prompts = 0, rows = 0, drafted = 0, accepted = 0;
    bool with_drafts() const { return prompts == 0 && drafted > 0; }
  };
  static Summary summary(std::span<Sequence* const> sequences);
  void follow(const Context& ctx, std::span<Sequence* const> sequences, Sampler& sampler);
  void draft_next(const Context& ctx, const Operand& h_previous, int64_t pass, Sampler& sampler);
  void count(const Summary& step, std::span<Sequence* const> sequences, std::span<const int32_t> experts);

  const Model* model_;
  EngineSettings settings_;
  LayerCache cache_;
  bool automatic_;
  Pace pace_;
  SpeculationCounts counts_;
  WeightBytes weights_;
  double module_bytes_ = 0;  // of the passes after this step

  StepRows rows_;
  std::vector<Sequence*> drafting_;
  Tensor hidden_;            // [max_tokens, d]: of the model
  std::array<Tensor, 2> h_;  // [max_sequences, d]: of the module; a pass reads one and writes the other
  Tensor logits_, d_experts_;
  std::vector<float> host_logits_;
  std::vector<int32_t> host_experts_;
  std::vector<uint8_t> is_chosen_;  // by expert
};

}  // namespace minke
