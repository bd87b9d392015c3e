// Texts that come in pieces. Test: tests/chat/text_stream_test.cpp.
#pragma once
#include <algorithm>
#include <string_view>

namespace minke {

// How many bytes at the end of text are the beginning of `word`, but not all of it.
inline size_t begun_at_end(std::string_view text, std::string_view word) {
  for (size_t n = std::min(word.empty() ? 0 : word.size() - 1, text.size()); n > 0; --n)
    if (text.ends_with(word.substr(0, n))) return n;
  return 0;
}

}  // namespace minke
