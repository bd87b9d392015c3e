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
  for (const LayerLoad& l : batch) layer_.push_back(l.layer);
  rows_.reserve((kBatches + 1) * layer_.size());
  for (const LayerLoad& l : batch) rows_.push_back(l.max_violation());
  if (num_batches() > kBatches) rows_.erase(rows_.begin(), rows_.begin() + std::ptrdiff_t(layer_.size()));
}

LoadWindow::Layer LoadWindow::layer(size_t index) const {
  double sum = 0;
  for (size_t i = index; i < rows_.size(); i += layer_.size()) sum += rows_[i];
  return {layer_[index], sum / double(num_batches())};
}

std::vector<LoadWindow::Layer> LoadWindow::layers() const {
  std::vector<Layer> all;
  for (size_t l = 0; l < layer_.size() && !rows_.empty(); ++l) all.push_back(layer(l));
  return all;
}

double LoadWindow::mean() const {
  double sum = 0;
  for (size_t l = 0; l < layer_.size() && !rows_.empty(); ++l) sum += layer(l).max_violation;
  return rows_.empty() ? 0 : sum / double(layer_.size());
}

LoadWindow::Layer LoadWindow::worst() const {
  Layer worst;
  for (size_t l = 0; l < layer_.size() && !rows_.empty(); ++l)
    if (const Layer at = layer(l); at.max_violation >= worst.max_violation) worst = at;
  return worst;
}

std::vector<std::vector<double>> LoadWindow::batches() const {
  std::vector<std::vector<double>> all;
  for (size_t i = 0; i < rows_.size(); i += layer_.size())
    all.emplace_back(rows_.begin() + std::ptrdiff_t(i), rows_.begin() + std::ptrdiff_t(i + layer_.size()));
  return all;
}

void LoadWindow::restore(std::vector<int64_t> layers, const std::vector<std::vector<double>>& batches) {
  check(batches.size() <= kBatches, "load window: too many batches");
  rows_.clear();
  for (const auto& row : batches) {
    check(row.size() == layers.size(), "load window: a value for every layer");
    rows_.insert(rows_.end(), row.begin(), row.end());
  }
  layer_ = std::move(layers);
}

void read_expert_load(const Context& ctx, const Model& model, std::vector<LayerLoad>& load) {
  load.resize(model.moe_layers().size());
  for (size_t i = 0; i < load.size(); ++i) {
    const auto& [layer, moe] = model.moe_layers()[i];
    load[i].layer = layer;
    load[i].tokens.resize(size_t(moe->load().size()));
    ctx.backend->download(ctx, {.device = moe->load(), .host = load[i].tokens.data()});
    ctx.backend->download(ctx, {.device = moe->dropped(), .host = &load[i].dropped});
  }
}

void update_bias(const Context& ctx, Model& model, double speed) {
  if (speed == 0) return;
  for (const auto& [layer, moe] : model.moe_layers()) {
    Weight* bias = moe->router().bias();
    if (!bias) continue;
    ctx.backend->bias_update(ctx, {.bias = bias->master(), .load = moe->load(), .speed = speed});
    bias->changed();
  }
}

void clear_load(const Context& ctx, Model& model) {
  for (const auto& [layer, moe] : model.moe_layers())
    for (const Operand& counter : {moe->load(), moe->dropped()}) ctx.backend->fill(ctx, {.dst = counter, .value = 0});
}

}  // namespace minke
