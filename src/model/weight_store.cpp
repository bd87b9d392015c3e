#include "model/weight_store.h"

#include <algorithm>

#include "model/block_weights.h"

namespace minke {

WeightStore::WeightStore(const Context& ctx, const Config& config, const Precision& precision, Head head) {
  std::vector<Storage> all = storages(config);
  if (head == Head::value) {
    std::erase_if(all, [](const Storage& s) { return s.part == Part::head; });
    all.push_back({.name = "value_head", .shape = {1, config.hidden_size}, .init = Init::zeros, .part = Part::head});
  }
  for (const Storage& s : all) {
    const bool router = s.part == Part::router || s.name == "value_head";
    if (const std::vector<HeldRows>* parts = precision.blocks ? precision.blocks->find(s.name) : nullptr) {
      check(precision.frozen && !router, "WeightStore: blocks are frozen, and no router");
      weights_.emplace_back(ctx, s, precision.compute, *parts, precision.integer_products);
      by_name_.emplace(s.name, &weights_.back());
      continue;
    }
    const DType master = router || s.shape.size() == 1 ? precision.high : precision.master;
    weights_.emplace_back(ctx, s, master, router ? precision.high : precision.compute, precision.frozen);
    by_name_.emplace(s.name, &weights_.back());
  }
}

Weight* WeightStore::lookup(std::string_view storage_name) const {
  const auto it = by_name_.find(std::string(storage_name));
  return it == by_name_.end() ? nullptr : it->second;
}

Weight* WeightStore::existing(std::string_view storage_name) const {
  Weight* w = lookup(storage_name);
  check(w != nullptr, std::string("no such weight: ").append(storage_name));
  return w;
}

void WeightStore::initialise(const Context& ctx, double stddev) {
  for (Weight& w : weights_) {
    switch (w.storage().init) {
      case Init::normal:
        ctx.backend->fill_normal(ctx,
                                 {.dst = w.master(), .key = ctx.rng.at("init").at(w.storage().name), .stddev = stddev});
        break;
      case Init::ones: ctx.backend->fill(ctx, {.dst = w.master(), .value = 1}); break;
      case Init::zeros: ctx.backend->fill(ctx, {.dst = w.master(), .value = 0}); break;
    }
    w.changed();
  }
  ctx.backend->synchronize(ctx);
}

void WeightStore::with_gradients(const Context& ctx) {
  for (Weight& w : weights_)
    if (w.storage().trainable) w.with_gradient(ctx);
}

std::vector<Weight*> WeightStore::largest_first() {
  std::vector<Weight*> all;
  for (Weight& w : weights_) all.push_back(&w);
  std::sort(all.begin(), all.end(), [](const Weight* a, const Weight* b) {
    const int64_t x = a->storage().size(), y = b->storage().size();
    return x != y ? x > y : a->storage().name < b->storage().name;
  });
  return all;
}

}  // namespace minke
