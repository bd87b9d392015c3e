// Curves as SVG: round ticks, logarithmic axes, gaps at NaN. Each column of pixels has at most two points, the smallest and
// the largest, so that a spike in a million steps is still visible. Colours are the classes c0 … c7 of chart_style(). The
// script of the page reads values back with the help of data- attributes.
// Test: tests/report/svg_chart_test.cpp.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

struct Curve {
  std::string label;
  int colour = 0;
  bool faint = false, dashed = false, dots = false;
  std::vector<double> x, y;  // x grows; NaN in y is a gap
};

struct Axes {
  std::string x_title, y_title;
  bool log_x = false, log_y = false;
  bool from_zero = false;  // the y axis begins at 0
  bool percent = false;    // it is 0 to 100
};

constexpr int kColours = 8;

// The <svg> element; no curve with a finite point gives "".
std::string svg_chart(std::span<const Curve> curves, const Axes& axes);
// The same as a separate file with title and legend, for light and dark pages.
std::string svg_file(std::span<const Curve> curves, const Axes& axes, const std::string& title);
// Pictures as a separate file: content is laid out in width × height units, and has the colours of light and dark pages.
std::string svg_document(double width, double height, std::string_view content, std::string_view more_style = "");
// CSS of the elements in a chart, without the variables --c0 … --c7, --ink, --muted, --grid, --panel that it uses.
std::string chart_style();
// Their values as CSS declarations.
std::string chart_colours(bool dark);

// Multiples of 1, 2 or 5 · 10^k within [low, high], about `about` of them.
std::vector<double> nice_ticks(double low, double high, int about);
// Powers of ten within [low, high]; with 2 and 5 between them if they are few.
std::vector<double> log_ticks(double low, double high);
// "0.002", "1.5k", "3M": with enough digits to distinguish neighbouring ticks.
std::string tick_label(double value);
// A value in a legend: four digits.
std::string number_label(double value);

// The frame of a chart: the area of its 560 × 300 units in which values are drawn. Heat maps use it, too.
struct Frame {
  double left = 62, right = 548, top = 12, bottom = 258, width = 560, height = 300;
};

// Indices of the points to draw: those of each of `columns` equal columns between x_low and x_high with the smallest
// and the largest y, in order, and one NaN after them if there was any: at most 3 a column, 1 before them.
std::vector<size_t> extremes(std::span<const double> x, std::span<const double> y, double x_low, double x_high,
                             int columns);

}  // namespace minke
