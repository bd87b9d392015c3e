// Levels of difficulty: which of them are wanted, as users write it ("3", "1-3", "2,4"). Tested in
// tests/corpus/levels_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/rng.h"

namespace minke {

struct LevelRange {
  int first = 0, last = 0;  // 0, 0: there are no levels
  bool operator==(const LevelRange&) const = default;
};

// A set of levels from 1 to 31; an empty one means the usual levels of what it is used for.
struct Levels {
  uint32_t bits = 0;

  static Levels range(LevelRange range);
  bool empty() const { return bits == 0; }
  bool has(int level) const { return level > 0 && level < 32 && (bits >> level & 1); }
  int count() const;
  int nth(int n) const;  // from 0: the n-th smallest
  // Each with the same chance; the set must not be empty.
  int pick(Rng& rng) const { return nth(int(rng.below(uint64_t(count())))); }
  bool operator==(const Levels&) const = default;
};

// "3", "1-3", "2,4", "1-2,5". UserError where the text says something else or a level is outside `allowed`; `where` names
// the flag or the kind: "--task countdown:7".
Levels parse_levels(std::string_view text, LevelRange allowed, std::string_view where);

}  // namespace minke
