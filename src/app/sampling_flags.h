// The flags of sampling, the same for every verb that samples. Only those that are given replace the defaults.
// Test: tests/app/command_line_test.sh.
#pragma once
#include <optional>

#include "infer/sampler.h"

namespace CLI {
class App;
}

namespace minke {

class SamplingFlags {
 public:
  // `usual`: the defaults that --help names.
  void add(CLI::App& verb, const SamplingSettings& usual);
  SamplingSettings over(SamplingSettings defaults) const;

 private:
  std::optional<double> temperature_, top_p_, min_p_, repetition_penalty_, presence_penalty_, frequency_penalty_;
  std::optional<int64_t> top_k_;
};

}  // namespace minke
