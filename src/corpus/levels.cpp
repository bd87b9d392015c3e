#include "corpus/levels.h"

#include <bit>

#include "core/error.h"

namespace minke {

Levels Levels::range(LevelRange range) {
  Levels levels;
  for (int level = range.first; level > 0 && level <= range.last; ++level) levels.bits |= uint32_t(1) << level;
  return levels;
}

int Levels::count() const { return std::popcount(bits); }

int Levels::nth(int n) const {
  for (int level = 1; level < 32; ++level)
    if (has(level) && n-- == 0) return level;
  check(false, "a level of the set");
  return 0;
}

Levels parse_levels(std::string_view text, LevelRange allowed, std::string_view where) {
  if (allowed.last == 0) user_error("{}: this kind has no levels; leave \":{}\" out", where, printable(text));
  const auto refuse = [&] {
    if (allowed.first == allowed.last)
      user_error("{}: \"{}\" names no level; there is only {}", where, printable(text), allowed.first);
    user_error("{}: \"{}\" names no levels from {} to {}. Write one as {}, several as {}-{} or {},{}", where,
               printable(text), allowed.first, allowed.last, allowed.first, allowed.first, allowed.last, allowed.first,
               allowed.last);
  };
  size_t at = 0;
  const auto number = [&] {
    int value = 0;
    const size_t begin = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && at - begin < 3; ++at)
      value = value * 10 + (text[at] - '0');
    if (at == begin || value < allowed.first || value > allowed.last) refuse();
    return value;
  };
  Levels levels;
  for (;;) {
    const int first = number();
    int last = first;
    if (at < text.size() && text[at] == '-') ++at, last = number();
    if (last < first) refuse();
    levels.bits |= Levels::range({first, last}).bits;
    if (at == text.size()) return levels;
    if (text[at] != ',') refuse();
    ++at;
  }
}

}  // namespace minke
