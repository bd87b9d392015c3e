#include "blocks/grids.h"

#include <cstring>

#include "blocks/levels.h"
#include "core/error.h"

namespace minke::gguf {
namespace {

#include "blocks/grids.inc"

}  // namespace

Grid::Grid(const char* bits, std::span<const int8_t> levels, size_t width, size_t vectors) : width_(width) {
  values_.reserve(vectors * width);
  size_t possible = 1;
  for (size_t i = 0; i < width; ++i) possible *= levels.size();
  check_equal(std::strlen(bits), (possible + 3) / 4, "Grid: digits");
  for (size_t code = 0; code < possible; ++code) {
    const char digit = bits[code / 4];
    const int nibble = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    if (!(nibble >> code % 4 & 1)) continue;
    uint32_t word = 0;
    for (size_t i = 0, rest = code; i < width; ++i, rest /= levels.size()) {
      values_.push_back(levels[rest % levels.size()]);
      word |= uint32_t(rest % levels.size()) << (i % 4 * 8 + i / 4 * 4);
    }
    codes_.push_back(word);
  }
  check_equal(values_.size(), vectors * width, "Grid: vectors");
}

const Grid& iq1_grid() {
  static const Grid grid(kIq1, kIq1Levels, 8, 2048);
  return grid;
}
const Grid& iq2_xxs_grid() {
  static const Grid grid(kIq2Xxs, kIq2Levels, 8, 256);
  return grid;
}
const Grid& iq2_xs_grid() {
  static const Grid grid(kIq2Xs, kIq2Levels, 8, 512);
  return grid;
}
const Grid& iq2_s_grid() {
  static const Grid grid(kIq2S, kIq2Levels, 8, 1024);
  return grid;
}
const Grid& iq3_xxs_grid() {
  static const Grid grid(kIq3Xxs, kIq3XxsLevels, 4, 256);
  return grid;
}
const Grid& iq3_s_grid() {
  static const Grid grid(kIq3S, kIq3SLevels, 4, 512);
  return grid;
}

const uint32_t* grid_codes(BlockFormat format) {
  switch (format) {
    case BlockFormat::iq1_s:
    case BlockFormat::iq1_m: return iq1_grid().codes();
    case BlockFormat::iq2_xxs: return iq2_xxs_grid().codes();
    case BlockFormat::iq2_xs: return iq2_xs_grid().codes();
    case BlockFormat::iq2_s: return iq2_s_grid().codes();
    case BlockFormat::iq3_xxs: return iq3_xxs_grid().codes();
    case BlockFormat::iq3_s: return iq3_s_grid().codes();
    default: return nullptr;
  }
}

}  // namespace minke::gguf
