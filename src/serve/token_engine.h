// What the scheduler computes with: the engine over a model, or in tests a script that emits given tokens.
#pragma once
#include <cstdint>
#include <span>

#include "infer/engine.h"

namespace minke {

class TokenEngine {
 public:
  virtual ~TokenEngine() = default;
  virtual int64_t add(Request request) = 0;  // UserErrors of Engine::add
  virtual void cancel(int64_t sequence) = 0;
  virtual bool idle() const = 0;
  virtual std::span<const NewToken> step() = 0;  // not while idle; valid until the next call
  struct Load {
    int64_t running = 0, waiting = 0, free_pages = 0, pages = 0;
    int64_t drafted = 0, accepted = 0;  // tokens, with speculation, so far
    DiskCache::Counts disk;
  };
  virtual Load load() const = 0;
  virtual const EngineSettings& settings() const = 0;
};

class ModelEngine : public TokenEngine {
 public:
  ModelEngine(const Context& ctx, Engine& engine) : ctx_(ctx), engine_(engine) {}
  int64_t add(Request request) override { return engine_.add(std::move(request)); }
  void cancel(int64_t sequence) override { engine_.cancel(sequence); }
  bool idle() const override { return engine_.idle(); }
  std::span<const NewToken> step() override { return engine_.step(ctx_); }
  Load load() const override {
    const SpeculationCounts drafts = engine_.speculation() ? engine_.speculation()->counts() : SpeculationCounts{};
    return {.running = engine_.num_running(),
            .waiting = engine_.num_waiting(),
            .free_pages = engine_.pool().num_free(),
            .pages = engine_.pool().num_pages(),
            .drafted = drafts.drafted,
            .accepted = drafts.accepted,
            .disk = engine_.disk() ? engine_.disk()->counts() : DiskCache::Counts{}};
  }
  const EngineSettings& settings() const override { return engine_.settings(); }

 private:
  const Context& ctx_;
  Engine& engine_;
};

}  // namespace minke
