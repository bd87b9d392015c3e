// Rows of a benchmark: kernels at given shapes, each with its rate, its share of the machine's ceiling and its rate with
// cold caches. Work is counted by the mathematics: 2·M·N·K for a product; for attention 2·(dqk+dv) per visible pair forward
// and 2·(3·dqk+2·dv) backward (five products instead of two). Test: tests/bench/suite_test.cpp.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "bench/ceilings.h"
#include "bench/measure.h"
#include "bench/operands.h"
#include "spec/config.h"

namespace minke {

struct BenchRow {
  std::string name;
  bool is_arithmetic = false;  // rates in operations per second, else in bytes per second
  double rate = 0;           // of the best run; its operands are those of the run before, in whatever cache holds them
  double cold_rate = 0;      // of the best run after the caches were swept
  double rate_per_core = 0;  // per second of processor time
  double ceiling = 0, ceiling_per_core = 0;  // of the dtype, or of reading; 0 = not known
  double milliseconds = 0;                   // best
  int runs = 0;
  double share() const { return ceiling > 0 ? rate / ceiling : 0; }
  double share_per_core() const { return ceiling_per_core > 0 ? rate_per_core / ceiling_per_core : 0; }
};

class Suite {
 public:
  // Spends about `seconds` on each row and on each ceiling that a row needs. Skips rows whose names do not contain `only`.
  // show is called with each row as soon as it is measured.
  Suite(const Context& ctx, double seconds, std::string only, std::function<void(const BenchRow&)> show);

  const Context& ctx() const { return ctx_; }
  // False if none of these rows is to be shown; then their operands are not needed.
  bool wants(std::initializer_list<std::string_view> names) const;
  // Rates are in operations of products in `compute`, or in bytes.
  void operations(const std::string& name, DType compute, double operations, const std::function<void()>& run);
  void bytes(const std::string& name, double bytes, const std::function<void()>& run);

 private:
  void row(BenchRow row, double work, const std::function<const Ceiling&()>& ceiling, const std::function<void()>& run);

  Context ctx_;
  double seconds_;
  std::string only_;
  std::function<void(const BenchRow&)> show_;
  std::map<DType, Ceiling> product_ceilings_;
  std::optional<Ceiling> read_ceiling_;
  Tensor sweep_;
};

// The shapes are those of the presets, and a few others (GQA of SmolLM2-135M, V2-Lite's latent cache).
void products_bench(Suite& suite);   // square, gradients of weights, grouped over experts
void attention_bench(Suite& suite);  // forward, backward, over a cache
void streams_bench(Suite& suite);    // norms, SwiGLU, cross-entropy, routing, the optimizer

// config.json and tokens of a step of a preset.
struct PresetShape {
  Config config;
  int64_t batch_size = 0, sequence_length = 0;
};
PresetShape preset_shape(const std::string& name);

}  // namespace minke
