// The rows of a step: gathered on the host, then uploaded in the form that the layers take (model/step.h).
// Test: tests/infer/engine_test.cpp.
#pragma once
#include "core/memory.h"
#include "infer/sequence.h"
#include "kernels/context.h"
#include "model/step.h"

namespace minke {

class StepRows {
 public:
  // Room for steps of settings.max_tokens rows.
  StepRows(const Context& ctx, const EngineSettings& settings);

  void clear();
  // The sequence's tokens that it is expected to have at `first + ahead` and behind; they stand at the positions from `first` on
  // and go into the slots there, for which it has pages. Those that attend as prompts come first.
  void add(const Sequence& s, int64_t first, int64_t count, int64_t ahead, bool as_prompt);
  void want_last(int64_t count);  // the logits of the last rows
  void add_previous(int64_t first, int64_t count);

  int64_t count() const { return int64_t(tokens_.size()); }
  int64_t num_wanted() const { return int64_t(wanted_.size()); }
  int64_t num_keys() const { return int64_t(key_slots_.size()); }  // of prompts

  // Valid until clear(); the caller may ask for experts.
  Step& upload(const Context& ctx);

 private:
  Step step_;
  std::vector<int32_t> tokens_, positions_, slots_, key_slots_, row_offsets_, lengths_, table_, wanted_, previous_;
  std::vector<const Sequence*> answering_;
  Tensor d_tokens_, d_positions_, d_slots_, d_key_slots_, d_row_offsets_, d_lengths_, d_table_, d_wanted_, d_previous_;
};

}  // namespace minke
