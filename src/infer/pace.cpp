#include "infer/pace.h"

#include <algorithm>
#include <bit>

namespace minke {

size_t Pace::index(int64_t sequences) { return size_t(std::bit_width(uint64_t(sequences))) - 1; }

bool Pace::drafts(int64_t sequences) const {
  const OfSize& size = sizes_[index(sequences)];
  return tries() && size.known >= 2 && size.drafted < kPlainEvery;
}

// What the module took before anything came of it, or (below zero) what drafts gained, in a step that took so long.
void Pace::owe(const OfSize& size, double step, double seconds) {
  owed_ = std::max(owed_ + seconds, -kSaved * size.plain());
  since_ = owed_ > 0 ? since_ + step : 0;
}

void Pace::plain_step(int64_t sequences, double seconds, double module) {
  OfSize& size = sizes_[index(sequences)];
  size.last[size_t(size.known++ % 2)] = seconds;
  size.drafted = 0;
  if (!on_) rest_ -= seconds;
  owe(size, seconds + module, module);
}

void Pace::prompt_step(int64_t answers, double seconds, double module, int64_t accepted) {
  const OfSize& size = sizes_[index(std::max<int64_t>(answers, 1))];
  const double gained = answers > 0 ? size.plain() * double(accepted) / double(answers) : 0;
  owe(size, seconds + module, module - gained);
}

void Pace::drafted_step(int64_t sequences, double seconds, int64_t tokens) {
  OfSize& size = sizes_[index(sequences)];
  const double plain = size.plain(), worth = plain * double(tokens) / double(sequences);
  ++size.drafted;
  on_ = true;
  if (doubt_ > 0) --doubt_;
  owe(size, seconds, std::min(seconds - worth, 0.0));
  // One step that was held up by something else counts as one of three.
  lost_ = std::max(0.0, lost_ + std::min(seconds, std::max(3 * plain, before_)) - worth);
  before_ = seconds;
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
