// Detects loss spikes. A loss that is not finite, or that jumps above the mean of the last good steps, comes from a bad
// batch or from damaged weights. V3 had neither "irrecoverable loss spikes" nor rollbacks (§1); other runs may need both
// to be handled. The guard is part of the resumable state. Test: tests/train/spike_test.cpp.
#pragma once
#include <cstddef>
#include <vector>

namespace minke {

class SpikeGuard {
 public:
  static constexpr size_t kWindow = 50, kArmedAfter = 20;  // good steps
  // jump: how many nats above the mean of the window count as a spike; 0 = only a loss that is not finite is a spike.
  explicit SpikeGuard(double jump = 0) : jump_(jump) { window_.reserve(kWindow + 1); }

  bool is_spike(double loss) const;
  void add_good(double loss);

  const std::vector<double>& window() const { return window_; }
  void restore(const std::vector<double>& window) { window_.assign(window.begin(), window.end()); }

 private:
  double jump_;
  std::vector<double> window_;
};

}  // namespace minke
