// The grids of IQ1, IQ2 and IQ3: a few vectors of 8 or 4 levels, chosen by the makers of the format among all 3^8 or 8^4,
// and numbered in ascending order (the first level counts least). So a grid is a set, kept as one bit per possible vector.
// For registers a vector is also a word of codes, where code k stands for level k: of 8, byte b has those of elements b (low
// half) and b + 4 (high half); of 4, byte b that of element b. The bits are in grids.inc, made by tools/make_gguf_goldens.py from the tables of the gguf library.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/row_blocks.h"

namespace minke::gguf {

class Grid {
 public:
  // `bits`: a hexadecimal digit for each 4 possible vectors, lowest bit first.
  Grid(const char* bits, std::span<const int8_t> levels, size_t width, size_t vectors);
  const int8_t* operator[](size_t vector) const { return values_.data() + vector * width_; }
  const uint32_t* codes() const { return codes_.data(); }

 private:
  size_t width_;
  std::vector<int8_t> values_;
  std::vector<uint32_t> codes_;
};

const Grid& iq1_grid();      // 2048 vectors of 8
const Grid& iq2_xxs_grid();  // 256 of 8
const Grid& iq2_xs_grid();   // 512 of 8
const Grid& iq2_s_grid();    // 1024 of 8
const Grid& iq3_xxs_grid();  // 256 of 4
const Grid& iq3_s_grid();    // 512 of 4
// The words of a format's grid; nullptr if it has none.
const uint32_t* grid_codes(BlockFormat format);

}  // namespace minke::gguf
