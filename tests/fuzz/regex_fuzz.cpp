// libFuzzer: any pattern is refused or finds matches that are in order and within any text; up to the first newline the
// pattern, behind it the text.
#include "tokenize/regex.h"

#include <algorithm>
#include <cstdint>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), std::min<size_t>(size, 300));
  const size_t newline = std::min(all.find('\n'), all.size());
  const std::string_view text = all.substr(std::min(newline + 1, all.size()));
  try {
    const minke::Regex regex(all.substr(0, newline), "fuzz");
    std::vector<minke::Match> matches;
    regex.find_all(text, matches);
    size_t end = 0;
    for (const minke::Match& m : matches) {
      if (m.first < end || m.end < m.first || m.end > text.size()) __builtin_trap();
      end = m.end;
    }
  } catch (const minke::UserError&) {
  }
  return 0;
}
