// Generalised advantage estimation (Schulman et al., arXiv:1506.02438, eq. 16), which PPO's advantages are (V2 §4.2;
// docs/recipe/post-training.md §3). Pure functions. Test: tests/rl/gae_test.cpp.
#pragma once
#include <span>
#include <vector>

namespace minke {

struct GeneralisedAdvantages {
  std::vector<double> advantages;  // A_t
  std::vector<double> returns;     // A_t + V_t: what the critic learns
};

// Of an answer: V_t is what the critic says before its t-th token. Only the last token is rewarded, and nothing comes after it:
//   δ_t = r_t + γ V_{t+1} − V_t,   A_t = δ_t + γλ A_{t+1}.
// λ = 1: A_t is the discounted reward less V_t; λ = 0: one step ahead.
GeneralisedAdvantages generalised_advantages(std::span<const float> values, double reward, double gamma, double lambda);

// Subtracts the mean of all and divides by their deviation; all the same: zeros.
void whiten(std::span<std::vector<float>> advantages);

// 1 − Var(R − V) / Var(R): 1 if the values tell the returns but for a constant, 0 if they tell nothing, and where all are the same.
double explained_variance(std::span<const double> returns, std::span<const double> values);

}  // namespace minke
