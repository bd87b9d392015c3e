// An engine that says what it is told to, a token of each request a step. What a request forbids is counted, and fails.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.h"
#include "serve/token_engine.h"

namespace minke::test {

class ScriptedEngine : public TokenEngine {
 public:
  // answer(request) → its tokens; one that is a stop token of the request ends it, and at one below 0 the step fails.
  std::function<std::vector<int32_t>(const Request&)> answer;
  EngineSettings engine_settings{.max_context = 4096, .max_sequences = 4};
  int64_t known = 0;  // of each prompt
  size_t vocab_size = 300;
  std::vector<float> first;  // what the last request that was limited allowed at its beginning: others are −inf
  bool checks = true;
  std::atomic<int64_t> forbidden = 0;  // tokens that a script said all the same
  std::chrono::microseconds step_time{0};
  std::atomic<bool> throws = false;  // the next step does
  std::atomic<bool> breaks = false;  // so that its scheduler ends
  std::atomic<int64_t> added = 0, cancelled = 0, steps = 0, most_running = 0;

  int64_t add(Request request) override {
    if (int64_t(request.prompt.size()) >= engine_settings.max_context)
      user_error("the prompt has {} tokens", request.prompt.size());
    Running r{.script = answer(request), .request = std::move(request)};
    running_[++added] = std::move(r);
    most_running = std::max<int64_t>(most_running, int64_t(running_.size()));
    return added;
  }
  void cancel(int64_t sequence) override { cancelled += int64_t(running_.erase(sequence)); }
  bool idle() const override { return running_.empty(); }
  std::span<const NewToken> step() override {
    ++steps;
    if (step_time.count() > 0) std::this_thread::sleep_for(step_time);
    if (throws.exchange(false)) throw std::runtime_error("the model's output is not finite");
    tokens_.clear();
    std::vector<int64_t> over;
    for (auto& [id, r] : running_) {
      if (r.script[r.at % r.script.size()] < 0) throw std::runtime_error("the model's output is not finite");
      check_allowed(r);
      NewToken t{.sequence = id, .token = r.script[r.at++ % r.script.size()], .known = known};
      t.log_probabilities.chosen = -0.5;
      for (int64_t i = 0; i < r.request.top_log_probabilities; ++i)
        t.log_probabilities.top.emplace_back(int32_t(i), -1.0 - double(i));
      const auto& stops = r.request.stop_tokens;
      if (std::find(stops.begin(), stops.end(), t.token) != stops.end()) t.ending = Ending::stop_token;
      else if (int64_t(r.at) == r.request.max_new) t.ending = Ending::max_new;
      if (t.ending != Ending::none) over.push_back(id);
      tokens_.push_back(std::move(t));
    }
    for (const int64_t id : over) running_.erase(id);
    return tokens_;
  }
  // A page of each.
  Load load() const override {
    if (breaks) throw std::runtime_error("the engine is broken");
    return {int64_t(running_.size()), 0, 100 - int64_t(running_.size()), 100};
  }
  const EngineSettings& settings() const override { return engine_settings; }

 private:
  struct Running {
    std::vector<int32_t> script;
    Request request;
    size_t at = 0;
    std::vector<int32_t> said;  // where the request limits it
  };
  void check_allowed(Running& r) {
    if (!r.request.constrain) return;
    const int32_t token = r.script[r.at % r.script.size()];
    std::vector<float> logits(vocab_size, 0);
    r.request.constrain(r.said, logits);
    if (r.said.empty()) first = logits;
    if (checks && !std::isfinite(logits.at(size_t(token)))) {
      ++forbidden;
      throw std::runtime_error("the script says a token that is forbidden");
    }
    r.said.push_back(token);
  }
  std::map<int64_t, Running> running_;
  std::vector<NewToken> tokens_;
};

}  // namespace minke::test
