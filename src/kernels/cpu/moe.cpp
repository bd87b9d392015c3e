// Router, balance losses, sort by expert, combine. The choice of experts is scalar code on purpose: it must be
// the same on every instruction set, because top-k is discontinuous. Mathematics: docs/recipe/architecture.md §3.2–3.3,
// docs/recipe/training.md §4.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/common.h"

namespace minke::cpu {
namespace {

constexpr float kSumEpsilon = 1e-20f;  // of the normalisation, as the published implementations have it
constexpr float kNever = -std::numeric_limits<float>::infinity();

// Writes the indices of the k largest of values[n] by falling value, ties to the lower index. NaN ranks as −inf, so a
// diverged router still yields experts that exist.
void largest(const float* values, int64_t n, int64_t k, int64_t* chosen) {
  bool taken[kMaxExperts] = {};
  for (int64_t i = 0; i < k; ++i) {
    int64_t best = -1;
    float best_value = kNever;
    for (int64_t e = 0; e < n; ++e) {
      if (taken[e]) continue;
      if (best < 0 || values[e] > best_value) {
        best = e;
        best_value = std::isnan(values[e]) ? kNever : values[e];
      }
    }
    taken[best] = true;
    chosen[i] = best;
  }
}

// The `valid` of an op with n tokens, null if all are.
const int32_t* valid_data(const Operand& valid, int64_t n) {
  if (!valid) return nullptr;
  expect_shape(valid, {n}, "valid is [N]");
  return i32_data(valid);
}

struct Routing {
  int64_t n, experts, k;
  float *affinity, *weight;
  int32_t* expert;
  int64_t affinity_stride, weight_stride, expert_stride;
};

Routing checked_routing(const RouteArgs& args) {
  check(args.affinity.rank == 2 && args.expert.rank == 2, "route: ranks");
  Routing g;
  g.n = args.affinity.shape[0], g.experts = args.affinity.shape[1], g.k = args.expert.shape[1];
  expect_shape(args.expert, {g.n, g.k}, "route: expert is [N,K]");
  check(0 < g.k && g.k <= g.experts && g.experts <= kMaxExperts, "route: 0 < K <= E <= 1024");
  check(args.num_groups > 0 && g.experts % args.num_groups == 0 && 0 < args.top_groups &&
            args.top_groups <= args.num_groups,
        "route: groups");
  g.affinity = f32_data(args.affinity), g.affinity_stride = args.affinity.stride[0];
  check(args.expert.dtype == DType::i32 && (g.k <= 1 || args.expert.stride[1] == 1),
        "route: expert is i32, its last axis dense");
  g.expert = static_cast<int32_t*>(args.expert.data), g.expert_stride = args.expert.stride[0];
  g.weight = nullptr, g.weight_stride = 0;
  if (args.weight) {
    expect_shape(args.weight, {g.n, g.k}, "route: weight is [N,K]");
    g.weight = f32_data(args.weight), g.weight_stride = args.weight.stride[0];
  }
  return g;
}

void affinities(const float* logits, int64_t n, AffinityFunc func, float* affinity) {
  if (func == AffinityFunc::sigmoid) {
    for (int64_t e = 0; e < n; ++e) affinity[e] = 1 / (1 + std::exp(-logits[e]));
    return;
  }
  float top = logits[0], sum = 0;
  for (int64_t e = 0; e < n; ++e) top = std::max(top, logits[e]);
  for (int64_t e = 0; e < n; ++e) sum += affinity[e] = std::exp(logits[e] - top);
  for (int64_t e = 0; e < n; ++e) affinity[e] /= sum;
}

// Masks with −inf the candidates outside the best top_groups groups.
void limit_groups(const RouteArgs& args, float* candidates, int64_t experts) {
  const int64_t per_group = experts / args.num_groups;
  float of_group[kMaxExperts];
  for (int64_t g = 0; g < args.num_groups; ++g) {
    const float* members = candidates + g * per_group;
    int64_t best[2];
    largest(members, per_group, std::min<int64_t>(2, per_group), best);
    of_group[g] = members[best[0]];
    if (args.group_affinity == GroupAffinity::top2_sum && per_group > 1) of_group[g] += members[best[1]];
  }
  int64_t groups[kMaxExperts];
  largest(of_group, args.num_groups, args.top_groups, groups);
  bool allowed[kMaxExperts] = {};
  for (int64_t i = 0; i < args.top_groups; ++i) allowed[groups[i]] = true;
  for (int64_t e = 0; e < experts; ++e)
    if (!allowed[e / per_group]) candidates[e] = kNever;
}

}  // namespace

void route(const Kernels&, const Context& ctx, const RouteArgs& args) {
  const Routing g = checked_routing(args);
  expect_shape(args.logits, {g.n, g.experts}, "route: logits is [N,E]");
  check(g.weight != nullptr || g.n == 0, "route: weight is missing");
  const float* logits = f32_data(args.logits);
  const float* bias = nullptr;
  if (args.bias) expect_shape(args.bias, {g.experts}, "route: bias is [E]"), bias = f32_data(args.bias);
  const int32_t* valid = valid_data(args.valid, g.n);
  if (args.flips) expect_shape(args.flips, {g.n}, "route: flips is [N]");
  int32_t* flips = args.flips && args.replay ? i32_data(args.flips) : nullptr;
  in_chunks(ctx, g.n, g.experts * 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* affinity = g.affinity + t * g.affinity_stride;
      int32_t* expert = g.expert + t * g.expert_stride;
      float* weight = g.weight + t * g.weight_stride;
      affinities(logits + t * args.logits.stride[0], g.experts, args.affinity_func, affinity);
      if (!args.replay || flips) {
        float candidates[kMaxExperts];
        int64_t chosen[kMaxExperts];
        for (int64_t e = 0; e < g.experts; ++e) candidates[e] = bias ? affinity[e] + bias[e] : affinity[e];
        if (args.group_affinity != GroupAffinity::none) limit_groups(args, candidates, g.experts);
        largest(candidates, g.experts, g.k, chosen);
        for (int64_t k = 0; k < g.k; ++k) {
          if (!args.replay) expert[k] = int32_t(chosen[k]);
          else if (expert[k] >= 0 && (!valid || valid[t]))
            flips[t] += std::find(chosen, chosen + g.k, expert[k]) == chosen + g.k;
        }
      }
      if (valid && !valid[t]) std::fill_n(expert, g.k, -1);
      float sum = 0;
      for (int64_t k = 0; k < g.k; ++k) {  // −1: padding, or dropped, on replay
        weight[k] = expert[k] < 0 ? 0 : affinity[bounded(expert[k], g.experts, "route: expert")];
        sum += weight[k];
      }
      for (int64_t k = 0; k < g.k; ++k)
        weight[k] = (args.normalise ? weight[k] / (sum + kSumEpsilon) : weight[k]) * float(args.scale);
    }
  });
}

// w_k = scale·s_k/σ, σ = Σs + 1e-20: ds_k = scale·(dw_k − Σ_j dw_j s_j/σ)/σ, then through sigmoid s(1−s) or softmax.
void route_backward(const Kernels&, const Context& ctx, const RouteBackwardArgs& args) {
  const Routing g = checked_routing(args.forward);
  expect_shape(args.d_weight, {g.n, g.k}, "route_backward: d_weight is [N,K]");
  expect_shape(args.d_logits, {g.n, g.experts}, "route_backward: d_logits is [N,E]");
  const float *d_weight = f32_data(args.d_weight), *d_affinity = nullptr;
  if (args.d_affinity)
    expect_shape(args.d_affinity, {g.n, g.experts}, "route_backward: d_affinity is [N,E]"),
        d_affinity = f32_data(args.d_affinity);
  float* d_logits = f32_data(args.d_logits);
  const float scale = float(args.forward.scale);
  in_chunks(ctx, g.n, g.experts * 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const float *s = g.affinity + t * g.affinity_stride, *dw = d_weight + t * args.d_weight.stride[0];
      const int32_t* expert = g.expert + t * g.expert_stride;
      float ds[kMaxExperts], sum = 0, weighted = 0;
      for (int64_t e = 0; e < g.experts; ++e) ds[e] = d_affinity ? d_affinity[t * args.d_affinity.stride[0] + e] : 0;
      for (int64_t k = 0; k < g.k; ++k) {
        if (expert[k] < 0) continue;
        const float chosen = s[bounded(expert[k], g.experts, "route_backward: expert")];
        sum += chosen;
        weighted += dw[k] * chosen;
      }
      sum += kSumEpsilon;
      for (int64_t k = 0; k < g.k; ++k)
        if (expert[k] >= 0) ds[expert[k]] += scale * (args.forward.normalise ? (dw[k] - weighted / sum) / sum : dw[k]);
      float mean = 0;
      for (int64_t e = 0; e < g.experts; ++e) mean += ds[e] * s[e];
      float* out = d_logits + t * args.d_logits.stride[0];
      for (int64_t e = 0; e < g.experts; ++e)
        out[e] =
            args.forward.affinity_func == AffinityFunc::sigmoid ? ds[e] * s[e] * (1 - s[e]) : s[e] * (ds[e] - mean);
    }
  });
}

namespace {

// w of one sequence of `length` tokens: α_expert f + α_device f' + α_comm f'' (docs/recipe/training.md §4.1).
void balance_weights(const BalanceArgs& args, int64_t begin, int64_t end, const int32_t* valid, float length,
                     float* w) {
  const BalanceTerms& a = args.terms;
  const int64_t experts = args.affinity.shape[1], k = args.expert.shape[1], per_device = experts / a.num_devices;
  const float* affinity = f32_data(args.affinity);
  const auto* expert = static_cast<const int32_t*>(args.expert.data);
  int64_t tokens[kMaxExperts] = {}, device_tokens[kMaxExperts] = {}, seen_by[kMaxExperts] = {};
  for (int64_t t = begin; t < end; ++t) {
    if (valid && !valid[t]) continue;
    int64_t chosen[kMaxExperts];
    if (a.count_unbiased) largest(affinity + t * args.affinity.stride[0], experts, k, chosen);
    else
      for (int64_t i = 0; i < k; ++i) chosen[i] = expert[t * args.expert.stride[0] + i];
    for (int64_t i = 0; i < k; ++i) {
      if (chosen[i] < 0) continue;
      tokens[bounded(chosen[i], experts, "balance: expert")]++;
      const int64_t device = chosen[i] / per_device;
      if (seen_by[device] != t + 1) device_tokens[device]++, seen_by[device] = t + 1;
    }
  }
  const auto f = [&](int64_t e) { return float(experts) / (float(k) * length) * float(tokens[e]); };
  for (int64_t e = 0; e < experts; ++e) {
    const int64_t device = e / per_device;
    float f_device = 0;
    for (int64_t j = device * per_device; j < (device + 1) * per_device; ++j) f_device += f(j) / float(per_device);
    const float f_comm = float(a.num_devices) / (float(a.top_devices) * length) * float(device_tokens[device]);
    w[e] = float(a.alpha_expert) * f(e) + float(a.alpha_device) * f_device + float(a.alpha_comm) * f_comm;
  }
}

}  // namespace

size_t scratch_of(const Kernels&, int, const BalanceArgs& args) {
  return measured([&](Arena& arena) { take<double>(arena, args.num_sequences); });
}

// L = mean over sequences of Σ_i w_i P_i, P_i = (1/T) Σ_t s'_{i,t}; with s' = s/σ: ∂(w·s')/∂s_i = (w_i − w·s')/σ.
void balance(const Kernels&, const Context& ctx, const BalanceArgs& args) {
  const BalanceTerms& a = args.terms;
  check(args.affinity.rank == 2 && args.expert.rank == 2 && args.affinity.shape[0] == args.expert.shape[0],
        "balance: shapes");
  const int64_t n = args.affinity.shape[0], experts = args.affinity.shape[1], sequences = args.num_sequences;
  check(experts <= kMaxExperts && a.num_devices > 0 && experts % a.num_devices == 0 && a.top_devices > 0,
        "balance: devices");
  check(args.expert.dtype == DType::i32 && (args.expert.shape[1] <= 1 || args.expert.stride[1] == 1),
        "balance: expert is i32 [N,K]");
  for (int64_t i = 0; i < sequences; ++i)
    check(0 <= args.sequence_offsets[i] && args.sequence_offsets[i] <= args.sequence_offsets[i + 1] &&
              args.sequence_offsets[i + 1] <= n,
          "balance: sequence offsets");
  const float* affinity = f32_data(args.affinity);
  float *d_affinity = nullptr, *loss = f32_data(args.loss);
  if (args.d_affinity)
    expect_shape(args.d_affinity, {n, experts}, "balance: d_affinity is [N,E]"), d_affinity = f32_data(args.d_affinity);
  const int32_t* valid = valid_data(args.valid, n);
  if (sequences == 0) return;
  ArenaScope scope(*ctx.scratch);
  auto* sums = take<double>(*ctx.scratch, sequences);
  ctx.threads->for_each(sequences, [&](int64_t i, int) {
    const int64_t begin = args.sequence_offsets[i], end = args.sequence_offsets[i + 1];
    const int64_t length =
        valid ? std::count_if(valid + begin, valid + end, [](int32_t v) { return v != 0; }) : end - begin;
    sums[i] = 0;
    if (length == 0) return;
    float w[kMaxExperts];
    balance_weights(args, begin, end, valid, float(length), w);
    const float share = 1 / (float(length) * float(sequences));
    for (int64_t t = begin; t < end; ++t) {
      if (valid && !valid[t]) continue;
      const float* s = affinity + t * args.affinity.stride[0];
      float sigma = a.normalise_affinity ? kSumEpsilon : 1, value = 0;
      for (int64_t e = 0; e < experts; ++e) {
        if (a.normalise_affinity) sigma += s[e];
        value += w[e] * s[e];
      }
      value /= sigma;
      sums[i] += double(share * value);
      if (!d_affinity) continue;
      float* d = d_affinity + t * args.d_affinity.stride[0];
      for (int64_t e = 0; e < experts; ++e)
        d[e] += float(args.grad_scale) * (share * (w[e] - (a.normalise_affinity ? value : 0)) / sigma);
    }
  });
  double total = 0;
  for (int64_t i = 0; i < sequences; ++i) total += sums[i];
  loss[0] += float(total);
}

namespace {

struct DropScratch {
  int32_t* candidates;
  int64_t *begin, *excess;  // of every device
};
DropScratch take_scratch(Arena& arena, const DropTokensArgs& args) {
  return {take<int32_t>(arena, args.expert.size()), take<int64_t>(arena, args.num_devices),
          take<int64_t>(arena, args.num_devices)};
}

}  // namespace

size_t scratch_of(const Kernels&, int, const DropTokensArgs& args) {
  return measured([&](Arena& arena) { take_scratch(arena, args); });
}

// Every device looks for its own assignments; (affinity, slot) is a total order, so what goes does not depend on threads.
void drop_tokens(const Kernels&, const Context& ctx, const DropTokensArgs& args) {
  const int64_t n = args.expert.shape[0], k = args.expert.shape[1], experts = args.affinity.shape[1],
                devices = args.num_devices, slots = n * k;
  check(args.affinity.shape[0] == n && devices > 0 && experts % devices == 0 && args.capacity > 0,
        "drop_tokens: shapes, devices, capacity");
  expect_shape(args.kept, {n, k}, "drop_tokens: kept is [N,K]");
  check(args.num_sequences == 0 || args.sequence_offsets[args.num_sequences] == n, "drop_tokens: sequence offsets");
  const float* affinity = f32_data(args.affinity);
  const int32_t* expert = i32_data(args.expert);
  int32_t *kept = i32_data(args.kept), *load = nullptr;
  if (args.load) expect_shape(args.load, {experts}, "drop_tokens: load is [E]"), load = i32_data(args.load);
  int64_t assignments = 0;
  for (int64_t s = 0; s < slots; ++s) {
    if (expert[s] < 0) continue;  // padding
    bounded(expert[s], experts, "drop_tokens: expert");
    ++assignments;
    if (load) load[expert[s]]++;
  }
  std::copy_n(expert, slots, kept);
  const auto limit = int64_t(args.capacity * double(assignments) / double(devices));
  const int64_t per_device = experts / devices;
  ArenaScope scope(*ctx.scratch);
  const DropScratch scratch = take_scratch(*ctx.scratch, args);
  int32_t* candidates = scratch.candidates;
  int64_t *begin = scratch.begin, *excess = scratch.excess;
  std::fill_n(excess, devices, -limit);
  for (int64_t s = 0; s < slots; ++s)
    if (expert[s] >= 0) excess[expert[s] / per_device]++;
  for (int64_t d = 0, at = 0; d < devices; ++d) begin[d] = at, at += excess[d] + limit;
  const auto affinity_of = [&](int32_t slot) {
    const float s = affinity[slot / k * args.affinity.stride[0] + expert[slot]];
    return std::isnan(s) ? kNever : s;
  };
  const auto first_to_go = [&](int32_t a, int32_t b) {
    const float x = affinity_of(a), y = affinity_of(b);
    return x != y ? x < y : a > b;
  };
  ctx.threads->for_each(devices, [&](int64_t d, int) {
    if (excess[d] <= 0) return;
    int32_t* mine = candidates + begin[d];
    int64_t count = 0;
    for (int64_t i = 0; i < args.num_sequences; ++i) {
      if (args.is_protected[i]) continue;
      for (int64_t s = args.sequence_offsets[i] * k; s < args.sequence_offsets[i + 1] * k; ++s)
        if (expert[s] >= 0 && expert[s] / per_device == d) mine[count++] = int32_t(s);
    }
    excess[d] = std::min(excess[d], count);
    std::nth_element(mine, mine + excess[d], mine + count, first_to_go);
    for (int64_t i = 0; i < excess[d]; ++i) kept[mine[i]] = -1;
  });
  if (!args.dropped) return;
  for (int64_t d = 0; d < devices; ++d) i32_data(args.dropped)[0] += int32_t(std::max<int64_t>(0, excess[d]));
}

size_t scratch_of(const Kernels&, int, const PermutePlanArgs& args) {
  return measured([&](Arena& arena) { take<int32_t>(arena, args.offsets.shape[0]); });
}

void permute_plan(const Kernels&, const Context& ctx, const PermutePlanArgs& args) {
  const int64_t experts = args.offsets.shape[0] - 1, slots = args.expert.size();
  check(args.offsets.rank == 1 && experts >= 0, "permute_plan: offsets is [E+1]");
  expect_shape(args.row_of_slot, {slots}, "permute_plan: row_of_slot is [N·K]");
  expect_shape(args.slot_of_row, {slots}, "permute_plan: slot_of_row is [N·K]");
  const int32_t* expert = i32_data(args.expert);
  int32_t *offsets = i32_data(args.offsets), *row_of_slot = i32_data(args.row_of_slot),
          *slot_of_row = i32_data(args.slot_of_row);
  check(slots <= std::numeric_limits<int32_t>::max(), "permute_plan: more slots than i32 counts");
  ArenaScope scope(*ctx.scratch);
  auto* next = take<int32_t>(*ctx.scratch, experts + 1);
  std::fill_n(offsets, experts + 1, 0);
  for (int64_t s = 0; s < slots; ++s)
    if (expert[s] >= 0) offsets[bounded(expert[s], experts, "permute_plan: expert") + 1]++;
  if (args.load) {
    expect_shape(args.load, {experts}, "permute_plan: load is [E]");
    int32_t* load = i32_data(args.load);
    for (int64_t e = 0; e < experts; ++e) load[e] += offsets[e + 1];
  }
  next[0] = 0;
  for (int64_t e = 0; e < experts; ++e) next[e + 1] = offsets[e + 1] += offsets[e];
  for (int64_t s = 0; s < slots; ++s) {
    row_of_slot[s] = expert[s] < 0 ? -1 : next[expert[s]]++;
    if (expert[s] >= 0) slot_of_row[row_of_slot[s]] = int32_t(s);
  }
}

void combine(const Kernels& kernels, const Context& ctx, const CombineArgs& args) {
  check(args.src.rank == 2 && args.dst.rank == 2 && args.src.shape[1] == args.dst.shape[1], "combine: shapes");
  const int64_t n = args.dst.shape[0], width = args.dst.shape[1], k = n ? args.row_of_slot.size() / n : 0;
  check(k * n == args.row_of_slot.size(), "combine: row_of_slot is [N·K]");
  const int32_t* rows = i32_data(args.row_of_slot);
  const Rows src = rows_of(args.src), dst = rows_of(args.dst);
  in_chunks(ctx, n, width * k, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = 0; i < k; ++i)
        if (rows[t * k + i] >= 0) bounded(rows[t * k + i], args.src.shape[0], "combine: row");
      kernels.sum_rows(row_data(dst, t), dst.half, args.accumulate, src, rows + t * k, k, width);
    }
  });
}

void bias_update(const Kernels&, const Context&, const BiasUpdateArgs& args) {
  const int64_t experts = args.bias.shape[0];
  expect_shape(args.bias, {experts}, "bias_update: bias is [E]");
  expect_shape(args.load, {experts}, "bias_update: load is [E]");
  float* bias = f32_data(args.bias);
  const int32_t* load = i32_data(args.load);
  int64_t total = 0;
  for (int64_t e = 0; e < experts; ++e) total += load[e];
  for (int64_t e = 0; e < experts; ++e) {
    // sign(total/E − load) in whole numbers: a mean that is hit exactly must give 0.
    const int64_t excess = total - int64_t(load[e]) * experts;
    bias[e] = float(double(bias[e]) + args.speed * double((excess > 0) - (excess < 0)));
  }
}

}  // namespace minke::cpu
