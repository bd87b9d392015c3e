// Element types of tensors and their conversions. bf16 is the upper half of an IEEE binary32 (1-8-7);
// rounding is to nearest, ties to even, NaN stays NaN. Tested in tests/core/types_test.cpp.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace minke {

enum class DType : uint8_t { f64, f32, bf16, f16, f8_e4m3, i64, i32, u8, i8 };

constexpr size_t size_of(DType t) {
  switch (t) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16:
    case DType::f16: return 2;
    case DType::f8_e4m3:
    case DType::u8:
    case DType::i8: return 1;
  }
  return 0;
}

constexpr const char* name_of(DType t) {
  switch (t) {
    case DType::f64: return "f64";
    case DType::f32: return "f32";
    case DType::bf16: return "bf16";
    case DType::f16: return "f16";
    case DType::f8_e4m3: return "f8_e4m3";
    case DType::i64: return "i64";
    case DType::i32: return "i32";
    case DType::u8: return "u8";
    case DType::i8: return "i8";
  }
  return "?";
}

struct bf16 {
  uint16_t bits = 0;
  constexpr bf16() = default;
  constexpr explicit bf16(float x) {
    const uint32_t u = std::bit_cast<uint32_t>(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) bits = uint16_t((u >> 16) | 0x40);  // quiet the NaN, never round it to inf
    else bits = uint16_t((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
  }
  constexpr operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

struct f16 {  // IEEE binary16: read from published files only
  uint16_t bits = 0;
  constexpr operator float() const {
    const uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
    if (exponent) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
    const float subnormal = float(mantissa) * 0x1p-24f;
    return sign ? -subnormal : subnormal;
  }
};

struct f8_e4m3 {  // "fn" variant: bias 7, max 448, no infinities, NaN = S.1111.111 (docs/recipe/training.md §5.2)
  uint8_t bits = 0;
  constexpr operator float() const {
    const uint32_t sign = uint32_t(bits & 0x80) << 24, exponent = (bits >> 3) & 15, mantissa = bits & 7;
    if (exponent == 15 && mantissa == 7) return std::bit_cast<float>(sign | 0x7fc00000u);
    if (exponent) return std::bit_cast<float>(sign | (exponent + 120) << 23 | mantissa << 20);
    const float subnormal = float(mantissa) * 0x1p-9f;
    return sign ? -subnormal : subnormal;
  }
};

template <class T> struct DTypeOf;
template <> struct DTypeOf<double> { static constexpr DType value = DType::f64; };
template <> struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <> struct DTypeOf<bf16> { static constexpr DType value = DType::bf16; };
template <> struct DTypeOf<f16> { static constexpr DType value = DType::f16; };
template <> struct DTypeOf<f8_e4m3> { static constexpr DType value = DType::f8_e4m3; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::i64; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::i32; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::u8; };

}  // namespace minke
