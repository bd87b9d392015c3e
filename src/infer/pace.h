// Whether speculation pays (--spec auto): by the time that steps take with drafts and without, and the tokens that come of
// them. Only the speed depends on it, never the text.
//
// While drafts are used, a step in 32 does without, to know what one takes. What the others lose against it adds up, what they
// gain is taken off, but never below zero. When the loss exceeds two plain steps, plain steps are measured anew, as the whole
// machine may have become slower; when it does so a second time within 200 steps, drafts are off. They are tried again when plain
// steps have taken 200 times as long as what was lost: so in the long run all tries together lose half a percent.
//
// The module also takes the tokens of prompts, before anything can come of it. That is owed until drafts have gained it; while more
// than a percent of the time is owed, sequences that begin are not followed: as where prompts are long and answers short.
// Test: tests/infer/pace_test.cpp.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace minke {

class Pace {
 public:
  // Whether sequences that begin now are to be followed, so that they can use drafts.
  bool follows_new() const { return tries() && owed_ <= kMayOwe * since_; }
  bool tries() const { return on_ || rest_ <= 0; }
  bool on() const { return on_; }
  // Drafts are used in the next step, of `sequences` answers.
  bool drafts(int64_t sequences) const;
  // Steps with answers only, and what the module takes behind a plain one; `seconds` of a drafted one are with it.
  void plain_step(int64_t sequences, double seconds, double module = 0);
  void drafted_step(int64_t sequences, double seconds, int64_t tokens);
  // Steps with prompts, and the tokens that came of drafts of the answers in them.
  void prompt_step(int64_t answers, double seconds, double module, int64_t accepted);

 private:
  static constexpr double kAllowed = 2, kRest = 200;        // plain steps that may be lost; times as long a rest
  static constexpr double kMayOwe = 0.01, kSaved = 100;     // of the time; plain steps that are kept of what was gained
  static constexpr int64_t kPlainEvery = 32, kDoubt = 200;  // steps with drafts
  struct OfSize {                                           // steps of about as many sequences
    std::array<double, 2> last{};
    int64_t known = 0, drafted = 0;  // plain steps in all; steps with drafts since the last one
    double plain() const { return known < 2 || last[0] < last[1] ? last[0] : last[1]; }
  };
  static size_t index(int64_t sequences);
  void owe(const OfSize& size, double step, double seconds);
  std::array<OfSize, 64> sizes_;
  bool on_ = true;
  double before_ = 0;                             // seconds of the last step with drafts
  double owed_ = 0, since_ = 0;                   // below zero: gained; seconds since something is owed
  int64_t doubt_ = 0;                             // steps with drafts until the first loss is forgotten
  double lost_ = 0, lost_before_ = 0, rest_ = 0;  // seconds
};

}  // namespace minke
