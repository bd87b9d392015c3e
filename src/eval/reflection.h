// Reflection that counts: in a thought, a wrong equation that a later line names as wrong and puts right. Words such as "wait" do
// not count: they may be there without any effect. Beside it the false alarms: equations that are called wrong and were not.
// Reads equations "a op b=c" of whole numbers, and the corrections of the text that a base reads (corpus/thoughts.cpp):
// "19*3=57 not 47". Test: tests/eval/reflection_test.cpp.
#pragma once
#include <cstdint>
#include <string_view>

namespace minke {

struct Reflection {
  int64_t equations = 0;  // without corrections
  int64_t wrong = 0;      // of them
  int64_t caught =
      0;  // of the wrong ones: a later correction has the same sides, says "not" what was said, and is right
  int64_t corrections = 0;   // lines with "not"
  int64_t false_alarms = 0;  // corrections that name a right value, or one that was never said

  void add(const Reflection& other);
};

Reflection reflection_of(std::string_view thought);
// Of the thought in a response to a prompt, which may have begun it.
Reflection reflection_of(std::string_view prompt, std::string_view response);

}  // namespace minke
