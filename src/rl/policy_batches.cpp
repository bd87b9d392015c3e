#include "rl/policy_batches.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace minke {
namespace {

constexpr int64_t kLengthUnit = 16;  // so that steps have few shapes

int64_t rounded_length(const Rollout& r, int64_t most) {
  const int64_t length = int64_t(r.tokens.size()) - 1;
  check(length <= most, "policy_batches: a sample is no longer than a sequence");
  return std::min(most, (length + kLengthUnit - 1) / kLengthUnit * kLengthUnit);
}

}  // namespace

std::vector<size_t> random_order(size_t n, const RngKey& key) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  Rng rng{key};
  for (size_t i = n; i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

PolicyBatches policy_batches(const std::vector<PolicySample>& samples, int64_t max_tokens, int64_t max_length,
                             int64_t moe_layers, int64_t top_k) {
  std::vector<int32_t> order(samples.size());
  std::iota(order.begin(), order.end(), 0);
  const auto length = [&](int32_t i) { return rounded_length(*samples[size_t(i)].rollout, max_length); };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return length(a) > length(b); });
  PolicyBatches all;
  for (size_t begin = 0; begin < order.size();) {
    const int64_t t = length(order[begin]);
    check(t > 0 && t <= max_tokens, "policy_batches: a sample fits into a micro-batch");
    const size_t end = std::min(order.size(), begin + size_t(max_tokens / t));
    const int64_t b = int64_t(end - begin), n = b * t;
    TokenBatch& batch = all.batches.emplace_back(TokenBatch{.num_sequences = b, .sequence_length = t});
    batch.tokens.assign(size_t(n), 0), batch.targets.assign(size_t(n), -1);
    batch.weight.assign(size_t(n), 0), batch.advantage.assign(size_t(n), 0), batch.old_loss.assign(size_t(n), 0);
    if (!samples[size_t(order[begin])].rollout->experts.empty())
      batch.experts.assign(size_t(moe_layers * n * top_k), -1);  // padding: no expert
    all.places.resize(all.places.size() + size_t(n));
    PolicyBatches::Place* places = all.places.data() + all.places.size() - n;
    for (int64_t row = 0; row < b; ++row) {
      const int32_t which = order[begin + size_t(row)];
      const PolicySample& s = samples[size_t(which)];
      const Rollout& r = *s.rollout;
      const int64_t real = int64_t(r.tokens.size()) - 1;
      batch.num_valid.push_back(int32_t(real));
      for (int64_t i = 0; i < real; ++i) {
        const size_t at = size_t(row * t + i);
        batch.tokens[at] = r.tokens[size_t(i)];
        for (int64_t l = 0; l < moe_layers && !batch.experts.empty(); ++l)
          for (int64_t k = 0; k < top_k; ++k)
            batch.experts[size_t((l * n + int64_t(at)) * top_k + k)] =
                r.experts[size_t((i * moe_layers + l) * top_k + k)];
        const int64_t answer = i + 1 - r.prompt_tokens;
        if (answer < 0) continue;
        batch.targets[at] = r.tokens[size_t(i + 1)];
        batch.weight[at] = float(s.weight), batch.advantage[at] = s.advantages[size_t(answer)];
        batch.old_loss[at] = r.loss[size_t(answer)];
        places[at] = {which, int32_t(answer)};
      }
    }
    begin = end;
  }
  return all;
}

}  // namespace minke
