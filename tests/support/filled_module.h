// A model whose MTP module is always right, never, or sometimes.
#pragma once
#include <functional>
#include <vector>

#include "model/model.h"

namespace minke::test {

inline void set(const Context& ctx, Weight& w, const std::function<float(int64_t i)>& f) {
  std::vector<float> values(size_t(w.master().size()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = f(int64_t(i));
  Tensor device(ctx.backend->memory(), DType::f32, {w.master().size()});
  ctx.backend->upload(ctx, {.host = values.data(), .device = device});
  ctx.backend->copy(ctx, {.src = device, .dst = w.master().flat()});
  ctx.backend->synchronize(ctx);
  w.changed();
}

// What the module makes of the embedding of the next token: what the model makes of it, its opposite, or something beside it.
enum class Module { right, wrong, sometimes };

// Blocks give nothing (right, wrong): the next token depends on the last one alone, in the model and in the module. Else they do
// what random ones do, and the module is right where the embedding leads.
inline void fill(const Context& ctx, Model& model, Module module) {
  model.weights().initialise(ctx, 0.3);
  const int64_t d = model.config().hidden_size;
  for (Weight& w : model.weights().all()) {
    const std::string& name = w.storage().name;
    if (module != Module::sometimes && (name.ends_with("o_proj") || name.ends_with("down")))
      set(ctx, w, [](int64_t) { return 0.0f; });
    if (module == Module::sometimes && name == "embed_tokens")
      set(ctx, w, [key = RngKey{.seed = 2}](int64_t i) { return float(6 * key.normal(uint64_t(i))); });
    if (name.ends_with("eh_proj"))
      set(ctx, w,
          [&](int64_t i) { return i / (2 * d) == i % (2 * d) ? module == Module::wrong ? -1.0f : 1.0f : 0.0f; });
  }
}

}  // namespace minke::test
