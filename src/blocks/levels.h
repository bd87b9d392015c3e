// The values that the bits of an element stand for, before the scale: in formats that have a table of them. Tables only: code
// for every instruction set includes this (kernels/cpu/isa).
#pragma once
#include <cstdint>

namespace minke {

// IQ4_NL and IQ4_XS: denser near zero, where weights are.
constexpr int8_t kFourBitLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// MXFP4: twice the numbers of FP4 (E2M1).
constexpr int8_t kTwiceFp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
// Of the vectors of a grid (grids.h). IQ1 has −1, 0, 1; what it shifts them by is in grid_blocks.cpp.
constexpr int8_t kIq1Levels[] = {-1, 0, 1};
constexpr int8_t kIq2Levels[] = {8, 25, 43};
constexpr int8_t kIq3XxsLevels[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr int8_t kIq3SLevels[] = {1, 3, 5, 7, 9, 11, 13, 15};

}  // namespace minke
