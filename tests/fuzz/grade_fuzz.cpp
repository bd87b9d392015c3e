// libFuzzer: any response and reference have a grade: strict and lenient between 0 and 1, the first not above the second,
// and a reason. The first byte chooses the kind; a zero byte stands between the reference and the response.
#include <cstdint>
#include <string_view>

#include "reward/grade_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto kind = minke::GradeKind(data[0] / 2 % 5);
  const auto thought = minke::Thought(data[0] % 2);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t zero = text.find('\0');
  const std::string_view reference = text.substr(0, zero), response = zero == text.npos ? text : text.substr(zero + 1);
  minke::Reference held_against;
  if (kind == minke::GradeKind::math) held_against = std::string(reference);
  if (kind == minke::GradeKind::countdown) held_against = minke::CountdownTask{{3, 4, 6, 8}, 24};
  if (kind == minke::GradeKind::language) held_against = minke::ThoughtLanguage::zh;
  const minke::Grade g = minke::grade(kind, response, held_against, thought);
  if (!(g.strict >= 0 && g.strict <= g.lenient && g.lenient <= 1) || g.reason.empty()) __builtin_trap();
  return 0;
}
