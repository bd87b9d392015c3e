// Estimates the width of a text in a picture that is made without fonts. The reader may have one of many fonts. The estimate
// follows DejaVu Sans, the widest of the common ones, and is rather too wide than too narrow.
// Test: tests/report/text_width_test.cpp.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace minke {

// Of UTF-8 in a font of `size` units.
double text_width(std::string_view text, double size);

// The text in lines no wider than `width`, broken at spaces, or within a word that is wider than a line. At least one line.
std::vector<std::string> text_lines(std::string_view text, double width, double size);

}  // namespace minke
