// Loads of experts as a picture: rows over time, blue below the mean load, red above it. The cells are an uncompressed
// 8-bit BMP inside the page. It is smaller than one rectangle per cell, and the script can read it to show the value under
// the pointer. Test: tests/report/svg_chart_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

// A value is load ÷ mean load; NaN = unknown.
struct HeatMap {
  std::string row_name;            // "layer", "expert"
  std::vector<int> rows;           // their numbers, top to bottom
  std::vector<double> column_end;  // x at the right edge of each column (steps)
  std::vector<double> ratio;       // [rows, columns]
  int experts = 0;                 // > 0: a row is one of so many experts, so ratio ÷ experts is its share
};

// The <svg> element of `height` units.
std::string svg_heat_map(const HeatMap& map, double height);
// The scale of colours as a small <svg>.
std::string heat_map_legend();

// Cell value: 0 for NaN; 1 … 255 for log2(ratio) in [−2, 2], what lies beyond at the ends.
uint8_t heat_index(double ratio);
std::string base64(std::string_view bytes);

}  // namespace minke
