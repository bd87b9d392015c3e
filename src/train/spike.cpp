#include "train/spike.h"

#include <cmath>
#include <cstddef>
#include <numeric>

namespace minke {

bool SpikeGuard::is_spike(double loss) const {
  if (!std::isfinite(loss)) return true;
  if (jump_ <= 0 || window_.size() < kArmedAfter) return false;
  const double mean = std::accumulate(window_.begin(), window_.end(), 0.0) / double(window_.size());
  return loss > mean + jump_;
}

void SpikeGuard::add_good(double loss) {
  window_.push_back(loss);
  if (window_.size() > kWindow) window_.erase(window_.begin());
}

}  // namespace minke
