#include "train/adamw.h"

#include <cmath>

namespace minke {

AdamW::AdamW(const Context& ctx, WeightStore& weights, const AdamWSettings& settings) : settings_(settings) {
  for (Weight& w : weights.all()) {
    if (!w.storage().trainable) continue;
    w.with_gradient(ctx);
    const DType dtype = w.master().dtype == DType::f64 ? DType::f64 : settings.moments;
    const int64_t n = w.master().size();
    moments_.emplace_back(ctx.backend->memory(), dtype, std::initializer_list<int64_t>{n});
    moments_.emplace_back(ctx.backend->memory(), dtype, std::initializer_list<int64_t>{n});
    weights_.push_back(&w);
    tensors_.push_back({.param = w.master().flat(),
                        .grad = w.grad().flat(),
                        .m = moments_[moments_.size() - 2],
                        .v = moments_.back(),
                        .weight_decay = w.storage().weight_decay ? settings.weight_decay : 0});
    grads_.push_back(tensors_.back().grad);
  }
  squares_ = Tensor(ctx.backend->memory(), DType::f64, {int64_t(grads_.size())});
}

double AdamW::gradient_norm(const Context& ctx) {
  ctx.backend->sum_squares(ctx, {.tensors = grads_.data(), .num_tensors = int64_t(grads_.size()), .out = squares_});
  host_squares_.resize(grads_.size());
  ctx.backend->download(ctx, {.device = squares_, .host = host_squares_.data()});
  double sum = 0;
  for (double s : host_squares_) sum += s;
  return std::sqrt(sum);
}

void AdamW::step(const Context& ctx, double lr, int64_t step, double norm) {
  const double scale = settings_.clip > 0 && norm > settings_.clip ? settings_.clip / norm : 1;
  ctx.backend->adamw(ctx, {.tensors = tensors_.data(),
                           .num_tensors = int64_t(tensors_.size()),
                           .lr = lr,
                           .beta1 = settings_.beta1,
                           .beta2 = settings_.beta2,
                           .eps = settings_.eps,
                           .step = step,
                           .grad_scale = scale});
  for (Weight* w : weights_) w->changed();
}

void AdamW::clear_gradients(const Context& ctx) const {
  for (const Operand& g : grads_) ctx.backend->fill(ctx, {.dst = g, .value = 0});
}

std::vector<std::pair<std::string, Operand>> AdamW::state() const {
  std::vector<std::pair<std::string, Operand>> all;
  for (size_t i = 0; i < weights_.size(); ++i) {
    all.emplace_back("m." + weights_[i]->storage().name, tensors_[i].m);
    all.emplace_back("v." + weights_[i]->storage().name, tensors_[i].v);
  }
  return all;
}

}  // namespace minke
