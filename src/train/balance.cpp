#include "train/balance.h"

#include <algorithm>

namespace minke {

double LayerLoad::max_over_mean() const {
  int64_t sum = 0, most = 0;
  for (int32_t t : tokens) sum += t, most = std::max<int64_t>(most, t);
  return sum > 0 ? double(most) * double(tokens.size()) / double(sum) : 1;
}

std::vector<LayerLoad> expert_load(const Context& ctx, const Model& model) {
  std::vector<LayerLoad> all;
  for (const auto& [layer, moe] : model.moe_layers()) {
    LayerLoad l{layer, std::vector<int32_t>(size_t(moe->load().size()))};
    ctx.kernels->download(ctx, {.device = moe->load(), .host = l.tokens.data()});
    all.push_back(std::move(l));
  }
  return all;
}

void update_bias(const Context& ctx, Model& model, double speed) {
  if (speed == 0) return;
  for (const auto& [layer, moe] : model.moe_layers()) {
    Weight* bias = moe->router().bias();
    if (!bias) continue;
    ctx.kernels->bias_update(ctx, {.bias = bias->master(), .load = moe->load(), .speed = speed});
    bias->changed();
  }
}

void clear_load(const Context& ctx, Model& model) {
  for (const auto& [layer, moe] : model.moe_layers()) ctx.kernels->fill(ctx, {.dst = moe->load(), .value = 0});
}

}  // namespace minke
