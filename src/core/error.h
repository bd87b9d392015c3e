// Two kinds of failure. UserError: the user's input is wrong. One message says what, where, which values and what to do;
// exit code 2. BugError (thrown by check): a bug in minke. The message has both values and the place; exit code 1.
#pragma once
#include <fmt/core.h>

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace minke {

struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct BugError : std::logic_error {
  using std::logic_error::logic_error;
};

template <class... Args> [[noreturn]] void user_error(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

#ifdef __cpp_lib_source_location
using SourceLocation = std::source_location;
#else  // clang 14 has the builtins, but not the one that libstdc++ asks for
struct SourceLocation {
  const char* file;
  const char* function;
  unsigned line_number;
  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          const char* function = __builtin_FUNCTION(),
                                          unsigned line = __builtin_LINE()) {
    return {file, function, line};
  }
  constexpr const char* file_name() const { return file; }
  constexpr const char* function_name() const { return function; }
  constexpr unsigned line() const { return line_number; }
};
#endif

[[noreturn]] void bug(std::string_view what, SourceLocation where);

// Throws BugError "file:line function: what" unless ok. Stays on in release builds.
inline void check(bool ok, std::string_view what, SourceLocation where = SourceLocation::current()) {
  if (!ok) bug(what, where);
}
// The same with the two values that should agree.
template <class A, class B>
void check_equal(const A& a, const B& b, std::string_view what, SourceLocation where = SourceLocation::current()) {
  if (!(a == b)) bug(fmt::format("{}: {} != {}", what, a, b), where);
}

// Text from a file, made safe for a message: control characters escaped, at most 200 bytes.
std::string printable(std::string_view text);

// The candidate nearest to word by edit distance, or "" if none is near; for "did you mean …?" in messages.
template <class Strings> std::string nearest(std::string_view word, const Strings& candidates);
size_t edit_distance(std::string_view a, std::string_view b);

template <class Strings> std::string nearest(std::string_view word, const Strings& candidates) {
  std::string best;
  size_t best_distance = word.size() / 3 + 2;
  for (const auto& c : candidates) {
    const size_t d = edit_distance(word, c);
    if (d < best_distance) best_distance = d, best = c;
  }
  return best;
}

}  // namespace minke
