// The engine: many sequences at once over one model. Requests come and go between steps; a step takes one token of every
// answer (with speculation also those that may follow) and as much of the waiting prompts as fits, and sends all through the
// model together. Token ids in, token ids out.
//
// What a request gives does not depend on what else runs, on how its prompt was cut, nor on whether its beginning was
// found in the cache: same bits, same tokens (model/step.h says why). Prompt tokens are computed in the form of training,
// answer tokens in the form that reads the cache as it lies; EngineSettings::form asks for one of them for both.
//
// A request is admitted when all pages that it can ever need are free, in the order of arrival; until then it waits, and also
// while another computes what it will share; others go before it then. One
// that could never be admitted is refused when it is added. Nothing is cut off in silence: every answer says how it ended.
// Test: tests/infer/engine_test.cpp.
#pragma once
#include <deque>
#include <functional>
#include <memory>

#include "infer/disk_pages.h"
#include "infer/page_pool.h"
#include "infer/speculation.h"
#include "infer/step_rows.h"

namespace minke {

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

  // The weights have been changed: known beginnings are forgotten, and the disk's are no longer its. Sequences that run go on with
  // what they have.
  void weights_changed();

  // From now on whole pages are kept on disk as well, and found there; while idle. A step reads one page, and more for so many seconds, so
  // that others go on meanwhile. `disk` outlives the engine.
  void use_disk(DiskCache& disk, double seconds_per_step = 0.03);
  const DiskCache* disk() const { return disk_ ? &disk_->disk() : nullptr; }

  const PagePool& pool() const { return pool_; }
  const EngineSettings& settings() const { return settings_; }
  int64_t experts_per_token() const { return moe_layers_ * model_->config().num_experts_per_tok; }  // of all layers
  int64_t tokens_computed() const { return computed_; }                  // so far, by the model; drafts count
  const Speculation* speculation() const { return speculation_.get(); }  // null without

  // For measurements at a depth: the whole pages of `tokens` (with PagePool::ahead() tokens behind them) become a known beginning,
  // whose keys are copies of those of the first page, which alone is computed. Only while idle.
  void assume_known(const Context& ctx, std::span<const int32_t> tokens);

  // The largest steps, with nothing in them; only on a dry run (infer/memory.h).
  void run_largest(const Context& ctx);
  double host_bytes() const;  // of logits, and to sample from them

 private:
  enum class Admission : uint8_t { admitted, waits, no_pages };  // waits: for what another is about to compute
  void admit(const Context& ctx);
  Admission admit(const Context& ctx, Sequence& s);
  void restore(const Context& ctx);
  struct Beginning {
    std::vector<int32_t> pages;  // whole ones
    PagePool::Match part;        // of one more
  };
  Beginning known_beginning(const Sequence& s) const;
  bool must_wait_for_another(const Sequence& s, int64_t known) const;
  bool gathers_keys(bool prompt) const;
  void give_back(Sequence& s);
  void plan();
  void add_rows(Sequence& s, int64_t count, bool as_prompt);
  void take_pages(Sequence& s, int64_t end);
  Operand asked_experts(const Context& ctx, const Step& step);
  void choose_tokens(const Context& ctx);
  void choose_tokens(Sequence& s, Sampler& sampler) const;
  void choose_token(Sequence& s, std::span<const float> logits, Sampler& sampler) const;
  void report_experts(const Context& ctx, const Operand& experts);
  void finish_speculation(const Context& ctx, double seconds);
  std::span<const int32_t> tokens_to_find(const Sequence& s) const;
  uint64_t know_page(Sequence& s, int64_t tokens);
  void know_whole_page(const Context& ctx, Sequence& s);
  void learn_pages(const Context& ctx, Sequence& s);

  const Model* model_;
  EngineSettings settings_;
  PagePool pool_;
  int64_t promised_ = 0, last_id_ = 0, computed_ = 0;
  std::deque<std::unique_ptr<Sequence>> waiting_, running_;
  std::vector<NewToken> new_tokens_;
  std::vector<Sampler> samplers_;  // one a thread
  std::unique_ptr<Speculation> speculation_;
  std::unique_ptr<DiskPages> disk_;
  double disk_seconds_ = 0;  // of a step, at most

  StepRows rows_;
  std::vector<Sequence*> stepped_;  // in the order of their rows
  std::vector<Sequence*> prompts_;  // that a step may compute, in this order
  bool oldest_first_ = false;       // the oldest of them
  int64_t moe_layers_ = 0;
  Tensor logits_;
  Tensor d_experts_;  // made when somebody asks
  std::vector<float> host_logits_;
  std::vector<int32_t> host_experts_, sequence_experts_;
};

// One request from beginning to end: f returns false to end it early; it gets no token more then.
std::vector<int32_t> generate(const Context& ctx, Engine& engine, Request request,
                              const std::function<bool(const NewToken&)>& f);

}  // namespace minke
