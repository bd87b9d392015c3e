#include "bench/suite.h"

#include <algorithm>

#include "kernels/cpu/backend.h"
#include "recipe/model_config.h"

namespace minke {
namespace {

constexpr int64_t kSwept = int64_t(64) << 20;  // bytes: more than the last level of most caches

}  // namespace

Suite::Suite(const Context& ctx, double seconds, std::string only, std::function<void(const BenchRow&)> show)
    : ctx_(ctx), seconds_(seconds), only_(std::move(only)), show_(std::move(show)) {}

bool Suite::wants(std::initializer_list<std::string_view> names) const {
  return std::any_of(names.begin(), names.end(), [&](std::string_view n) { return n.find(only_) != n.npos; });
}

void Suite::operations(const std::string& name, DType compute, double operations, const std::function<void()>& run) {
  const auto ceiling = [&]() -> const Ceiling& {
    const auto [it, is_new] = product_ceilings_.try_emplace(compute);
    if (is_new) it->second = product_ceiling(ctx_, compute, seconds_);
    return it->second;
  };
  row({.name = name, .is_arithmetic = true}, operations, ceiling, run);
}

void Suite::bytes(const std::string& name, double bytes, const std::function<void()>& run) {
  const auto ceiling = [&]() -> const Ceiling& {
    if (!read_ceiling_) read_ceiling_ = read_ceiling(ctx_, seconds_ / 4);
    return *read_ceiling_;
  };
  row({.name = name}, bytes, ceiling, run);
}

void Suite::row(BenchRow row, double work, const std::function<const Ceiling&()>& ceiling,
                const std::function<void()>& run) {
  if (!wants({row.name})) return;
  row.ceiling = ceiling().best().rate, row.ceiling_per_core = ceiling().rate_per_core();
  const auto synchronous = [&] {
    run();
    ctx_.backend->synchronize(ctx_);
  };
  const Timing warm = measure(seconds_, synchronous);
  row.rate = work / warm.best;
  row.rate_per_core = warm.core_seconds > 0 ? work / warm.core_seconds : 0;
  row.milliseconds = warm.best * 1e3;
  row.runs = warm.runs;
  if (!sweep_) sweep_ = Tensor(ctx_.backend->memory(), DType::f32, {kSwept / 4});
  row.cold_rate = work / measure(0, synchronous, [&] { ctx_.backend->fill(ctx_, {.dst = sweep_, .value = 1}); }).best;
  show_(row);
}

PresetShape preset_shape(const std::string& name) {
  const Recipe r = parse_recipe("", "preset " + name, {"data.train=builtin:", "train.steps=1"}, name);
  return {model_config(r, r.tokenizer.vocab_size, -1, -1), r.train.batch_size, r.train.sequence_length};
}

}  // namespace minke
