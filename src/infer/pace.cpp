#include "infer/pace.h"

#include <algorithm>
#include <bit>

namespace minke {

size_t Pace::index(int64_t sequences) { return size_t(std::bit_width(uint64_t(sequences))) - 1; }

bool Pace::drafts(int64_t sequences) const {
  const OfSize& size = sizes_[index(sequences)];
  return tries() && size.known >= 2 && size.drafted < kPlainEvery;
}

void Pace::plain_step(int64_t sequences, double seconds) {
  OfSize& size = sizes_[index(sequences)];
  size.last[size_t(size.known++ % 2)] = seconds;
  size.drafted = 0;
  if (!on_) rest_ -= seconds;
}

void Pace::drafted_step(int64_t sequences, double seconds, int64_t tokens) {
  OfSize& size = sizes_[index(sequences)];
  const double plain = size.plain();
  ++size.drafted;
  on_ = true;
  if (doubt_ > 0) --doubt_;
  // A step that was held up by something else counts as one of three.
  lost_ = std::max(0.0, lost_ + std::min(seconds, 3 * plain) - plain * double(tokens) / double(sequences));
  if (lost_ <= kAllowed * plain) return;
  if (doubt_ == 0) {
    doubt_ = kDoubt;
    size.known = 0;
    lost_before_ = lost_;
  } else {
    on_ = false;
    rest_ = kRest * (lost_before_ + lost_);
    doubt_ = 0;
  }
  lost_ = 0;
}

}  // namespace minke
