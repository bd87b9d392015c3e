// What all quantised formats but FP8 come to: integers of 8 bits, and for each group of them a scale and, in some formats,
// a minimum. Value e of group g is scale[g] · q[e] (+ min[g]), in FP32, exactly as the makers of the formats compute it.
#pragma once
#include <cstdint>

namespace minke {

struct IntegerBlock {
  int8_t q[256];    // as many as the block has elements
  float scale[16];  // of groups of 16 or 32 elements (BlockFormatInfo::group)
  float min[16];    // where the format has minima
};

}  // namespace minke
