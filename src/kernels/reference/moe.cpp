// Mixture of experts: router (docs/recipe/architecture.md §3.2–3.3), balance losses (V2 §2.2.3, V3 eq. 17–20;
// docs/recipe/training.md §4), the sort of assignments by expert, gather and combine, V3's bias update (eq. 16).
#include <cmath>
#include <limits>

#include "kernels/reference/access.h"

namespace minke::reference {
namespace {

constexpr double kSumEpsilon = 1e-20;  // of the normalisation, as the published implementations have it

// Indices of the k largest by falling value, ties to the lower index. NaN ranks as −inf, so that a diverged router still
// yields experts that exist.
template <class S> std::vector<int64_t> largest(std::vector<S> values, int64_t k) {
  check(k <= int64_t(values.size()), "more experts to choose than there are");
  std::vector<int64_t> chosen;
  std::vector<bool> taken(values.size());
  for (S& v : values)
    if (std::isnan(v)) v = -std::numeric_limits<S>::infinity();
  for (int64_t n = 0; n < k; ++n) {
    int64_t best = -1;
    for (int64_t i = 0; i < int64_t(values.size()); ++i)
      if (!taken[size_t(i)] && (best < 0 || values[size_t(i)] > values[size_t(best)])) best = i;
    taken[size_t(best)] = true;
    chosen.push_back(best);
  }
  return chosen;
}

template <class S> std::vector<S> affinity_of(std::vector<S> logits, AffinityFunc func) {
  if (func == AffinityFunc::sigmoid) {
    for (S& x : logits) x = 1 / (1 + std::exp(-x));
    return logits;
  }
  S max = logits[0], sum = 0;
  for (S x : logits) max = std::max(max, x);
  for (S& x : logits) sum += x = std::exp(x - max);
  for (S& x : logits) x /= sum;
  return logits;
}

// Masks with −inf the candidates outside the best top_groups groups.
template <class S> void limit_groups(std::vector<S>& candidates, const RouteArgs& args) {
  const int64_t per_group = int64_t(candidates.size()) / args.num_groups;
  std::vector<S> of_group;
  for (int64_t g = 0; g < args.num_groups; ++g) {
    const std::vector<S> members(candidates.begin() + g * per_group, candidates.begin() + (g + 1) * per_group);
    const auto best = largest(members, std::min<int64_t>(2, per_group));
    S affinity = members[size_t(best[0])];
    if (args.group_affinity == GroupAffinity::top2_sum && per_group > 1) affinity += members[size_t(best[1])];
    of_group.push_back(affinity);
  }
  std::vector<bool> allowed(of_group.size());
  for (int64_t g : largest(of_group, args.top_groups)) allowed[size_t(g)] = true;
  for (size_t e = 0; e < candidates.size(); ++e)
    if (!allowed[e / size_t(per_group)]) candidates[e] = -std::numeric_limits<S>::infinity();
}

bool is_valid(const Operand& valid, int64_t t) { return !valid || load_index(valid, t) != 0; }

void check_route(const RouteArgs& args) {
  check(args.affinity.rank == 2 && args.expert.rank == 2, "route: ranks");
  const int64_t N = args.affinity.shape[0], E = args.affinity.shape[1], K = args.expert.shape[1];
  expect_shape(args.expert, {N, K}, "route: expert is [N,K]");
  check(0 < K && K <= E, "route: 0 < K ≤ E");
  check(args.num_groups > 0 && E % args.num_groups == 0 && 0 < args.top_groups && args.top_groups <= args.num_groups,
        "route: groups");
  if (args.valid) expect_shape(args.valid, {N}, "route: valid is [N]");
  if (args.flips) expect_shape(args.flips, {N}, "route: flips is [N]");
}

}  // namespace

// An expert of −1 (padding, or on replay a dropped assignment) has weight 0 and no part in the normalisation.
void route(const Context&, const RouteArgs& args) {
  check_route(args);
  const int64_t N = args.logits.shape[0], E = args.logits.shape[1], K = args.expert.shape[1];
  expect_shape(args.affinity, {N, E}, "route: affinity is [N,E]");
  expect_shape(args.weight, {N, K}, "route: weight is [N,K]");
  with_scalar(args.logits.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t n = 0; n < N; ++n) {
      const auto affinity = affinity_of(load_row<S>(args.logits, n), args.affinity_func);
      store_row(args.affinity, n, affinity);
      if (!args.replay || args.flips) {
        auto candidates = affinity;
        for (int64_t e = 0; args.bias && e < E; ++e) candidates[size_t(e)] += load<S>(args.bias, e);
        if (args.group_affinity != GroupAffinity::none) limit_groups(candidates, args);
        const auto chosen = largest(candidates, K);
        double flips = 0;
        for (int64_t k = 0; k < K; ++k) {
          if (!args.replay) store(args.expert, double(chosen[size_t(k)]), n, k);
          const int64_t e = int64_t(load<double>(args.expert, n, k));
          flips += e >= 0 && std::find(chosen.begin(), chosen.end(), e) == chosen.end();
        }
        if (args.flips && is_valid(args.valid, n)) store(args.flips, load<double>(args.flips, n) + flips, n);
      }
      for (int64_t k = 0; !is_valid(args.valid, n) && k < K; ++k) store(args.expert, -1.0, n, k);
      std::vector<S> weight(static_cast<size_t>(K));
      S sum = 0;
      for (int64_t k = 0; k < K; ++k) {
        const int64_t e = int64_t(load<double>(args.expert, n, k));
        if (e >= 0) sum += weight[size_t(k)] = affinity[size_t(bounded(e, E, "route: expert"))];
      }
      for (S& w : weight) w = (args.normalise ? w / (sum + S(kSumEpsilon)) : w) * S(args.scale);
      store_row(args.weight, n, weight);
    }
  });
}

// w_k = scale·s_k/σ, σ = Σs + 1e-20: ds_k = scale·(dw_k − Σ_j dw_j s_j/σ)/σ, then through sigmoid s(1−s) or softmax.
void route_backward(const Context&, const RouteBackwardArgs& args) {
  const RouteArgs& f = args.forward;
  check_route(f);
  const int64_t N = f.affinity.shape[0], E = f.affinity.shape[1], K = f.expert.shape[1];
  expect_shape(args.d_weight, {N, K}, "route_backward: d_weight is [N,K]");
  expect_shape(args.d_logits, {N, E}, "route_backward: d_logits is [N,E]");
  with_scalar(f.affinity.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t n = 0; n < N; ++n) {
      const auto s = load_row<S>(f.affinity, n);
      auto ds = args.d_affinity ? load_row<S>(args.d_affinity, n) : std::vector<S>(size_t(E));
      S sum = 0, weighted = 0;
      for (int64_t k = 0; k < K; ++k) {
        const int64_t e = int64_t(load<double>(f.expert, n, k));
        if (e < 0) continue;
        sum += s[size_t(bounded(e, E, "route_backward: expert"))];
        weighted += load<S>(args.d_weight, n, k) * s[size_t(e)];
      }
      sum += S(kSumEpsilon);
      for (int64_t k = 0; k < K; ++k) {
        const int64_t e = int64_t(load<double>(f.expert, n, k));
        if (e < 0) continue;
        const S dw = load<S>(args.d_weight, n, k);
        ds[size_t(e)] += S(f.scale) * (f.normalise ? (dw - weighted / sum) / sum : dw);
      }
      const S mean = dot(ds.data(), s.data(), E);
      for (size_t e = 0; e < ds.size(); ++e)
        ds[e] = f.affinity_func == AffinityFunc::sigmoid ? ds[e] * s[e] * (1 - s[e]) : s[e] * (ds[e] - mean);
      store_row(args.d_logits, n, ds);
    }
  });
}

namespace {

// w of one sequence of T tokens: α_expert f + α_device f' + α_comm f'' (docs/recipe/training.md §4.1).
template <class S> std::vector<S> balance_weights(const BalanceArgs& args, int64_t begin, int64_t end, int64_t T) {
  const BalanceTerms& a = args.terms;
  const int64_t E = args.affinity.shape[1], K = args.expert.shape[1], D = a.num_devices, per_device = E / D;
  std::vector<S> tokens_of_expert(static_cast<size_t>(E)), tokens_of_device(static_cast<size_t>(D)),
      w(static_cast<size_t>(E));
  for (int64_t t = begin; t < end; ++t) {
    if (!is_valid(args.valid, t)) continue;
    std::vector<int64_t> chosen;
    if (a.count_unbiased) chosen = largest(load_row<S>(args.affinity, t), K);
    else
      for (int64_t k = 0; k < K; ++k) chosen.push_back(int64_t(load<double>(args.expert, t, k)));
    std::vector<bool> sent(static_cast<size_t>(D));
    for (int64_t e : chosen) {
      if (e < 0) continue;
      tokens_of_expert[size_t(bounded(e, E, "balance: expert"))] += 1;
      sent[size_t(e / per_device)] = true;
    }
    for (int64_t d = 0; d < D; ++d) tokens_of_device[size_t(d)] += sent[size_t(d)];
  }
  const auto f = [&](int64_t e) { return S(E) / S(K * T) * tokens_of_expert[size_t(e)]; };
  for (int64_t e = 0; e < E; ++e) {
    const int64_t device = e / per_device;
    S f_device = 0;
    for (int64_t j = device * per_device; j < (device + 1) * per_device; ++j) f_device += f(j) / S(per_device);
    const S f_comm = S(D) / S(a.top_devices * T) * tokens_of_device[size_t(device)];
    w[size_t(e)] = S(a.alpha_expert) * f(e) + S(a.alpha_device) * f_device + S(a.alpha_comm) * f_comm;
  }
  return w;
}

}  // namespace

// L = mean over sequences of Σ_i w_i P_i, P_i = (1/T) Σ_t s'_{i,t}; with s' = s/σ: ∂(w·s')/∂s_i = (w_i − w·s')/σ.
void balance(const Context&, const BalanceArgs& args) {
  check(args.affinity.rank == 2 && args.expert.rank == 2 && args.affinity.shape[0] == args.expert.shape[0],
        "balance: shapes");
  const int64_t N = args.affinity.shape[0], E = args.affinity.shape[1];
  check(args.terms.num_devices > 0 && E % args.terms.num_devices == 0 && args.terms.top_devices > 0,
        "balance: devices");
  if (args.valid) expect_shape(args.valid, {N}, "balance: valid is [N]");
  with_scalar(args.affinity.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    S loss = 0;
    for (int64_t i = 0; i < args.num_sequences; ++i) {
      const int64_t begin = args.sequence_offsets[i], end = args.sequence_offsets[i + 1];
      check(0 <= begin && begin <= end && end <= N, "balance: sequence offsets");
      int64_t T = 0;
      for (int64_t t = begin; t < end; ++t) T += is_valid(args.valid, t);
      if (T == 0) continue;
      const auto w = balance_weights<S>(args, begin, end, T);
      const S share = 1 / (S(T) * S(args.num_sequences));
      for (int64_t t = begin; t < end; ++t) {
        if (!is_valid(args.valid, t)) continue;
        const auto s = load_row<S>(args.affinity, t);
        S sigma = 1;
        if (args.terms.normalise_affinity) {
          sigma = S(kSumEpsilon);
          for (S x : s) sigma += x;
        }
        const S value = dot(w.data(), s.data(), E) / sigma;
        loss += share * value;
        if (!args.d_affinity) continue;
        for (int64_t e = 0; e < E; ++e) {
          const S gradient = share * (w[size_t(e)] - (args.terms.normalise_affinity ? value : S(0))) / sigma;
          store(args.d_affinity, load<S>(args.d_affinity, t, e) + S(args.grad_scale) * gradient, t, e);
        }
      }
    }
    store(args.loss, load<S>(args.loss, 0) + loss, 0);
  });
}

void drop_tokens(const Context&, const DropTokensArgs& args) {
  const int64_t N = args.expert.shape[0], K = args.expert.shape[1], E = args.affinity.shape[1], D = args.num_devices;
  check(args.affinity.shape[0] == N && D > 0 && E % D == 0 && args.capacity > 0,
        "drop_tokens: shapes, devices, capacity");
  std::vector<std::vector<std::pair<double, int64_t>>> of_device(static_cast<size_t>(D));  // (affinity, −slot): may go
  std::vector<int64_t> taken(static_cast<size_t>(D));
  int64_t assignments = 0;
  for (int64_t i = 0; i < args.num_sequences; ++i)
    for (int64_t t = args.sequence_offsets[i]; t < args.sequence_offsets[i + 1]; ++t)
      for (int64_t k = 0; k < K; ++k) {
        const int64_t e = int64_t(load<double>(args.expert, t, k));
        store(args.kept, double(e), t, k);
        if (e < 0) continue;  // padding
        const auto device = size_t(bounded(e, E, "drop_tokens: expert") / (E / D));
        ++assignments;
        if (args.load) store(args.load, load<double>(args.load, e) + 1, e);
        ++taken[device];
        if (args.is_protected[i]) continue;
        const double affinity = load<double>(args.affinity, t, e);
        of_device[device].emplace_back(std::isnan(affinity) ? -HUGE_VAL : affinity, -(t * K + k));
      }
  const auto limit = int64_t(args.capacity * double(assignments) / double(D));
  for (size_t d = 0; d < of_device.size(); ++d) {
    std::sort(of_device[d].begin(), of_device[d].end());
    const size_t goes = std::min(of_device[d].size(), size_t(std::max<int64_t>(0, taken[d] - limit)));
    for (size_t i = 0; i < goes; ++i) store(args.kept, -1.0, -of_device[d][i].second / K, -of_device[d][i].second % K);
    if (args.dropped) store(args.dropped, load<double>(args.dropped, 0) + double(goes), 0);
  }
}

void permute_plan(const Context&, const PermutePlanArgs& args) {
  const int64_t E = args.offsets.shape[0] - 1, slots = args.expert.size();
  expect_shape(args.row_of_slot, {slots}, "permute_plan: row_of_slot is [N·K]");
  expect_shape(args.slot_of_row, {slots}, "permute_plan: slot_of_row is [N·K]");
  const auto expert_of = [&](int64_t slot) { return int64_t(load_flat<double>(args.expert, slot)); };
  int64_t row = 0;
  for (int64_t e = 0; e < E; ++e) {
    store(args.offsets, double(row), e);
    for (int64_t slot = 0; slot < slots; ++slot) {
      if (expert_of(slot) != e) continue;
      store(args.row_of_slot, double(row), slot);
      store(args.slot_of_row, double(slot), row);
      ++row;
    }
    if (args.load) store(args.load, load<double>(args.load, e) + double(row) - load<double>(args.offsets, e), e);
  }
  store(args.offsets, double(row), E);
  for (int64_t slot = 0; slot < slots; ++slot) {
    if (expert_of(slot) < 0) store(args.row_of_slot, -1.0, slot);
    else bounded(expert_of(slot), E, "permute_plan: expert");
  }
}

// In double, which holds every value of f32, bf16 and i32 exactly: only the destination rounds.
void gather(const Context&, const GatherArgs& args) {
  const int64_t R = args.dst.shape[0], width = args.dst.rank == 2 ? args.dst.shape[1] : 1;
  const bool panels = args.src.packing == Packing::panels;
  check(args.src.rank == args.dst.rank && (args.dst.rank == 1 || args.src.shape[panels ? 0 : 1] == width),
        "gather: shapes");
  check(args.divisor > 0, "gather: divisor");
  std::vector<float> values;
  Operand src = args.src;
  if (src.packing == Packing::blocks) {
    values = decoded(src, 0, src.shape[0], width);
    src = Operand::of(values.data(), DType::f32, {src.shape[0], width});
  }
  if (panels) src = Operand::of(src.data, src.dtype, {width, src.shape[1]}).transposed();
  for (int64_t r = 0; r < limited_rows(args.num_rows, R); ++r) {
    const int64_t index = load_index(args.index, r);
    if (index >= 0) bounded(index / args.divisor, src.shape[0], "gather: index");
    for (int64_t d = 0; d < width; ++d) {
      const double value = index < 0       ? 0
                           : src.rank == 1 ? load<double>(src, index / args.divisor)
                                           : load<double>(src, index / args.divisor, d);
      store_flat(args.dst, r * width + d, value);
    }
  }
}

void combine(const Context&, const CombineArgs& args) {
  const int64_t N = args.dst.shape[0], D = args.dst.shape[1], K = N ? args.row_of_slot.size() / N : 0;
  check(args.src.rank == 2 && args.src.shape[1] == D && K * N == args.row_of_slot.size(), "combine: shapes");
  with_scalar(args.dst.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t t = 0; t < N; ++t)
      for (int64_t d = 0; d < D; ++d) {
        S sum = 0;
        for (int64_t k = 0; k < K; ++k) {
          const int64_t row = load_index(args.row_of_slot, t * K + k);
          if (row >= 0) sum += load<S>(args.src, bounded(row, args.src.shape[0], "combine: row"), d);
        }
        store(args.dst, args.accumulate ? load<S>(args.dst, t, d) + sum : sum, t, d);
      }
  });
}

void bias_update(const Context&, const BiasUpdateArgs& args) {
  const int64_t E = args.bias.shape[0];
  expect_shape(args.load, {E}, "bias_update: load is [E]");
  int64_t total = 0;
  for (int64_t e = 0; e < E; ++e) total += load_index(args.load, e);
  for (int64_t e = 0; e < E; ++e) {
    // sign(total/E − load) in whole numbers: a mean that is hit exactly must give 0.
    const int64_t excess = total - load_index(args.load, e) * E;
    store(args.bias, load<double>(args.bias, e) + args.speed * double((excess > 0) - (excess < 0)), e);
  }
}

}  // namespace minke::reference
