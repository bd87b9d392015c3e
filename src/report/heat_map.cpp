#include "report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "report/svg_chart.h"
#include "report/text.h"

namespace minke {
namespace {

struct Colour {
  double r, g, b;
};

// From starved to overloaded through the colour of the page.
Colour heat_colour(int index) {
  if (index == 0) return {168, 176, 186};
  constexpr std::array<Colour, 5> stops{
      {{20, 66, 160}, {110, 160, 230}, {247, 246, 242}, {240, 150, 90}, {176, 36, 24}}};
  const double at = double(index - 1) / 254 * 4;
  const int i = std::min(int(at), 3);
  const double t = at - i;
  const auto mix = [&](double a, double b) { return a + t * (b - a); };
  return {mix(stops[i].r, stops[i + 1].r), mix(stops[i].g, stops[i + 1].g), mix(stops[i].b, stops[i + 1].b)};
}

// Rows top to bottom in, bottom to top in the file, each padded to four bytes.
std::string bmp(const HeatMap& map) {
  const uint32_t width = uint32_t(map.column_end.size()), height = uint32_t(map.rows.size()),
                 stride = (width + 3) / 4 * 4;
  constexpr uint32_t kHeader = 14 + 40, kPalette = 256 * 4;
  std::string out;
  const auto put = [&](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  out += "BM";
  put(uint32_t(kHeader + kPalette + stride * height));
  put(uint32_t(0));
  put(uint32_t(kHeader + kPalette));  // where the cells begin
  put(uint32_t(40));
  put(int32_t(width));
  put(int32_t(height));
  put(uint16_t(1));  // planes
  put(uint16_t(8));  // bits a cell
  for (uint32_t field : {0u, stride * height, 2835u, 2835u, 256u, 0u}) put(field);
  for (int i = 0; i < 256; ++i) {
    const Colour c = heat_colour(i);
    for (double part : {c.b, c.g, c.r, 0.0}) put(uint8_t(std::lround(part)));
  }
  for (uint32_t row = height; row-- > 0;) {
    for (uint32_t column = 0; column < width; ++column) put(heat_index(map.ratio[row * width + column]));
    out.append(stride - width, '\0');
  }
  return out;
}

}  // namespace

uint8_t heat_index(double ratio) {
  if (std::isnan(ratio)) return 0;
  if (!(ratio > 0)) return 1;
  return uint8_t(1 + std::lround((std::clamp(std::log2(ratio), -2.0, 2.0) + 2) / 4 * 254));
}

std::string base64(std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out += k <= n ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string svg_heat_map(const HeatMap& map, double height) {
  check_equal(map.ratio.size(), map.rows.size() * map.column_end.size(), "cells of a heat map");
  if (map.ratio.empty()) return "";
  Frame f;
  f.height = height;
  f.bottom = height - 30;
  const double columns = double(map.column_end.size());
  std::string rows;
  for (int r : map.rows) rows += fmt::format("{}{} {}", rows.empty() ? "" : "|", map.row_name, r);
  std::string out = fmt::format(
      "<svg class=\"heat\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"load\" data-rows=\"{}\" data-n=\"{}\" "
      "data-e=\"{}\" data-box=\"{} {} {} {}\" data-x=\"",
      f.width, f.height, escape_html(rows), map.column_end.size(), map.experts, f.left, f.top, f.right, f.bottom);
  for (double end : map.column_end) out += fmt::format("{:.9g} ", end);
  out += fmt::format(
      "\"><image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" "
      "href=\"data:image/bmp;base64,{}\"/>",
      f.left, f.top, f.right - f.left, f.bottom - f.top, base64(bmp(map)));
  const double row_height = (f.bottom - f.top) / double(map.rows.size());
  const size_t every = size_t(std::ceil(21 / row_height));  // labels that do not touch
  for (size_t r = 0; r < map.rows.size(); r += every)
    out +=
        fmt::format("<text class=\"tick{}\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
                    r / every % 2 ? " odd" : "", f.left - 7, f.top + (double(r) + 0.5) * row_height + 4, map.rows[r]);
  out += fmt::format(
      "<text class=\"title\" transform=\"translate(14 {:.0f}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
      (f.top + f.bottom) / 2, escape_html(map.row_name));
  for (int i = 0; i <= 4; ++i) {
    const size_t c = std::min(size_t(columns * i / 4), map.column_end.size() - 1);
    const double step = i == 0 ? 0 : map.column_end[i == 4 ? map.column_end.size() - 1 : c == 0 ? 0 : c - 1];
    const double at = f.left + (f.right - f.left) * (i == 4 ? 1 : double(c) / columns);
    out += fmt::format("<text class=\"tick{}\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"{}\">{}{}</text>",
                       i % 2 ? " odd" : "", at, f.bottom + 18,
                       i == 0   ? "start"
                       : i == 4 ? "end"
                                : "middle",
                       i == 4 ? "step " : "", tick_label(step));
  }
  return out + "</svg>";
}

std::string heat_map_legend() {
  std::string out =
      "<svg class=\"scale\" viewBox=\"0 0 250 34\" role=\"img\" aria-label=\"colours\"><g class=\"cells\">";
  for (int i = 0; i < 25; ++i) {
    const Colour c = heat_colour(1 + i * 254 / 24);
    out += fmt::format("<rect x=\"{}\" width=\"9\" height=\"12\" fill=\"rgb({:.0f},{:.0f},{:.0f})\"/>", 12 + i * 9, c.r,
                       c.g, c.b);
  }
  out += "</g>";
  const char* labels[] = {"≤ ¼", "½", "mean", "2×", "≥ 4×"};
  for (int i = 0; i < 5; ++i)
    out += fmt::format("<text x=\"{}\" y=\"28\" text-anchor=\"middle\">{}</text>", 17 + i * 54, labels[i]);
  return out + "</svg>";
}

}  // namespace minke
