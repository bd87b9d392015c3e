// Text from a model or a file on its way into something that parses it: a page, an event file. Both must survive any
// bytes. Test: tests/report/report_test.cpp.
#pragma once
#include <string>
#include <string_view>

namespace minke {

// Invalid UTF-8 becomes U+FFFD.
std::string valid_utf8(std::string_view text);

// For element content and for attributes in double quotes: & < > " ' escaped, invalid UTF-8 and control characters
// (newline and tab aside) replaced, so no text can leave its place.
std::string escape_html(std::string_view text);

}  // namespace minke
