// The names of built-in sources: "builtin:chats:en*2000", a name, perhaps what is chosen, perhaps how many. Tested in
// tests/corpus/chats_test.cpp and tests/corpus/task_source_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace minke {

// Whether a source is of this name, well written or not.
bool is_named(std::string_view source, std::string_view name);

struct SourceText {
  std::string_view chosen;  // behind the name: ":en", or ""
  int64_t count = 0;
};
// Of a source of this name; `usual` many where it says no number. UserError, beginning with `where`, for what is no number from 1 to `most`;
// `advice` is what to write instead.
SourceText split_source(std::string_view source, std::string_view name, int64_t usual, int64_t most,
                        std::string_view where, std::string_view advice);

}  // namespace minke
