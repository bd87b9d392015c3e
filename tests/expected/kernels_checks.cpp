// The router, the balance losses and the bias update, computed by the reference kernels in f64.
#include <cmath>

#include "expected/checks.h"
#include "support/expected.h"
#include "support/random.h"

namespace minke::testing {
namespace {

using test::Buffer;
using test::Indices;
using test::TestContext;
using test::Values;

Json route(const ExpectedCheck& c) {
  const TestContext ctx;
  const Values affinity = c.inputs.at("affinity").get<Values>();
  const int64_t experts = int64_t(affinity.size()), k = c.inputs.at("top_k").get<int64_t>();
  Values logits;
  for (double s : affinity) logits.push_back(std::log(s / (1 - s)));  // whose sigmoid they are
  Buffer in(ctx, DType::f64, {1, experts}), s(ctx, DType::f64, {1, experts}), weight(ctx, DType::f64, {1, k}),
      bias(ctx, DType::f64, {experts}), expert(ctx, DType::i32, {1, k});
  in.set(logits);
  const bool biased = c.inputs.contains("bias");
  if (biased) bias.set(c.inputs.at("bias").get<Values>());
  ctx.backend().route(ctx, {.logits = in,
                            .bias = biased ? bias.operand() : Operand{},
                            .affinity = s,
                            .expert = expert,
                            .weight = weight,
                            .group_affinity = biased ? GroupAffinity::top2_sum : GroupAffinity::max,
                            .num_groups = c.inputs.at("groups").get<int64_t>(),
                            .top_groups = c.inputs.at("topk_group").get<int64_t>(),
                            .normalise = c.inputs.at("norm").get<bool>(),
                            .scale = c.number("scale")});
  return {{"experts", expert.get()}, {"weights", weight.get()}};
}

Json bias_update(const ExpectedCheck& c) {
  const TestContext ctx;
  const Values b = c.inputs.at("bias").get<Values>();
  Buffer bias(ctx, DType::f64, {int64_t(b.size())}), load(ctx, DType::i32, {int64_t(b.size())});
  bias.set(b);
  load.set(c.inputs.at("loads").get<Indices>());
  ctx.backend().bias_update(ctx, {.bias = bias, .load = load, .speed = c.number("gamma")});
  return bias.get();
}

// 8 tokens, 8 experts on 4 devices, 2 chosen on 2 devices: token t takes experts t and t+2, so all loads are equal.
double uniform_loss(double expert, double device, double comm) {
  const TestContext ctx;
  Buffer affinity(ctx, DType::f64, {8, 8}), chosen(ctx, DType::i32, {8, 2}), loss(ctx, DType::f64, {1});
  affinity.set(Values(64, 1.0 / 8));
  Indices ids;
  for (int64_t t = 0; t < 8; ++t) ids.insert(ids.end(), {t, (t + 2) % 8});
  chosen.set(ids);
  loss.set(Values{0});
  const int64_t whole[] = {0, 8};
  ctx.backend().balance(ctx, {.affinity = affinity,
                              .expert = chosen,
                              .loss = loss,
                              .sequence_offsets = whole,
                              .num_sequences = 1,
                              .terms = {.alpha_expert = expert,
                                        .alpha_device = device,
                                        .alpha_comm = comm,
                                        .num_devices = 4,
                                        .top_devices = 2,
                                        .normalise_affinity = false,
                                        .count_unbiased = false}});
  return loss.get()[0];
}

}  // namespace

void add_kernels_checks(ExpectedChecks& checks) {
  checks.add("route.*", route);
  checks.add("balance.bias_update", bias_update);
  checks.add("balance.aux_loss_at_uniform", [](const ExpectedCheck& c) -> Json {
    return {{"expert", uniform_loss(c.number("alpha1"), 0, 0)},
            {"device", uniform_loss(0, c.number("alpha2"), 0)},
            {"comm", uniform_loss(0, 0, c.number("alpha3"))}};
  });
}

}  // namespace minke::testing
