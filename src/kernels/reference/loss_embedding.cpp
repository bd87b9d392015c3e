// Cross-entropy and the gradient of the embedding.
#include <cmath>
#include <limits>

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

void soft_cross_entropy(const Context&, const SoftCrossEntropyArgs& args) {
  check(args.logits.rank == 2 && args.soft_token.rank == 2, "soft_cross_entropy: logits is [n,V], soft_token [n,K]");
  const int64_t N = args.logits.shape[0], V = args.logits.shape[1], K = args.soft_token.shape[1];
  check(K <= kMaxSoftTargets, "soft_cross_entropy: K");
  expect_shape(args.target, {N}, "soft_cross_entropy: target is [n]");
  expect_shape(args.soft_token, {N, K}, "soft_cross_entropy: soft_token is [n,K]");
  expect_shape(args.probability, {N, K}, "soft_cross_entropy: probability is [n,K]");
  expect_shape(args.loss, {N}, "soft_cross_entropy: loss is [n]");
  if (args.weight) expect_shape(args.weight, {N}, "soft_cross_entropy: weight is [n]");
  with_scalar(args.logits.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    // log Σ exp over some of the x, as their maximum and the rest, so that large ones keep their differences.
    struct LogSum {
      S max, log;
      S over(S x) const { return log + (max - x); }  // log Σ − x
    };
    const auto log_sum = [&](const std::vector<S>& x, auto&& wanted) {
      LogSum all{-std::numeric_limits<S>::infinity(), 0};
      for (int64_t v = 0; v < V; ++v)
        if (wanted(v)) all.max = std::max(all.max, x[size_t(v)]);
      S sum = 0;
      for (int64_t v = 0; v < V; ++v)
        if (wanted(v)) sum += std::exp(x[size_t(v)] - all.max);
      all.log = std::log(sum);
      return all;
    };
    for (int64_t n = 0; n < N; ++n) {
      const int64_t target = load_index(args.target, n);
      const auto x = load_row<S>(args.logits, n);
      std::vector<S> gradient(x.size());
      if (target < 0) {
        store(args.loss, S(0), n);
        if (args.gradient) store_row(args.logits, n, gradient);
        continue;
      }
      bounded(target, V, "soft_cross_entropy: target");
      std::vector<uint8_t> listed(x.size());
      std::vector<S> p(x.size());  // of the listed tokens
      S mass = 0;
      int64_t count = 0;
      for (int64_t k = 0; k < K; ++k) {
        const int64_t token = load_index(args.soft_token, n, k);
        if (token < 0) continue;
        bounded(token, V, "soft_cross_entropy: soft_token");
        check(!listed[size_t(token)], "soft_cross_entropy: a token twice");
        listed[size_t(token)] = 1, ++count;
        mass += p[size_t(token)] = load<S>(args.probability, n, k);
      }
      const S rest = count < V ? std::max(S(0), 1 - mass) : S(0), all = mass + rest;
      const S share = count > 0 ? S(args.share) : S(0), weight = args.weight ? load<S>(args.weight, n) : S(1);
      const LogSum z = log_sum(x, [](int64_t) { return true; });
      const LogSum others = log_sum(x, [&](int64_t v) { return !listed[size_t(v)]; });
      S soft = rest > 0 ? rest * (z.over(others.max) - others.log) : S(0);
      for (size_t v = 0; v < x.size(); ++v)
        if (listed[v]) soft += p[v] * z.over(x[v]);
      const S hard = z.over(x[size_t(target)]);
      store(args.loss, share < 1 ? (1 - share) * hard + share * soft : soft, n);
      if (!args.gradient) continue;
      for (size_t v = 0; v < x.size(); ++v) {
        const S q = std::exp(-z.over(x[v]));
        const S of_class = listed[v] ? p[v] : rest > 0 ? rest * std::exp(-others.over(x[v])) : S(0);
        const S d = (1 - share) * (q - S(int64_t(v) == target)) + share * (all * q - of_class);
        gradient[v] = S(args.grad_scale) * weight * d;
      }
      store_row(args.logits, n, gradient);
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
