// How many units hold n. Used everywhere; its tests are those of its users.
#pragma once
#include <cstdint>

namespace minke {

constexpr int64_t divided_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit; }

}  // namespace minke
