// Whether speculation pays (--spec auto): by the time that steps take with drafts and without, and the tokens that come of
// them. Only the speed depends on it, never the text.
//
// While drafts are used, a step in 32 does without, to know what one takes. What the others lose against it adds up, what they
// gain is taken off, but never below zero. When the loss exceeds four plain steps, drafts are off. They are tried again when
// plain steps have taken 400 times as long as one: so in the long run all tries together lose at most 1 %.
// Test: tests/infer/pace_test.cpp.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace minke {

class Pace {
 public:
  // Whether sequences that begin now are to be followed, so that they can use drafts.
  bool tries() const { return on_ || rest_ <= 0; }
  bool on() const { return on_; }
  // Drafts are used in the next step, of `sequences` answers.
  bool drafts(int64_t sequences) const;
  // Steps with answers only. Plain: without what the module takes.
  void plain_step(int64_t sequences, double seconds);
  void drafted_step(int64_t sequences, double seconds, int64_t tokens);

 private:
  static constexpr double kAllowed = 4, kRest = 100;  // plain steps that may be lost; times as long a rest
  static constexpr int64_t kPlainEvery = 32;
  struct OfSize {  // steps of about as many sequences
    std::array<double, 2> last{};
    int64_t known = 0, drafted = 0;  // plain steps in all; steps with drafts since the last one
    double plain() const { return known < 2 || last[0] < last[1] ? last[0] : last[1]; }
  };
  static size_t index(int64_t sequences);
  std::array<OfSize, 64> sizes_;
  bool on_ = true;
  double lost_ = 0, rest_ = 0;  // seconds
};

}  // namespace minke
