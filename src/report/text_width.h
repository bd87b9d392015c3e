// How much room a text takes in a picture that is made where no font is: an estimate that errs to the wide side. Who
// looks at the picture has one of many fonts; DejaVu Sans is the widest of those that are usual, and this follows it.
// Test: tests/report/text_width_test.cpp.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace minke {

// Of UTF-8 in a font of `size` units.
double text_width(std::string_view text, double size);

// The text in lines no wider than `width`, broken at spaces, and within a word that is wider alone. At least one line.
std::vector<std::string> text_lines(std::string_view text, double width, double size);

}  // namespace minke
