// The policy objective of a token, as GRPO and PPO have it (V2 eq. 32–34, V3 eq. 26–28, R1 eq. 1–3; docs/recipe/post-training.md
// §3). To be minimised:
//   L = −min(ρ·A, clip(ρ, 1 − ε_low, 1 + ε_high)·A) + β·(x − ln x − 1),   ρ = π/π_old, x = π_ref/π.
// The KL term is the estimate "k3": never negative, and 0 where both policies agree. Tests: tests/kernels/policy_test.cpp.
#pragma once
#include <algorithm>
#include <cmath>

namespace minke {

struct PolicyTerms {
  double clip_low = 0.2, clip_high = 0.2;  // ε; above 1 the lower bound never acts (R1: 10)
  double beta = 0;                         // β
};

// Whether the clipped side is the smaller one: then the token has no gradient.
inline bool is_clipped(double ratio, double advantage, const PolicyTerms& t) {
  return advantage > 0 ? ratio > 1 + t.clip_high : advantage < 0 && ratio < 1 - t.clip_low;
}

// min(ρA, clip(ρ)A).
inline double policy_surrogate(double ratio, double advantage, const PolicyTerms& t) {
  return std::min(ratio * advantage, std::clamp(ratio, 1 - t.clip_low, 1 + t.clip_high) * advantage);
}

// x − ln x − 1, x = π_ref/π; log_x = log π_ref − log π.
inline double policy_kl(double log_x) { return std::expm1(log_x) - log_x; }

// ∂L/∂(−log π). Nats are −log probabilities; reference_nats is read if β > 0.
inline double policy_weight(double nats, double old_nats, double reference_nats, double advantage,
                            const PolicyTerms& t) {
  const double ratio = std::exp(old_nats - nats);
  double weight = advantage == 0 || is_clipped(ratio, advantage, t) ? 0 : ratio * advantage;
  if (t.beta > 0) weight += t.beta * std::expm1(nats - reference_nats);
  return weight;
}

}  // namespace minke
