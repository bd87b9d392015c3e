// The element types that a conversion can ask for. Test: tests/convert/convert_test.cpp.
#pragma once
#include <cstdint>

#include "core/enum_names.h"

namespace minke {

enum class WeightType : uint8_t { keep, f32, bf16, fp8, q8_0, q4_0, q4_k };
template <> struct EnumNames<WeightType> {
  static constexpr EnumName<WeightType> all[] = {
      {WeightType::keep, "keep"}, {WeightType::f32, "f32"},   {WeightType::bf16, "bf16"}, {WeightType::fp8, "fp8"},
      {WeightType::q8_0, "q8_0"}, {WeightType::q4_0, "q4_0"}, {WeightType::q4_k, "q4_k"}};
};

}  // namespace minke
