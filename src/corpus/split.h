// Training and test problems are kept apart by the problem itself: a hash of its canonical form decides, one in ten is
// for tests. So the tasks of any test seed, also of one that is chosen later, are none of those that a text or a task of
// the training side ever held. Tested in tests/corpus/split_test.cpp.
//
// The canonical form has no names, no wording and no order: the family and the sorted numbers of a word problem (the
// Chinese and the English form of a family count as one); the sorted numbers and the target of a countdown; the whole
// chain; the rules of a puzzle under the renaming that comes first; the stages of a code exercise.
// A fact (one operation on numbers up to 200, such as 3 + 4) is no problem but something to know: facts are always on
// the training side. Solutions show no test problem either: where equations follow from each other, in any text with
// equations, they work out no chain and no countdown of the test side (chains.h).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/enum_names.h"
#include "core/error.h"
#include "core/rng.h"

namespace minke {

enum class TaskSplit : uint8_t { train, test };
template <> struct EnumNames<TaskSplit> {
  static constexpr EnumName<TaskSplit> all[] = {{TaskSplit::train, "train"}, {TaskSplit::test, "test"}};
};

inline constexpr uint64_t kTestShare = 10;  // one in so many canonical forms is for tests
inline constexpr int64_t kLargestFact = 200;

TaskSplit split_of(std::string_view canonical);

// The numbers of a text in their order; "twice", "three times" … count as 2, 3 …. Digits beyond the 18th are left out.
std::vector<int64_t> numbers_in(std::string_view text);
// "family 3 7 25": the form of a problem that is told by its family and its numbers. Where the family is an operation
// (add, subtract, multiply, divide) and the numbers are small, it is a fact: "fact …".
std::string canonical_form(std::string_view family, std::string_view question);

namespace corpus {

// The first of make(rng), make(other draws of the same key) … that fits.
template <class Make, class Fits> auto first_that_fits(Rng rng, Make&& make, Fits&& fits) {
  constexpr uint64_t kMost = 100'000;
  for (uint64_t again = 0;; ++again) {
    auto made = make(again ? Rng{rng.key.at("again").at(again)} : rng);
    if (fits(made)) return made;
    check(again < kMost, "both sides of the split have problems of every kind and level");
  }
}

}  // namespace corpus
}  // namespace minke
