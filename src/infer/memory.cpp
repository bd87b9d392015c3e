#include "infer/memory.h"

#include <fmt/format.h>

#include "core/machine_memory.h"
#include "kernels/dry_run.h"

namespace minke {
namespace {

std::string mib(double bytes) {
  return bytes < 10 * 1048576.0      ? fmt::format("{:.1f} MiB", bytes / 1048576)
         : bytes < 10 * 1073741824.0 ? fmt::format("{:.0f} MiB", bytes / 1048576)
                                     : fmt::format("{:.1f} GiB", bytes / 1073741824);
}

}  // namespace

std::string InferenceMemory::text(const EngineSettings& s) const {
  return fmt::format("{} weights + {} cache of {} tokens + {} buffers and scratch = {}", mib(weights), mib(cache),
                     s.cache_tokens > 0 ? s.cache_tokens : s.max_context, mib(buffers + scratch), mib(sum()));
}

InferenceMemory inference_memory(const Context& ctx, const Config& config, const Precision& precision,
                                 const EngineSettings& settings) {
  DryRun dry(ctx);
  const Context& d = dry.ctx();
  InferenceMemory m;
  Model model(d, config, precision, settings.max_context);
  m.weights = double(dry.counted().bytes());
  Engine engine(d, model, settings);
  m.cache = double(engine.pool().bytes());
  m.buffers = double(dry.counted().bytes()) - m.weights - m.cache;
  engine.run_largest(d);
  m.buffers += double(dry.counted().bytes()) - m.weights - m.cache - m.buffers;
  m.buffers += 4.0 * double(settings.max_sequences * config.vocab_size);  // the logits on the host
  m.scratch = double(dry.scratch_bytes());
  return m;
}

void check_fits(const Context& ctx, const Config& config, const Precision& precision, const EngineSettings& settings,
                const InferenceMemory& needed, double available) {
  if (needed.sum() <= available) return;
  const auto fits = [&](int64_t context) {
    EngineSettings smaller = settings;
    smaller.max_context = context;
    smaller.cache_tokens = settings.cache_tokens > 0 ? context * settings.max_sequences : 0;
    return inference_memory(ctx, config, precision, smaller).sum() <= available;
  };
  // Contexts of whole pages; the need grows with the context.
  int64_t fitting = 0, too_large = settings.max_context / settings.page;
  while (too_large - fitting > 1) {
    const int64_t middle = (fitting + too_large) / 2;
    (fits(middle * settings.page) ? fitting : too_large) = middle;
  }
  const std::string what =
      fmt::format("{} are needed ({}), but only {} are free", mib(needed.sum()), needed.text(settings), mib(available));
  if (fitting > 0) user_error("{}: --ctx-size {} would fit", what, fitting * settings.page);
  if (precision.master == DType::f32 && needed.weights / 2 < available)
    user_error("{}: no context fits; --dtype bf16 halves the weights", what);
  user_error("{}: no context fits; a machine with more memory, or a smaller model, is needed", what);
}

}  // namespace minke
