#include "infer/memory.h"

#include <fmt/format.h>

#include "core/human_numbers.h"
#include "kernels/dry_run.h"
#include "model/block_weights.h"
#include "model/checkpoint.h"

namespace minke {

double InferenceMemory::sum() const {
  double all = weights + cache + buffers + scratch;
  for (const auto& [name, bytes] : beside) all += bytes;
  return in_file + std::max(all, loading);
}

std::string InferenceMemory::text() const {
  const std::string mapped = in_file > 0 ? human_bytes(in_file) + " weights in the file + " : "";
  std::string more;
  for (const auto& [name, bytes] : beside) more += fmt::format(" + {} {}", human_bytes(bytes), name);
  return fmt::format("{}{} weights + {} cache of {} tokens + {} buffers and scratch{} = {}", mapped,
                     human_bytes(weights), human_bytes(cache), cache_tokens, human_bytes(buffers + scratch), more,
                     human_bytes(sum()));
}

InferenceMemory inference_memory(const Context& ctx, const Config& config, const Precision& precision,
                                 const EngineSettings& settings, const std::vector<BesideEngine>& beside) {
  DryRun dry(ctx);
  const Context& d = dry.ctx();
  InferenceMemory m;
  Model model(d, config, precision, settings.max_context);
  m.loading = double(load_nothing(d, model));
  m.weights = double(dry.counted().bytes());
  Engine engine(d, model, settings);
  m.cache = double(engine.pool().bytes());
  m.cache_tokens = engine.settings().cache_tokens;
  engine.run_largest(d);
  m.buffers = double(dry.counted().bytes()) - m.weights - m.cache + engine.host_bytes();
  std::vector<std::shared_ptr<void>> held;
  for (const BesideEngine& b : beside) {
    const double before = double(dry.counted().bytes());
    held.push_back(b.make(d, model));
    m.beside.emplace_back(b.name, double(dry.counted().bytes()) - before);
  }
  m.scratch = double(dry.scratch_bytes());
  if (precision.blocks) {
    m.in_file = double(precision.blocks->in_file);
    m.experts_in_file = double(precision.blocks->experts_in_file);
  }
  return m;
}

bool fits(const Context& ctx, const Config& config, const Precision& precision, EngineSettings settings,
          int64_t context, double available, const std::vector<BesideEngine>& beside) {
  settings.max_context = context;
  settings.cache_tokens = settings.cache_tokens > 0 ? context * settings.max_sequences : 0;
  return inference_memory(ctx, config, precision, settings, beside).must_fit() <= available;
}

std::string check_fits(const Context& ctx, const Config& config, const Precision& precision,
                       const EngineSettings& settings, const InferenceMemory& needed, double available,
                       const std::function<std::string()>& other_weights, const std::vector<BesideEngine>& beside) {
  if (needed.sum() <= available) return "";
  if (needed.must_fit() <= available)
    return fmt::format(
        "note: {} of the routed experts do not fit into the {} that are free: they are read from the file again "
        "and again, which is slow",
        human_bytes(needed.sum() - available), human_bytes(available));
  // Contexts of whole pages; the need grows with the context. One in a hundred stays free: what is free varies.
  int64_t fitting = 0, too_large = settings.max_context / settings.page;
  while (too_large - fitting > 1) {
    const int64_t middle = (fitting + too_large) / 2;
    (fits(ctx, config, precision, settings, middle * settings.page, 0.99 * available, beside) ? fitting : too_large) =
        middle;
  }
  const std::string what = fmt::format("{} are needed ({}), but only {} are free", human_bytes(needed.must_fit()),
                                       needed.text(), human_bytes(available));
  const std::string other = other_weights ? other_weights() : "";
  const std::string or_other = other.empty() ? "" : ", or " + other;
  if (fitting > 0) user_error("{}: --ctx-size {} would fit{}", what, fitting * settings.page, or_other);
  if (!other.empty()) user_error("{}: no context fits; {} would", what, other);
  if (precision.master == DType::f32 && needed.weights / 2 < available)
    user_error("{}: no context fits; --dtype bf16 halves the weights", what);
  user_error("{}: no context fits; a machine with more memory, or a smaller model, is needed", what);
}

}  // namespace minke
