// From one form of a checkpoint to another: a GGUF file to a folder that training can go on from, a folder to a GGUF file,
// BF16 to FP8 blocks and back. Streams: in memory is a piece of one tensor. What is written appears complete and tested
// (self_test.h), or not at all. Test: tests/convert/convert_test.cpp, tests/app/convert_test.sh.
#pragma once
#include <functional>
#include <optional>
#include <string_view>

#include "convert/self_test.h"

namespace minke {

struct ConvertSettings {
  fs::path from, to;  // `to` is a GGUF file if its name ends in .gguf, else a folder
  WeightType type = WeightType::keep;
  std::optional<WeightType> experts;                // the routed ones, if in another type than the rest
  std::function<void(const std::string&)> on_note;  // a line for people, before the work begins
  std::function<void(std::string_view stage, size_t done, size_t all)> on_progress;  // bytes
};

// UserError if there is something at `to` already.
SelfTest convert(const Context& ctx, const ConvertSettings& settings);
// The same of random weights: `from` is a config.json (random_weights.h). Not read again to test it.
void write_random(const ConvertSettings& settings, uint64_t seed);

}  // namespace minke
