#include "train/balance.h"

#include <algorithm>

namespace minke {

double LayerLoad::max_over_mean() const {
  int64_t sum = 0, most = 0;
  for (int32_t t : tokens) sum += t, most = std::max<int64_t>(most, t);
  return sum > 0 ? double(most) * double(tokens.size()) / double(sum) : 1;
}

void LoadWindow::add(const std::vector<LayerLoad>& batch) {
  layer_.clear();
  std::vector<double> row;
  for (const LayerLoad& l : batch) layer_.push_back(l.layer), row.push_back(l.max_violation());
  if (row.empty()) return;
  batches_.push_back(std::move(row));
  if (batches_.size() > kBatches) batches_.pop_front();
}

std::vector<LoadWindow::Layer> LoadWindow::layers() const {
  std::vector<Layer> all;
  for (size_t l = 0; l < layer_.size() && !batches_.empty(); ++l) {
    double sum = 0;
    for (const auto& row : batches_) sum += row[l];
    all.push_back({layer_[l], sum / double(batches_.size())});
  }
  return all;
}

double LoadWindow::mean() const {
  double sum = 0;
  const auto all = layers();
  for (const Layer& l : all) sum += l.max_violation;
  return all.empty() ? 0 : sum / double(all.size());
}

LoadWindow::Layer LoadWindow::worst() const {
  Layer worst;
  for (const Layer& l : layers())
    if (l.max_violation >= worst.max_violation) worst = l;
  return worst;
}

void LoadWindow::restore(std::vector<int64_t> layers, std::deque<std::vector<double>> batches) {
  for (const auto& row : batches) check(row.size() == layers.size(), "load window: a value for every layer");
  check(batches.size() <= kBatches, "load window: too many batches");
  layer_ = std::move(layers);
  batches_ = std::move(batches);
}

std::vector<LayerLoad> expert_load(const Context& ctx, const Model& model) {
  std::vector<LayerLoad> all;
  for (const auto& [layer, moe] : model.moe_layers()) {
    LayerLoad l{layer, std::vector<int32_t>(size_t(moe->load().size())), 0};
    ctx.kernels->download(ctx, {.device = moe->load(), .host = l.tokens.data()});
    ctx.kernels->download(ctx, {.device = moe->dropped(), .host = &l.dropped});
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
  for (const auto& [layer, moe] : model.moe_layers())
    for (const Operand& counter : {moe->load(), moe->dropped()}) ctx.kernels->fill(ctx, {.dst = counter, .value = 0});
}

}  // namespace minke
