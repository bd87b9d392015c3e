#include "train/weight_copy.h"

namespace minke {

WeightCopy::WeightCopy(const Context& ctx, Model& model) : model_(&model) {
  for (const Weight& w : model.weights().all())
    copies_.emplace_back(ctx.backend->memory(), w.master().dtype, std::initializer_list<int64_t>{w.master().size()});
  refresh(ctx);
}

void WeightCopy::refresh(const Context& ctx) {
  for (size_t i = 0; i < copies_.size(); ++i)
    ctx.backend->copy(ctx, {.src = model_->weights().all()[i].master().flat(), .dst = copies_[i]});
}

void WeightCopy::with(const Context& ctx, const std::function<void()>& f) {
  const auto swap = [&] {
    for (size_t i = 0; i < copies_.size(); ++i) {
      Weight& w = model_->weights().all()[i];
      const Tensor kept(ctx.backend->memory(), w.master().dtype, {w.master().size()});
      ctx.backend->copy(ctx, {.src = w.master().flat(), .dst = kept});
      ctx.backend->copy(ctx, {.src = copies_[i], .dst = w.master().flat()});
      ctx.backend->copy(ctx, {.src = kept, .dst = copies_[i]});
      ctx.backend->synchronize(ctx);  // kept goes
      w.changed();
    }
  };
  swap();
  f();
  swap();
}

std::vector<std::pair<std::string, Operand>> WeightCopy::state(const std::string& prefix) const {
  std::vector<std::pair<std::string, Operand>> all;
  for (size_t i = 0; i < copies_.size(); ++i)
    all.emplace_back(prefix + model_->weights().all()[i].storage().name, copies_[i]);
  return all;
}

}  // namespace minke
