// How long something takes.
#pragma once
#include <chrono>
#include <cstdint>
#include <ctime>

namespace minke {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Seconds since 1970.
inline int64_t unix_time() { return int64_t(std::time(nullptr)); }

}  // namespace minke
