#include "report/svg_chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <regex>

#include "report/heat_map.h"

namespace minke {
namespace {

const double kNan = std::nan("");

size_t count(const std::string& text, std::string_view what) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += what.size()) ++n;
  return n;
}

TEST(SvgChart, TicksAreNiceNumbers) {
  EXPECT_EQ(nice_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  const std::vector<double> ticks = nice_ticks(1.43, 1.61, 4);
  ASSERT_EQ(ticks.size(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(ticks[size_t(i)], 1.45 + 0.05 * i, 1e-12);
  EXPECT_EQ(nice_ticks(-3, 4, 4), (std::vector<double>{-2, 0, 2, 4}));
  EXPECT_TRUE(nice_ticks(1, 1, 5).empty());
  EXPECT_TRUE(nice_ticks(0, INFINITY, 5).empty());
  EXPECT_TRUE(nice_ticks(kNan, 1, 5).empty());
  EXPECT_LE(nice_ticks(1e15, 1e15 + 1, 5).size(), 50u);
  EXPECT_EQ(log_ticks(1, 1000), (std::vector<double>{1, 10, 100, 1000}));
  EXPECT_EQ(log_ticks(0.9, 11), (std::vector<double>{1, 2, 5, 10}));
  EXPECT_EQ(log_ticks(0.15, 80), (std::vector<double>{0.2, 0.5, 1, 2, 5, 10, 20, 50}));
  EXPECT_EQ(log_ticks(2, 3), nice_ticks(2, 3, 5));  // less than a decade
  EXPECT_TRUE(log_ticks(0, 10).empty());
  EXPECT_LE(log_ticks(1e-300, 1e300).size(), 10u);
}

TEST(SvgChart, TickLabels) {
  EXPECT_EQ(tick_label(0), "0");
  EXPECT_EQ(tick_label(0.0025), "0.0025");
  EXPECT_EQ(tick_label(1e-7), "1e-7");
  EXPECT_EQ(tick_label(-2.25e-5), "-2.25e-5");
  EXPECT_EQ(tick_label(1500), "1500");
  EXPECT_EQ(tick_label(15000), "15k");
  EXPECT_EQ(tick_label(2.5e6), "2.5M");
  EXPECT_EQ(tick_label(-3e9), "-3B");
  EXPECT_EQ(tick_label(1e20), "1e20");
  EXPECT_EQ(number_label(2.34567), "2.346");
  EXPECT_EQ(number_label(9999), "9999");
  EXPECT_EQ(number_label(47441), "47.44k");
}

// As wide as in DejaVu Sans, a wide font: of the characters in these tests none is wider than 0.64 of the font's size,
// but for m and w; a point or a space 0.32, a dash 0.37.
double width_of(const std::string& text, double size) {
  double sum = 0;
  for (char c : text) sum += c == '.' || c == ' ' ? 0.32 : c == '-' ? 0.37 : c == 'm' || c == 'w' ? 0.98 : 0.64;
  return sum * size;
}

// The largest that the style gives them: on a phone.
TEST(SvgChart, NoLabelLeavesThePicture) {
  const Frame f;
  const std::vector<double> tops{1, 3000, 2.9e-4, 1.25e-9, 0.0045, 12'345, 99'999, 1e6, 4e12};
  for (const double x_top : tops)
    for (const double y_top : tops)
      for (const bool log : {false, true}) {
        const Curve c{.x = {x_top / 900, x_top}, .y = {y_top / 1.3, y_top}};
        const std::string svg = svg_chart(std::vector<Curve>{c}, {.log_x = log, .log_y = log});
        const std::regex tick("<text class=\"tick[^\"]*\" x=\"(\\S+)\" y=\"\\S+\" text-anchor=\"(\\w+)\">([^<]+)<");
        int n = 0;
        for (std::sregex_iterator it(svg.begin(), svg.end(), tick), end; it != end; ++it, ++n) {
          const double at = std::stod((*it)[1]), width = width_of((*it)[3], 18);
          const double begin = (*it)[2] == "end" ? at - width : at - width / 2;
          EXPECT_GE(begin, 0) << it->str();
          EXPECT_LE(begin + width, f.width) << it->str();
        }
        EXPECT_GE(n, 4) << svg;
      }
}

std::vector<std::string> labels_of_y(const Curve& c, const Axes& axes) {
  const std::string svg = svg_chart(std::vector<Curve>{c}, axes);
  std::vector<std::string> out;
  const std::regex tick(
      "<text class=\"tick\" x=\"[^>]*\" text-anchor=\"end\">([^<]+)</text><path class=\"grid\" d=\"M\\S+ \\S+H");
  for (std::sregex_iterator it(svg.begin(), svg.end(), tick), end; it != end; ++it) out.push_back((*it)[1]);
  return out;
}

TEST(SvgChart, LabelsOfAnAxisAreOfOneForm) {
  using Labels = std::vector<std::string>;
  EXPECT_EQ(labels_of_y({.x = {1, 2}, .y = {2.1e-4, 2.9e-4}}, {}), (Labels{"2.2e-4", "2.4e-4", "2.6e-4"}));
  EXPECT_EQ(labels_of_y({.x = {1, 2}, .y = {0, 0.0021}}, {.from_zero = true}),
            (Labels{"0", "0.0005", "0.001", "0.0015"}));
}

// The style hides .odd on a phone: only what would touch, never most of what there is.
TEST(SvgChart, LabelsAreHiddenOnlyWhereTheyAreMany) {
  const auto odd = [](const Curve& c, const Axes& axes) {
    return count(svg_chart(std::vector<Curve>{c}, axes), "class=\"tick odd\"");
  };
  EXPECT_EQ(odd({.x = {1, 20}, .y = {0.8, 30}}, {.log_x = true, .log_y = true}), 2u);  // x: 1, 2, 5, 10, 20; y: none
  EXPECT_EQ(odd({.x = {1, 7}, .y = {0.8, 30}}, {.log_x = true, .log_y = true}), 0u);   // x: 1, 2, 5
}

struct Box {
  double left, right, top, bottom;
  std::string text;
};

// Where the texts of a file's head stand.
std::vector<Box> head_of(const std::string& file) {
  const std::string head = file.substr(0, file.find("<g "));
  const std::regex text("<text x=\"(\\S+)\" y=\"(\\S+)\"([^>]*)>([^<]*)<");
  std::vector<Box> out;
  for (std::sregex_iterator it(head.begin(), head.end(), text), end; it != end; ++it) {
    const bool title = (*it)[3].str().find("15px") != std::string::npos;
    EXPECT_EQ((*it)[3].str().find("anchor"), std::string::npos);
    const double x = std::stod((*it)[1]), y = std::stod((*it)[2]), size = title ? 15 : 12;
    out.push_back({x, x + width_of((*it)[4], size) * (title ? 1.1 : 1), y - 0.75 * size, y + 0.2 * size, (*it)[4]});
  }
  return out;
}

TEST(SvgChart, TheHeadOfAFileDoesNotOverlap) {
  const Frame f;
  for (const size_t title : {5, 40, 52, 70, 200})
    for (const size_t label : {5, 20, 40, 100}) {
      std::string words;
      while (words.size() < title) words += "noon ";
      const std::vector<Curve> curves(5, {.label = std::string(label, 'e'), .x = {1, 2}, .y = {1, 2}});
      const std::string file = svg_file(curves, {.y_title = "a loss in nats per token"}, words);
      const std::vector<Box> boxes = head_of(file);
      EXPECT_GE(boxes.size(), 7u);
      const double chart_top = std::stod(file.substr(file.find("translate(0 ") + 12)) + f.top;
      for (size_t i = 0; i < boxes.size(); ++i) {
        EXPECT_LE(boxes[i].right, f.right + 1) << boxes[i].text;  // 1: legends stand on whole units
        EXPECT_LT(boxes[i].bottom, chart_top) << boxes[i].text;
        for (size_t k = 0; k < i; ++k)
          EXPECT_TRUE(boxes[i].left >= boxes[k].right || boxes[k].left >= boxes[i].right ||
                      boxes[i].top >= boxes[k].bottom || boxes[k].top >= boxes[i].bottom)
              << boxes[i].text << " over " << boxes[k].text;
      }
    }
}

TEST(SvgChart, SpikesSurviveAMillionPoints) {
  std::vector<double> x(1'000'000), y(x.size(), 1.0);
  for (size_t i = 0; i < x.size(); ++i) x[i] = double(i), y[i] += 0.01 * std::sin(double(i));
  y[123'457] = 50;
  y[777'777] = -50;
  y[500'000] = kNan;
  const auto kept = extremes(x, y, 0, 1e6, 360);
  EXPECT_LE(kept.size(), 3u * 360);
  EXPECT_TRUE(
      std::is_sorted(kept.begin(), kept.end(), [&](size_t a, size_t b) { return x[a] < x[b] && !std::isnan(y[a]); }));
  for (size_t i : {123'457, 777'777, 500'000}) EXPECT_EQ(std::count(kept.begin(), kept.end(), i), 1) << i;
  // A point of each column; an alternation of numbers and NaN is bounded as well.
  for (size_t i = 0; i < y.size(); i += 2) y[i] = kNan;
  EXPECT_LE(extremes(x, y, 0, 1e6, 360).size(), 3u * 360 + 1);
}

struct Point {
  double x, y;
  bool moved;  // there with the pen up
};

// The points of the first curve, by the rules of SVG for paths: M and l, each with any number of pairs, and h.
std::vector<Point> points_of(const std::string& svg) {
  const size_t line = svg.find(" d=\"", svg.find("class=\"line")) + 4;
  const std::string d = svg.substr(line, svg.find('"', line) - line);
  EXPECT_TRUE(std::regex_match(d, std::regex("(M[^Mhl]+h0(l[^Mhl]+)?)+"))) << d;
  std::vector<Point> out;
  const std::regex token("[Mhl]|-?(?:[0-9]+(?:\\.[0-9]+)?|\\.[0-9]+)");
  std::vector<double> pair;
  char command = 0;
  for (std::sregex_iterator it(d.begin(), d.end(), token), end; it != end; ++it) {
    if (std::isalpha(it->str()[0])) command = it->str()[0];
    else if (command != 'h') pair.push_back(std::stod(it->str()));
    if (pair.size() < 2) continue;
    const bool moved = command == 'M';
    out.push_back({pair[0] + (moved ? 0 : out.back().x), pair[1] + (moved ? 0 : out.back().y), moved});
    pair.clear();
  }
  return out;
}

// However long a curve, rounding does not add up along it; what is between gaps is drawn, one point too.
TEST(SvgChart, PathsGoWhereTheValuesAre) {
  Curve c;
  for (int i = 0; i <= 300; ++i)
    c.x.push_back(i), c.y.push_back(i % 50 == 49 || i == 101 ? kNan : std::sin(i * 0.7) / 3);
  c.y[5] = 1, c.y[6] = -1;  // the range
  const std::vector<Point> points = points_of(svg_chart(std::vector<Curve>{c}, {}));
  const Frame f;
  size_t n = 0;
  bool gap = true;
  for (int i = 0; i <= 300; ++i) {
    if (std::isnan(c.y[size_t(i)])) {
      gap = true;
      continue;
    }
    ASSERT_LT(n, points.size());
    EXPECT_NEAR(points[n].x, f.left + (f.right - f.left) * i / 300, 0.0501) << i;
    EXPECT_NEAR(points[n].y, f.bottom - (f.bottom - f.top) * (c.y[size_t(i)] / 2.12 + 0.5), 0.00501) << i;
    EXPECT_EQ(points[n].moved, gap) << i;
    gap = false;
    ++n;
  }
  EXPECT_EQ(n, points.size());
}

// Curves are most of a page. From point to point takes nine bytes where the points themselves take twelve.
TEST(SvgChart, PathsAreShort) {
  Curve c;
  for (int i = 0; i < 100'000; ++i) c.x.push_back(i), c.y.push_back(std::sin(i * 0.7) + std::sin(i * 0.013));
  const std::string svg = svg_chart(std::vector<Curve>{c}, {});
  const size_t points = points_of(svg).size();
  EXPECT_GE(points, 700u);
  EXPECT_LE(svg.size() - svg.find("class=\"line"), points * 10);
}

// The picture and its data- attributes give back the values: what the script of the page relies on.
TEST(SvgChart, ValuesCanBeReadBack) {
  const std::vector<double> x{1, 10, 100}, y{0.001, 0.1, 0.01};
  for (const bool log : {false, true}) {
    const std::string svg = svg_chart(std::vector<Curve>{{.label = "a", .x = x, .y = y}}, {.log_x = log, .log_y = log});
    std::smatch m;
    const std::regex scale(
        "data-x=\"(\\S+) (\\S+) (\\d)\" data-y=\"(\\S+) (\\S+) (\\d)\" data-box=\"(\\S+) (\\S+) (\\S+) (\\S+)\"");
    ASSERT_TRUE(std::regex_search(svg, m, scale)) << svg;
    const auto number = [&](int i) { return std::stod(m[i].str()); };
    EXPECT_EQ(m[3].str(), log ? "1" : "0");
    const auto value = [&](double p, double from, double to, double low, double high) {
      const double t = (p - from) / (to - from);
      return log ? low * std::pow(high / low, t) : low + t * (high - low);
    };
    const std::vector<Point> points = points_of(svg);
    ASSERT_EQ(points.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      // 0.1 of 486 units in x and 0.01 of 246 in y, of the range or, on logarithmic axes, of 2 decades.
      EXPECT_NEAR(value(points[i].x, number(7), number(9), number(1), number(2)), x[i], log ? x[i] * 0.002 : 0.03);
      EXPECT_NEAR(value(points[i].y, number(10), number(8), number(4), number(5)), y[i], log ? y[i] * 0.001 : 1e-5);
    }
  }
}

TEST(SvgChart, GapsOutliersAndNothingToDraw) {
  EXPECT_EQ(svg_chart({}, {}), "");
  EXPECT_EQ(svg_chart(std::vector<Curve>{{.x = {1, 2}, .y = {kNan, kNan}}}, {}), "");
  EXPECT_EQ(svg_chart(std::vector<Curve>{{.x = {1, 2}, .y = {-1, 0}}}, {.log_y = true}), "");
  const std::string gap = svg_chart(std::vector<Curve>{{.x = {1, 2, 3, 4}, .y = {1, 2, kNan, 3}}}, {});
  const std::string d = gap.substr(gap.find(" d=\"M", gap.find("class=\"line")));
  EXPECT_EQ(count(d, "M"), 2u) << d;  // the pen is lifted
  EXPECT_EQ(gap.find("nan"), gap.npos);
  // A constant, a single point, huge values: finite numbers in the picture.
  for (const std::vector<double>& y : {std::vector<double>{5, 5}, {0, 0}, {7}, {-1e308, 1e308, 2}, {1e-320, 2e-320}}) {
    std::vector<double> x;
    for (size_t i = 0; i < y.size(); ++i) x.push_back(double(i + 1));
    for (const bool log : {false, true}) {
      const std::string svg = svg_chart(std::vector<Curve>{{.x = x, .y = y}}, {.log_x = log, .log_y = log});
      EXPECT_EQ(svg.find("nan"), svg.npos) << svg;
      EXPECT_EQ(svg.find("inf"), svg.npos) << svg;
    }
  }
  // One outlier of a thousand runs along the edge; the others keep the height.
  Curve c{.label = "c"};
  for (int i = 0; i < 1000; ++i) c.x.push_back(i), c.y.push_back(i == 500 ? 1e6 : i % 10);
  const std::string svg = svg_chart(std::vector<Curve>{c}, {});
  std::smatch m;
  ASSERT_TRUE(std::regex_search(svg, m, std::regex("data-y=\"(\\S+) (\\S+) ")));
  EXPECT_LT(std::stod(m[2]), 20);
}

TEST(SvgChart, LabelsCannotLeaveTheirPlace) {
  const std::string evil = "\"><script>alert(1)</script>";
  const std::vector<Curve> curves{{.label = evil, .x = {1, 2}, .y = {1, 2}}};
  EXPECT_EQ(svg_chart(curves, {.x_title = evil, .y_title = evil}).find("<script"), std::string::npos);
  const std::string file = svg_file(curves, {.x_title = evil}, evil);
  EXPECT_EQ(file.find("<script"), file.npos);
  EXPECT_EQ(count(file, "<svg"), 1u);
  EXPECT_EQ(count(file, "</svg>"), 1u);
  EXPECT_EQ(count(file, "<g "), count(file, "</g>"));
}

TEST(HeatMap, Base64OfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(HeatMap, IndicesAreMonotone) {
  EXPECT_EQ(heat_index(kNan), 0);
  EXPECT_EQ(heat_index(0), 1);
  EXPECT_EQ(heat_index(1), 128);  // the middle of the palette
  EXPECT_EQ(heat_index(4), 255);
  EXPECT_EQ(heat_index(INFINITY), 255);
  for (double r = 0.25; r < 4; r *= 1.1) EXPECT_LE(heat_index(r), heat_index(r * 1.1));
}

// The bytes as a viewer reads them: rows from the bottom, padded to four.
TEST(HeatMap, CellsStandWhereTheyBelong) {
  const HeatMap map{.rows = {3, 7}, .column_end = {1, 2, 3}, .ratio = {0.25, 1, 4, kNan, 2, 0.5}};
  const std::string svg = svg_heat_map(map, 100);
  const size_t begin = svg.find("base64,") + 7;
  const std::string text = svg.substr(begin, svg.find('"', begin) - begin);
  std::string bytes;
  uint32_t group = 0;
  int bits = 0;
  for (char c : text) {
    if (c == '=') break;
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    group = group << 6 | uint32_t(digits.find(c));
    if ((bits += 6) >= 8) bytes += char(group >> (bits -= 8));
  }
  ASSERT_EQ(bytes.size(), 1078u + 2 * 4);
  EXPECT_EQ(bytes.substr(0, 2), "BM");
  uint32_t size, offset;
  std::memcpy(&size, bytes.data() + 2, 4);
  std::memcpy(&offset, bytes.data() + 10, 4);
  EXPECT_EQ(size, bytes.size());
  EXPECT_EQ(offset, 1078u);
  const auto cell = [&](int row, int column) { return uint8_t(bytes[size_t(1078 + (1 - row) * 4 + column)]); };
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 3; ++c) EXPECT_EQ(cell(r, c), heat_index(map.ratio[size_t(r * 3 + c)])) << r << " " << c;
  EXPECT_EQ(svg_heat_map({}, 100), "");
}

}  // namespace
}  // namespace minke
