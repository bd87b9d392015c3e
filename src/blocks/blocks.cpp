#include "blocks/blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "blocks/decoders.h"
#include "blocks/strips.h"
#include "core/divided_up.h"
#include "core/error.h"

namespace minke {
namespace gguf {
namespace {

// A block of 32 values with 4 bits each: the first 16 are the low halves of the bytes, the next 16 the high halves.
// value(q, k) is integer k from its 4 bits q.
template <class Value> void each_nibble(const uint8_t* packed, IntegerBlock& out, Value value) {
  for (int k = 0; k < 16; ++k) {
    out.q[k] = int8_t(value(packed[k] & 15, k));
    out.q[k + 16] = int8_t(value(packed[k] >> 4, k + 16));
  }
}

template <class T> void decode_plain(const uint8_t* values, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = float(at<T>(values + i * int64_t(sizeof(T))));
}

void decode_fp8(const uint8_t* values, int64_t count, float* out) {
  static const auto table = [] {
    std::array<float, 256> all{};
    for (int bits = 0; bits < 256; ++bits) all[size_t(bits)] = float(f8_e4m3{uint8_t(bits)});
    return all;
  }();
  for (int64_t i = 0; i < count; ++i) out[i] = table[values[i]];
}

// Many blocks with the function for one.
template <void (*unpack)(const uint8_t*, IntegerBlock&), int elements, int64_t bytes, int group, bool has_min>
void decode_all(const uint8_t* blocks, int64_t count, float* out) {
  IntegerBlock b;
  for (int64_t i = 0; i < count; ++i, blocks += bytes, out += elements) {
    unpack(blocks, b);
    for (int g = 0; g < elements / group; ++g)
      for (int e = g * group; e < (g + 1) * group; ++e) {
        const float product = b.scale[g] * float(b.q[e]);
        out[e] = has_min ? product + b.min[g] : product;
      }
  }
}

}  // namespace

void unpack_q4_0(const uint8_t* block, IntegerBlock& out) {
  out.scale[0] = at<f16>(block);
  each_nibble(block + 2, out, [](int q, int) { return q - 8; });
}

void unpack_q4_1(const uint8_t* block, IntegerBlock& out) {
  out.scale[0] = at<f16>(block), out.min[0] = at<f16>(block + 2);
  each_nibble(block + 4, out, [](int q, int) { return q; });
}

void unpack_q5_0(const uint8_t* block, IntegerBlock& out) {
  out.scale[0] = at<f16>(block);
  const uint32_t fifth = at<uint32_t>(block + 2);  // bits
  each_nibble(block + 6, out, [=](int q, int k) { return (q | int(fifth >> k & 1) << 4) - 16; });
}

void unpack_q5_1(const uint8_t* block, IntegerBlock& out) {
  out.scale[0] = at<f16>(block), out.min[0] = at<f16>(block + 2);
  const uint32_t fifth = at<uint32_t>(block + 4);
  each_nibble(block + 8, out, [=](int q, int k) { return q | int(fifth >> k & 1) << 4; });
}

void unpack_q8_0(const uint8_t* block, IntegerBlock& out) {
  out.scale[0] = at<f16>(block);
  std::memcpy(out.q, block + 2, 32);
}

void unpack_iq4_nl(const uint8_t* block, IntegerBlock& out) {
  out.scale[0] = at<f16>(block);
  each_nibble(block + 2, out, [](int q, int) { return kFourBitLevels[q]; });
}

// FP4 (E2M1) with a power of two per block, the MXFP4 of the OCP Microscaling specification. The table has twice the value
// of each number, so the scale is halved: 2^(byte − 128).
void unpack_mxfp4(const uint8_t* block, IntegerBlock& out) {
  const uint32_t exponent = block[0];
  out.scale[0] = std::bit_cast<float>(exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23);
  each_nibble(block + 1, out, [](int q, int) { return kTwiceFp4[q]; });
}

}  // namespace gguf

namespace {

// In the order of BlockFormat.
constexpr BlockFormatInfo kInfos[] = {
    {BlockFormat::f32, "F32", 0, 1, 4, 0, false, nullptr, gguf::decode_plain<float>},
    {BlockFormat::f16, "F16", 1, 1, 2, 0, false, nullptr, gguf::decode_plain<f16>},
    {BlockFormat::bf16, "BF16", 30, 1, 2, 0, false, nullptr, gguf::decode_plain<bf16>},
    {BlockFormat::q4_0, "Q4_0", 2, 32, 18, 32, false, gguf::unpack_q4_0,
     gguf::decode_all<gguf::unpack_q4_0, 32, 18, 32, false>},
    {BlockFormat::q4_1, "Q4_1", 3, 32, 20, 32, true, gguf::unpack_q4_1,
     gguf::decode_all<gguf::unpack_q4_1, 32, 20, 32, true>},
    {BlockFormat::q5_0, "Q5_0", 6, 32, 22, 32, false, gguf::unpack_q5_0,
     gguf::decode_all<gguf::unpack_q5_0, 32, 22, 32, false>},
    {BlockFormat::q5_1, "Q5_1", 7, 32, 24, 32, true, gguf::unpack_q5_1,
     gguf::decode_all<gguf::unpack_q5_1, 32, 24, 32, true>},
    {BlockFormat::q8_0, "Q8_0", 8, 32, 34, 32, false, gguf::unpack_q8_0,
     gguf::decode_all<gguf::unpack_q8_0, 32, 34, 32, false>},
    {BlockFormat::iq4_nl, "IQ4_NL", 20, 32, 18, 32, false, gguf::unpack_iq4_nl,
     gguf::decode_all<gguf::unpack_iq4_nl, 32, 18, 32, false>},
    {BlockFormat::mxfp4, "MXFP4", 39, 32, 17, 32, false, gguf::unpack_mxfp4,
     gguf::decode_all<gguf::unpack_mxfp4, 32, 17, 32, false>},
    {BlockFormat::q2_k, "Q2_K", 10, 256, 84, 16, true, gguf::unpack_q2_k,
     gguf::decode_all<gguf::unpack_q2_k, 256, 84, 16, true>},
    {BlockFormat::q3_k, "Q3_K", 11, 256, 110, 16, false, gguf::unpack_q3_k,
     gguf::decode_all<gguf::unpack_q3_k, 256, 110, 16, false>},
    {BlockFormat::q4_k, "Q4_K", 12, 256, 144, 32, true, gguf::unpack_q4_k,
     gguf::decode_all<gguf::unpack_q4_k, 256, 144, 32, true>},
    {BlockFormat::q5_k, "Q5_K", 13, 256, 176, 32, true, gguf::unpack_q5_k,
     gguf::decode_all<gguf::unpack_q5_k, 256, 176, 32, true>},
    {BlockFormat::q6_k, "Q6_K", 14, 256, 210, 16, false, gguf::unpack_q6_k,
     gguf::decode_all<gguf::unpack_q6_k, 256, 210, 16, false>},
    {BlockFormat::iq4_xs, "IQ4_XS", 23, 256, 136, 32, false, gguf::unpack_iq4_xs,
     gguf::decode_all<gguf::unpack_iq4_xs, 256, 136, 32, false>},
    {BlockFormat::tq1_0, "TQ1_0", 34, 256, 54, 32, false, gguf::unpack_tq1_0,
     gguf::decode_all<gguf::unpack_tq1_0, 256, 54, 32, false>},
    {BlockFormat::tq2_0, "TQ2_0", 35, 256, 66, 32, false, gguf::unpack_tq2_0,
     gguf::decode_all<gguf::unpack_tq2_0, 256, 66, 32, false>},
    {BlockFormat::iq1_s, "IQ1_S", 19, 256, 50, 32, false, gguf::unpack_iq1_s,
     gguf::decode_all<gguf::unpack_iq1_s, 256, 50, 32, false>},
    {BlockFormat::iq1_m, "IQ1_M", 29, 256, 56, 16, false, gguf::unpack_iq1_m,
     gguf::decode_all<gguf::unpack_iq1_m, 256, 56, 16, false>},
    {BlockFormat::iq2_xxs, "IQ2_XXS", 16, 256, 66, 32, false, gguf::unpack_iq2_xxs,
     gguf::decode_all<gguf::unpack_iq2_xxs, 256, 66, 32, false>},
    {BlockFormat::iq2_xs, "IQ2_XS", 17, 256, 74, 16, false, gguf::unpack_iq2_xs,
     gguf::decode_all<gguf::unpack_iq2_xs, 256, 74, 16, false>},
    {BlockFormat::iq2_s, "IQ2_S", 22, 256, 82, 16, false, gguf::unpack_iq2_s,
     gguf::decode_all<gguf::unpack_iq2_s, 256, 82, 16, false>},
    {BlockFormat::iq3_xxs, "IQ3_XXS", 18, 256, 98, 32, false, gguf::unpack_iq3_xxs,
     gguf::decode_all<gguf::unpack_iq3_xxs, 256, 98, 32, false>},
    {BlockFormat::iq3_s, "IQ3_S", 21, 256, 110, 32, false, gguf::unpack_iq3_s,
     gguf::decode_all<gguf::unpack_iq3_s, 256, 110, 32, false>},
    {BlockFormat::f8_e4m3, "F8_E4M3", kNotInFiles, 1, 1, 0, false, nullptr, gguf::decode_fp8},
};
// Numbers that a file may hold and minke does not read: integers, formats of activations, and formats no longer or not yet
// in use for weights.
constexpr struct {
  uint32_t file_id;
  const char* name;
} kOthers[] = {{4, "Q4_2"},      {5, "Q4_3"},      {9, "Q8_1"},        {15, "Q8_K"},       {24, "I8"},
               {25, "I16"},      {26, "I32"},      {27, "I64"},        {28, "F64"},        {31, "Q4_0_4_4"},
               {32, "Q4_0_4_8"}, {33, "Q4_0_8_8"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"},
               {40, "NVFP4"},    {41, "Q1_0"},     {42, "Q2_0"}};

}  // namespace

std::span<const BlockFormatInfo> block_formats() { return {kInfos, std::size(kInfos) - 1}; }

const BlockFormatInfo& info_of(BlockFormat format) {
  const size_t index = size_t(format);
  check(index < std::size(kInfos) && kInfos[index].format == format,
        "block formats are listed in the order of BlockFormat");
  return kInfos[index];
}

const BlockFormatInfo* find_block_format(uint32_t file_id) {
  for (const BlockFormatInfo& info : block_formats())
    if (info.file_id == file_id) return &info;
  return nullptr;
}

const BlockFormatInfo* find_block_format(std::string_view name) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; };
  for (const BlockFormatInfo& info : block_formats()) {
    const std::string_view known = info.name;
    if (std::equal(known.begin(), known.end(), name.begin(), name.end(), [&](char a, char b) { return a == upper(b); }))
      return &info;
  }
  return nullptr;
}

std::string block_format_text(uint32_t file_id) {
  if (const BlockFormatInfo* known = find_block_format(file_id)) return known->name;
  for (const auto& other : kOthers)
    if (other.file_id == file_id) return other.name;
  return fmt::format("{}, which is unknown", file_id);
}

int64_t row_bytes(BlockFormat format, int64_t elements) {
  const BlockFormatInfo& info = info_of(format);
  check(elements % info.block_elements == 0, "row_bytes: a row is whole blocks");
  return elements / info.block_elements * info.block_bytes;
}

void dequantise(BlockFormat format, std::span<const std::byte> blocks, std::span<float> values) {
  const BlockFormatInfo& info = info_of(format);
  check_equal(int64_t(blocks.size()), row_bytes(format, int64_t(values.size())), "dequantise: bytes");
  info.decode(reinterpret_cast<const uint8_t*>(blocks.data()), int64_t(values.size()) / info.block_elements,
              values.data());
}

void decode_row(std::span<const RowBlocks> parts, int64_t row, std::span<float> values) {
  while (parts.size() > 1 && parts[1].first_row <= row) parts = parts.subspan(1);
  const RowBlocks& part = parts[0];
  row -= part.first_row;
  const auto* bytes = static_cast<const std::byte*>(part.rows) + row * part.row_bytes;
  std::vector<std::byte> taken;
  if (part.strip > 0) {
    taken.resize(size_t(part.row_bytes));
    const int64_t in_strip = row % part.strip;
    take_row(info_of(part.format), part.strip, bytes - in_strip * part.row_bytes, part.row_bytes, int(in_strip),
             taken.data());
    bytes = taken.data();
  }
  dequantise(part.format, {bytes, size_t(part.row_bytes)}, values);
  if (part.format != BlockFormat::f8_e4m3) return;
  const int64_t block = part.scale_block, columns = int64_t(values.size());
  const float* scales = part.scales + row / block * divided_up(columns, block);
  for (int64_t begin = 0; begin < columns; begin += block, ++scales)
    for (int64_t k = begin; k < std::min(begin + block, columns); ++k) values[size_t(k)] *= *scales;
}

}  // namespace minke
