#include "model/rope.h"

#include <cmath>
#include <vector>

#include "spec/rope.h"

namespace minke {

Rope::Rope(const Context& ctx, const Config& config, int64_t max_positions, DType dtype)
    : table_(ctx.backend->memory(), dtype, {max_positions, config.rope_dim()}), interleaved_(config.rope_interleave) {
  const std::vector<double> frequency = rope_frequencies(config);
  const double scale = rope_table_factor(config);
  const int64_t dim = config.rope_dim(), half = dim / 2;
  const auto fill = [&]<class T>(std::vector<T> host) {
    host.resize(size_t(max_positions * dim));
    for (int64_t p = 0; p < max_positions; ++p) {
      for (int64_t i = 0; i < half; ++i) {
        host[p * dim + i] = T(std::cos(double(p) * frequency[i]) * scale);
        host[p * dim + half + i] = T(std::sin(double(p) * frequency[i]) * scale);
      }
    }
    ctx.backend->upload(ctx, {.host = host.data(), .device = table_});
    ctx.backend->synchronize(ctx);  // host goes
  };
  if (dtype == DType::f64) fill(std::vector<double>());
  else fill(std::vector<float>());
}

}  // namespace minke
