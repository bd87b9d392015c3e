// The gradients of all weights of a model in double precision against central differences of its loss.
#pragma once
#include <gtest/gtest.h>

#include "model/model.h"
#include "support/gradcheck.h"

namespace minke::test {

// The weights hold their gradients. loss() computes with the weights as they are.
template <class F> void expect_weight_gradients(const Context& ctx, Model& model, F&& loss) {
  const auto download = [&](const Operand& o) {
    Values host(size_t(o.size()));
    ctx.backend->download(ctx, {.device = o, .host = host.data()});
    return host;
  };
  for (Weight& w : model.weights().all()) {
    if (!w.grad()) continue;
    const Values x = download(w.master()), gradient = download(w.grad());
    const auto loss_at = [&](const Values& at) {
      ctx.backend->upload(ctx, {.host = at.data(), .device = w.master()});
      w.changed();
      return loss();
    };
    // The model's third derivatives are large against a kernel's; h⁴ of them stays under 1e-7 at this step.
    EXPECT_TRUE(
        gradient_matches(loss_at, x, gradient, {.step = 2e-4, .tolerance = 1e-7, .max_elements = 12, .directions = 2}))
        << w.storage().name;
    loss_at(x);
  }
}

}  // namespace minke::test
