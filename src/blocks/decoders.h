// One function per element format: the integers of one block, their scales and minima. Private to blocks.cpp, which holds the
// table of them.
#pragma once
#include <cstdint>
#include <cstring>

#include "blocks/integer_block.h"
#include "blocks/levels.h"
#include "core/types.h"

namespace minke::gguf {

// Numbers of a block: little-endian, as every machine we run on, at any alignment.
template <class T> T at(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// blocks.cpp
void unpack_q4_0(const uint8_t* block, IntegerBlock& out);
void unpack_q4_1(const uint8_t* block, IntegerBlock& out);
void unpack_q5_0(const uint8_t* block, IntegerBlock& out);
void unpack_q5_1(const uint8_t* block, IntegerBlock& out);
void unpack_q8_0(const uint8_t* block, IntegerBlock& out);
void unpack_iq4_nl(const uint8_t* block, IntegerBlock& out);
void unpack_mxfp4(const uint8_t* block, IntegerBlock& out);

// super_blocks.cpp
void unpack_q2_k(const uint8_t* block, IntegerBlock& out);
void unpack_q3_k(const uint8_t* block, IntegerBlock& out);
void unpack_q4_k(const uint8_t* block, IntegerBlock& out);
void unpack_q5_k(const uint8_t* block, IntegerBlock& out);
void unpack_q6_k(const uint8_t* block, IntegerBlock& out);
void unpack_iq4_xs(const uint8_t* block, IntegerBlock& out);
void unpack_tq1_0(const uint8_t* block, IntegerBlock& out);
void unpack_tq2_0(const uint8_t* block, IntegerBlock& out);

// grid_blocks.cpp
void unpack_iq1_s(const uint8_t* block, IntegerBlock& out);
void unpack_iq1_m(const uint8_t* block, IntegerBlock& out);
void unpack_iq2_xxs(const uint8_t* block, IntegerBlock& out);
void unpack_iq2_xs(const uint8_t* block, IntegerBlock& out);
void unpack_iq2_s(const uint8_t* block, IntegerBlock& out);
void unpack_iq3_xxs(const uint8_t* block, IntegerBlock& out);
void unpack_iq3_s(const uint8_t* block, IntegerBlock& out);

// Q4_K and Q5_K: scale and minimum of each of the 8 groups of a block, 6 bits each in 12 bytes. The low 6 bits of bytes 0–3
// are the scales of groups 0–3, of bytes 4–7 their minima. Groups 4–7: 4 low bits in bytes 8–11 (scale below, minimum
// above), 2 high bits at the top of bytes 0–3 (scales) and 4–7 (minima).
struct ScaleAndMin {
  uint8_t scale, min;
};
inline ScaleAndMin scale_and_min(const uint8_t* packed, int group) {
  if (group < 4) return {uint8_t(packed[group] & 63), uint8_t(packed[group + 4] & 63)};
  return {uint8_t((packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4),
          uint8_t((packed[group + 4] >> 4) | (packed[group] >> 6) << 4)};
}

}  // namespace minke::gguf
