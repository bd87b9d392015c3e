#include "spec/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace minke {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

// Long waves are stretched by factor, short ones kept, those between blended (docs/recipe/architecture.md §5.4).
double llama3_frequency(double frequency, const RopeScaling& s) {
  const double wavelength = kTwoPi / frequency, original = double(s.original_max_position_embeddings);
  if (wavelength < original / s.high_freq_factor) return frequency;
  if (wavelength > original / s.low_freq_factor) return frequency / s.factor;
  const double smooth = (original / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1 - smooth) * frequency / s.factor + smooth * frequency;
}

}  // namespace

double yarn_mscale(double factor, double m) { return factor > 1 ? 0.1 * m * std::log(factor) + 1 : 1; }

YarnRange yarn_range(int64_t dim, double theta, int64_t original_positions, double beta_fast, double beta_slow) {
  const auto corr = [&](double rotations) {
    return double(dim) * std::log(double(original_positions) / (kTwoPi * rotations)) / (2 * std::log(theta));
  };
  // Bounded before the conversion: a theta near 1 makes corr larger than any integer.
  const double low = std::clamp(std::floor(corr(beta_fast)), 0.0, double(dim));
  const double high = std::clamp(std::ceil(corr(beta_slow)), -1.0, double(dim - 1));
  return {int64_t(low), int64_t(high)};
}

std::vector<double> rope_frequencies(const Config& config) {
  const RopeScaling& s = config.rope_scaling;
  const int64_t dim = config.rope_dim();
  std::vector<double> frequencies(static_cast<size_t>(dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] = std::pow(config.rope_theta, -2.0 * double(i) / double(dim));
  switch (s.type) {
    case RopeType::none: break;
    case RopeType::linear:
      for (double& f : frequencies) f /= s.factor;
      break;
    case RopeType::llama3:
      for (double& f : frequencies) f = llama3_frequency(f, s);
      break;
    case RopeType::yarn: {
      const auto [low, high] =
          yarn_range(dim, config.rope_theta, s.original_max_position_embeddings, s.beta_fast, s.beta_slow);
      const double width = high == low ? 0.001 : double(high - low);  // as the reference avoids the division by zero
      for (size_t i = 0; i < frequencies.size(); ++i) {
        const double ramp = std::clamp((double(i) - double(low)) / width, 0.0, 1.0);
        frequencies[i] = frequencies[i] * (1 - ramp) + frequencies[i] / s.factor * ramp;
      }
      break;
    }
  }
  return frequencies;
}

double softmax_scale(const Config& config) {
  const double scale = 1 / std::sqrt(double(config.qk_head_dim()));
  const RopeScaling& s = config.rope_scaling;
  if (config.attention != AttentionKind::mla || s.type == RopeType::none || s.mscale_all_dim == 0) return scale;
  const double m = yarn_mscale(s.factor, s.mscale_all_dim);
  return scale * m * m;
}

double rope_table_factor(const Config& config) {
  const RopeScaling& s = config.rope_scaling;
  if (s.type != RopeType::yarn) return 1;
  if (s.attention_factor > 0) return s.attention_factor;
  if (s.mscale != 0 && s.mscale_all_dim != 0)
    return yarn_mscale(s.factor, s.mscale) / yarn_mscale(s.factor, s.mscale_all_dim);
  return yarn_mscale(s.factor, 1);
}

}  // namespace minke
