// A Config in words and figures, for `minke inspect`: architecture, exact parameters by part, cache bytes, FLOPs.
// Test: tests/spec/describe_test.cpp.
#pragma once
#include <cstdint>
#include <string>

#include "spec/config.h"
#include "spec/parameters.h"

namespace minke {

// Lines for people; `context` is the number of tokens for which the cache is sized.
std::string describe_text(const Config& config, int64_t context);
// The same figures, exact, by name.
Json describe_json(const Config& config, int64_t context);

std::string with_commas(int64_t n);     // 671,026,419,200
std::string short_count(double n);      // 671.03B
std::string short_bytes(double bytes);  // 68.62 KiB

}  // namespace minke
