// Strings as Python has them: of code points, here in UTF-8 (valid, or the template is refused).
// Tested in tests/tokenize/jinja_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minke::jinja::text {

constexpr size_t kNone = std::string_view::npos;

size_t length(std::string_view s);                 // in code points
size_t byte_of(std::string_view s, size_t index);  // where that code point begins; s.size() behind the last
std::vector<std::string_view> characters(std::string_view s);

bool is_space(char32_t c);
// Without the characters of `chars` (null: white space) at its ends.
std::string_view strip(std::string_view s, const std::string* chars, bool left = true, bool right = true);

size_t find(std::string_view s, std::string_view what, size_t from = 0);  // linear, unlike std::string_view's
size_t count(std::string_view s, std::string_view what);
std::vector<std::string_view> split(std::string_view s, std::string_view separator, int64_t max = -1);
std::vector<std::string_view> split_space(std::string_view s, int64_t max = -1);
std::vector<std::string_view> split_lines(std::string_view s);

std::string upper(std::string_view s);
std::string lower(std::string_view s);
std::string capitalize(std::string_view s);
std::string title(std::string_view s);          // str.title()
std::string title_filter(std::string_view s);   // Jinja2's, which differs
bool has_digits_of_python(std::string_view s);  // of other scripts, or "_" in a number
std::string repr(std::string_view s);

}  // namespace minke::jinja::text
