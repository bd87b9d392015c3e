#include "blocks/grids.h"

#include <cstring>

#include "core/error.h"

namespace minke::gguf {
namespace {

#include "blocks/grids.inc"

}  // namespace

Grid::Grid(const char* bits, std::initializer_list<int8_t> levels, size_t width, size_t vectors) : width_(width) {
  values_.reserve(vectors * width);
  size_t possible = 1;
  for (size_t i = 0; i < width; ++i) possible *= levels.size();
  check_equal(std::strlen(bits), (possible + 3) / 4, "Grid: digits");
  for (size_t code = 0; code < possible; ++code) {
    const char digit = bits[code / 4];
    const int nibble = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    if (!(nibble >> code % 4 & 1)) continue;
    for (size_t i = 0, rest = code; i < width; ++i, rest /= levels.size())
      values_.push_back(levels.begin()[rest % levels.size()]);
  }
  check_equal(values_.size(), vectors * width, "Grid: vectors");
}

const Grid& iq1_grid() {
  static const Grid grid(kIq1, {-1, 0, 1}, 8, 2048);
  return grid;
}
const Grid& iq2_xxs_grid() {
  static const Grid grid(kIq2Xxs, {8, 25, 43}, 8, 256);
  return grid;
}
const Grid& iq2_xs_grid() {
  static const Grid grid(kIq2Xs, {8, 25, 43}, 8, 512);
  return grid;
}
const Grid& iq2_s_grid() {
  static const Grid grid(kIq2S, {8, 25, 43}, 8, 1024);
  return grid;
}
const Grid& iq3_xxs_grid() {
  static const Grid grid(kIq3Xxs, {4, 12, 20, 28, 36, 44, 52, 62}, 4, 256);
  return grid;
}
const Grid& iq3_s_grid() {
  static const Grid grid(kIq3S, {1, 3, 5, 7, 9, 11, 13, 15}, 4, 512);
  return grid;
}

}  // namespace minke::gguf
