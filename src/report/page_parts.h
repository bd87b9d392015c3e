// The style sheet and the script of a report, as they stand in the page. Test: tests/report/report_test.cpp.
#pragma once
#include <string_view>

namespace minke {

// Without colours: html_page.cpp sets the variables --page, --panel, --ink, --muted, --grid for light and dark.
std::string_view page_style();
// It adds values under the pointer, remembers the choice of light or dark and of the x axis, and reloads the page.
std::string_view page_script();

}  // namespace minke
