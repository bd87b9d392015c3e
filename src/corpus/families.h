// Families of word problems: each has some levels, and one is drawn among the families of a level. Tested in
// tests/corpus/tasks_test.cpp.
#pragma once
#include <string_view>

#include "core/error.h"
#include "corpus/tasks.h"

namespace minke::corpus {

template <class Maker> struct Family {
  std::string_view name;
  int first_level, last_level;
  Task (*make)(Maker&);
};

// A task of one of the families that have maker.level, each with the same chance. maker has the members level,
// family and e (an Expander).
template <class Maker, size_t N> Task make_of_level(Maker& maker, const Family<Maker> (&families)[N]) {
  check(maker.level >= kMinTaskLevel && maker.level <= kMaxTaskLevel, "task level is 1 to 5");
  for (;;) {
    const Family<Maker>& family = families[maker.e.below(N)];
    if (maker.level < family.first_level || maker.level > family.last_level) continue;
    maker.family = family.name;
    return family.make(maker);
  }
}

}  // namespace minke::corpus
