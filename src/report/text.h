// Makes text from a model or a file safe for a page or an event file. The text may have any bytes. Test:
// tests/report/report_test.cpp.
#pragma once
#include <string>
#include <string_view>

namespace minke {

// Invalid UTF-8 becomes U+FFFD.
std::string valid_utf8(std::string_view text);

// For element content and for attributes in double quotes: & < > " ' are escaped; invalid UTF-8 and control characters
// (except newline and tab) are replaced. So no text can end its element or attribute.
std::string escape_html(std::string_view text);

}  // namespace minke
