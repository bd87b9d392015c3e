// The engine: many sequences at once over one model. Requests come and go between steps; a step takes one token of every
// answer and as much of the waiting prompts as fits, and sends all through the model together. Token ids in, token ids out.
//
// What a request gives does not depend on what else runs, on how its prompt was cut, nor on whether its beginning was
// found in the cache: same bits, same tokens (model/step.h says why). Prompt tokens are computed in the form of training,
// answer tokens in the form that reads the cache as it lies; `strict` computes both in the second form.
//
// A request is admitted when all pages that it can ever need are free, in the order of arrival; until then it waits. One
// that could never be admitted is refused when it is added. Nothing is cut off in silence: every answer says how it ended.
// Test: tests/infer/engine_test.cpp.
#pragma once
#include <deque>
#include <functional>
#include <memory>

#include "infer/page_pool.h"
#include "infer/sampler.h"

namespace minke {

struct EngineSettings {
  int64_t max_context = 4096;  // tokens of one sequence, prompt and answer together
  int64_t cache_tokens = 0;    // slots of the cache, for all sequences; 0 = max_context
  int64_t max_sequences = 1;   // that run at once
  int64_t max_tokens = 512;    // of a step; at least max_sequences
  int64_t page = 64;           // slots; even, divides kAttentionChunk
  DType cache = DType::f32;    // f32, bf16, or f8_e4m3 with MLA
  bool strict = false;
};

struct Request {
  std::vector<int32_t> prompt;
  int64_t max_new = 1;
  SamplingSettings sampling = {};
  uint64_t sample_index = 0;  // of the caller: the choice, or (prompt, sample)
  std::vector<int32_t> stop_tokens = {};
  // Log-probabilities of every new token and of the n most likely ones; −1 = none.
  int64_t top_log_probabilities = -1;
  // Instead of sampling: f(logits [V], position) → token.
  std::function<int32_t(std::span<const float>, int64_t)> choose = {};
  // The experts chosen for the tokens from `position` on: i32 [tokens, MoE layers, K].
  std::function<void(int64_t position, std::span<const int32_t>)> on_experts = {};
};

enum class Ending : uint8_t { none, stop_token, max_new, context_full };

struct NewToken {
  int64_t sequence = 0;
  int32_t token = 0;
  Ending ending = Ending::none;  // of the answer, with this token
  LogProbabilities log_probabilities = {};
};

class Engine {
 public:
  Engine(const Context& ctx, const Model& model, const EngineSettings& settings);

  // Returns the number by which step() and cancel() call it. UserError: an empty prompt, a token that the model does not
  // have, more tokens than a sequence or the cache can hold.
  int64_t add(Request request);
  void cancel(int64_t sequence);  // one that has ended already is ignored
  bool idle() const { return waiting_.empty() && running_.empty(); }
  int64_t num_waiting() const { return int64_t(waiting_.size()); }
  int64_t num_running() const { return int64_t(running_.size()); }

  // One forward; returns the new tokens, valid until the next call. Not while idle.
  std::span<const NewToken> step(const Context& ctx);

  // The weights have been changed: known beginnings are forgotten. Sequences that run go on with what they have.
  void weights_changed() { pool_.forget_all(); }

  const PagePool& pool() const { return pool_; }
  const EngineSettings& settings() const { return settings_; }
  int64_t tokens_computed() const { return computed_; }  // so far

  // The largest steps, with nothing in them; only on a dry run (infer/memory.h).
  void run_largest(const Context& ctx);

 private:
  struct Sequence {
    int64_t id;
    Request request;
    std::vector<int32_t> tokens;    // prompt, then answer
    int64_t cached = 0, limit = 0;  // tokens in the cache; tokens in all at the end
    int64_t promised = 0;           // pages that it may still take
    std::vector<int32_t> pages;
    int64_t learned = 0;              // pages that have been offered to the pool
    int64_t first_row = 0, rows = 0;  // in this step
    int64_t prompt() const { return int64_t(request.prompt.size()); }
    bool in_prompt() const { return cached < prompt(); }
  };

  void admit(const Context& ctx);
  bool must_wait_for_another(const Sequence& s) const;
  void give_back(Sequence& s);
  void plan();
  void add_rows(Sequence& s, int64_t count, bool as_prompt);
  void upload(const Context& ctx);
  void learn_pages(Sequence& s);
  void choose_token(Sequence& s, std::span<const float> logits);
  void report_experts(const Context& ctx);

  const Model* model_;
  EngineSettings settings_;
  PagePool pool_;
  int64_t promised_ = 0, last_id_ = 0, computed_ = 0;
  std::deque<std::unique_ptr<Sequence>> waiting_, running_;
  std::vector<NewToken> new_tokens_;
  Sampler sampler_;

  // A step on the host and on the device.
  Step step_;
  std::vector<int32_t> tokens_, positions_, slots_, key_slots_, row_offsets_, lengths_, table_, sampled_;
  std::vector<Sequence*> answering_, sampling_;
  Tensor d_tokens_, d_positions_, d_slots_, d_key_slots_, d_row_offsets_, d_lengths_, d_table_, d_sampled_, d_experts_;
  Tensor logits_;
  std::vector<float> host_logits_;
  std::vector<int32_t> host_experts_, sequence_experts_;
};

// One request from beginning to end: f returns false to end it early.
std::vector<int32_t> generate(const Context& ctx, Engine& engine, Request request,
                              const std::function<bool(const NewToken&)>& f);

}  // namespace minke
