// Cross-entropy and the gradient of the embedding.
#include <cmath>

#include "kernels/reference/access.h"

namespace minke::reference {

void scatter_add(const Context&, const ScatterAddArgs& args) {
  const int64_t N = args.src.shape[0], D = args.dst.shape[1];
  check(args.src.rank == 2 && args.dst.rank == 2 && args.src.shape[1] == D, "scatter_add: shapes");
  expect_shape(args.index, {N}, "scatter_add: index is [N]");
  with_scalar(args.dst.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t n = 0; n < N; ++n) {
      const int64_t row = load_index(args.index, n);
      if (row < 0) continue;
      bounded(row, args.dst.shape[0], "scatter_add: index");
      for (int64_t d = 0; d < D; ++d) store(args.dst, load<S>(args.dst, row, d) + load<S>(args.src, n, d), row, d);
    }
  });
}

void scatter(const Context&, const ScatterArgs& args) {
  const int64_t N = args.src.shape[0], D = args.dst.shape[1];
  check(args.src.rank == 2 && args.dst.rank == 2 && args.src.shape[1] == D, "scatter: shapes");
  expect_shape(args.index, {N}, "scatter: index is [N]");
  for (int64_t n = 0; n < N; ++n) {
    const int64_t row = load_index(args.index, n);
    if (row < 0) continue;
    bounded(row, args.dst.shape[0], "scatter: index");
    for (int64_t d = 0; d < D; ++d) store(args.dst, load<double>(args.src, n, d), row, d);
  }
}

void cross_entropy(const Context&, const CrossEntropyArgs& args) {
  check(args.logits.rank == 2, "cross_entropy: logits is [n,V]");
  const int64_t N = args.logits.shape[0], V = args.logits.shape[1];
  expect_shape(args.target, {N}, "cross_entropy: target is [n]");
  expect_shape(args.loss, {N}, "cross_entropy: loss is [n]");
  if (args.weight) expect_shape(args.weight, {N}, "cross_entropy: weight is [n]");
  if (args.entropy) expect_shape(args.entropy, {N}, "cross_entropy: entropy is [n]");
  with_scalar(args.logits.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t n = 0; n < N; ++n) {
      const int64_t target = load_index(args.target, n);
      auto x = load_row<S>(args.logits, n);
      if (target < 0) {
        store(args.loss, S(0), n);
        if (args.entropy) store(args.entropy, S(0), n);
        if (args.gradient) store_row(args.logits, n, std::vector<S>(x.size()));
        continue;
      }
      bounded(target, V, "cross_entropy: target");
      const S tau = S(args.inverse_temperature), weight = args.weight ? load<S>(args.weight, n) : S(1);
      S max = x[0], sum = 0;
      for (S v : x) max = std::max(max, v);
      for (S v : x) sum += std::exp((v - max) * tau);
      store(args.loss, std::log(sum) + (max - x[size_t(target)]) * tau, n);
      if (args.entropy) {
        S expected = 0;
        for (S v : x) expected += std::exp((v - max) * tau) / sum * ((v - max) * tau);
        store(args.entropy, std::log(sum) - expected, n);
      }
      if (!args.gradient) continue;
      for (S& v : x) v = std::exp((v - max) * tau) / sum;
      x[size_t(target)] -= 1;
      for (S& v : x) v *= S(args.grad_scale) * tau * weight;
      store_row(args.logits, n, x);
    }
  });
}

void policy_weight(const Context&, const PolicyWeightArgs& args) {
  const int64_t N = args.weight.shape[0];
  for (const Operand& o : {args.loss, args.advantage, args.old_loss, args.weight})
    expect_shape(o, {N}, "policy_weight: operands are [n]");
  if (args.token_weight) expect_shape(args.token_weight, {N}, "policy_weight: token_weight is [n]");
  if (args.reference_loss) expect_shape(args.reference_loss, {N}, "policy_weight: reference_loss is [n]");
  check(args.terms.beta == 0 || args.reference_loss, "policy_weight: a KL term needs the reference's losses");
  for (int64_t n = 0; n < N; ++n) {
    const double weight = policy_weight(load<double>(args.loss, n), load<double>(args.old_loss, n),
                                        args.reference_loss ? load<double>(args.reference_loss, n) : 0,
                                        load<double>(args.advantage, n), args.terms);
    store(args.weight, weight * (args.token_weight ? load<double>(args.token_weight, n) : 1), n);
  }
}

void value_loss(const Context&, const ValueLossArgs& args) {
  const int64_t N = args.value.shape[0];
  for (const Operand& o : {args.value, args.target, args.value_target, args.loss})
    expect_shape(o, {N}, "value_loss: operands are [n]");
  if (args.weight) expect_shape(args.weight, {N}, "value_loss: weight is [n]");
  if (args.gradient) expect_shape(args.gradient, {N}, "value_loss: gradient is [n]");
  for (int64_t n = 0; n < N; ++n) {
    const bool asked = load_index(args.target, n) >= 0;
    const double error = asked ? load<double>(args.value, n) - load<double>(args.value_target, n) : 0;
    store(args.loss, 0.5 * error * error, n);
    if (!args.gradient) continue;
    store(args.gradient, asked ? args.grad_scale * (args.weight ? load<double>(args.weight, n) : 1) * error : 0, n);
  }
}

void pair_loss(const Context&, const PairLossArgs& args) {
  const int64_t N = args.value.shape[0];
  for (const Operand& o : {args.value, args.target, args.rival, args.loss})
    expect_shape(o, {N}, "pair_loss: operands are [n]");
  if (args.gradient) expect_shape(args.gradient, {N}, "pair_loss: gradient is [n]");
  for (int64_t n = 0; n < N; ++n) {
    const int64_t rival = load_index(args.rival, n);
    check(rival < N, "pair_loss: a rival is a row");
    const bool preferred = load_index(args.target, n) >= 0;
    const double margin =
        rival < 0 ? 0 : (preferred ? 1 : -1) * (load<double>(args.value, n) - load<double>(args.value, rival));
    // −log σ(m) = log(1 + e^−m), and its derivative −σ(−m), both without overflow.
    store(args.loss, rival >= 0 && preferred ? std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin))) : 0, n);
    if (!args.gradient) continue;
    const double slope = margin > 0 ? std::exp(-margin) / (1 + std::exp(-margin)) : 1 / (1 + std::exp(margin));
    store(args.gradient, rival < 0 ? 0 : (preferred ? -1 : 1) * args.grad_scale * slope, n);
  }
}

}  // namespace minke::reference
