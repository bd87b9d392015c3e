#include "report/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/text.h"
#include "report/text_width.h"

namespace minke {
namespace {

constexpr int kColumns = 360;  // of the 486 units a curve has: no screen shows more of a line 1.6 units wide
constexpr int kTicksX = 6, kTicksY = 5;
constexpr size_t kFewTicks = 4;      // with large text, more labels of x would touch; those of y have room
constexpr double kGap = 7;           // between a label of y and the curves
constexpr double kLargestText = 18;  // the style of the page makes the text of pictures so large on a phone

// One axis: values to units of the picture.
struct Scale {
  double low = 0, high = 1, from = 0, to = 1;
  bool log = false;
  double at(double v) const {
    const double share = log ? std::log(v / low) / std::log(high / low) : (v - low) / (high - low);
    return from + share * (to - from);
  }
};

bool drawable(const Curve& c, size_t i, const Axes& a) {
  constexpr double kHuge = 1e300;  // beyond it, differences overflow
  return std::abs(c.x[i]) < kHuge && std::abs(c.y[i]) < kHuge && (!a.log_x || c.x[i] > 0) && (!a.log_y || c.y[i] > 0);
}

// An empty range is widened, so that a constant curve has a place.
void widen(double& low, double& high, bool log) {
  if (low < high && std::isfinite(high - low)) return;
  const double by = log ? low / 2 : std::max(std::abs(low) * 0.1, 1e-9);
  low -= by;
  high += by;
}

// The values of the axes: all of x; of y all, unless a few outliers would flatten the rest.
bool ranges(std::span<const Curve> curves, const Axes& axes, Scale& x, Scale& y) {
  std::vector<double> ys;
  size_t total = 0, seen = 0;
  for (const Curve& c : curves) total += c.x.size();
  constexpr size_t kEnough = 20'000;  // values tell where most of them lie
  const size_t every = total / kEnough + 1;
  y.low = std::numeric_limits<double>::infinity(), y.high = -y.low;
  x.low = std::numeric_limits<double>::infinity(), x.high = -x.low;
  for (const Curve& c : curves)
    for (size_t i = 0; i < c.x.size(); ++i) {
      if (!drawable(c, i, axes)) continue;
      x.low = std::min(x.low, c.x[i]);
      x.high = std::max(x.high, c.x[i]);
      y.low = std::min(y.low, c.y[i]);
      y.high = std::max(y.high, c.y[i]);
      if (seen++ % every == 0) ys.push_back(c.y[i]);
    }
  if (ys.empty()) return false;
  const auto quantile = [&](double q) {
    const auto at = ys.begin() + std::ptrdiff_t(q * double(ys.size() - 1));
    std::nth_element(ys.begin(), at, ys.end());
    return *at;
  };
  const double usual_low = quantile(0.005), usual_high = quantile(0.995);
  constexpr double kFlat = 8;    // times the usual range
  constexpr size_t kMany = 200;  // so that an outlier is one
  if (!axes.log_y && ys.size() >= kMany && usual_high > usual_low &&
      y.high - y.low > kFlat * (usual_high - usual_low)) {
    const double margin = 0.2 * (usual_high - usual_low);
    y.low = std::max(y.low, usual_low - margin);
    y.high = std::min(y.high, usual_high + margin);
  }
  if (axes.from_zero) y.low = std::min(y.low, 0.0);
  if (axes.percent) y.low = 0, y.high = 100;
  widen(x.low, x.high, axes.log_x);
  widen(y.low, y.high, axes.log_y);
  const double margin = axes.log_y ? std::pow(y.high / y.low, 0.03) : 0.03 * (y.high - y.low);
  if (axes.log_y) {
    y.low /= margin;
    y.high *= margin;
  } else {
    if (!(axes.from_zero || axes.percent) || y.low < 0) y.low -= margin;
    y.high += margin;
  }
  return true;
}

// "2.25e-4"
std::string short_exponent(double v) {
  const std::string text = fmt::format("{:.5e}", v);
  const size_t e = text.find('e');
  return e == text.npos ? text : fmt::format("{:g}e{}", std::stod(text.substr(0, e)), std::stoi(text.substr(e + 1)));
}

struct Tick {
  double at;
  std::string label;
};

// The labels of an axis are of one form.
std::vector<Tick> ticks(const Scale& s, int about) {
  std::vector<Tick> out;
  double largest = 0;
  for (double v : s.log ? log_ticks(s.low, s.high) : nice_ticks(s.low, s.high, about)) {
    out.push_back({v, tick_label(v)});
    largest = std::max(largest, std::abs(v));
  }
  for (Tick& t : out)
    if (largest < 1e-3 && t.at != 0) t.label = short_exponent(t.at);
  return out;
}

// The curves begin where the widest label of y has its place before them.
Frame frame_for(const Scale& y) {
  Frame f;
  for (const Tick& t : ticks(y, kTicksY))
    f.left = std::max(f.left, std::ceil(kGap + text_width(t.label, kLargestText)));
  return f;
}

std::string grid(const Scale& x, const Scale& y, const Frame& f, const Axes& axes) {
  std::string out;
  for (const Tick& t : ticks(y, kTicksY)) {
    const double at = y.at(t.at);
    out += fmt::format(
        "<path class=\"grid\" d=\"M{} {:.1f}H{}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1f}\" "
        "text-anchor=\"end\">{}</text>",
        f.left, at, f.right, f.left - kGap, at + 4, t.label);
  }
  const std::vector<Tick> xs = ticks(x, kTicksX);
  for (size_t i = 0; i < xs.size(); ++i) {
    const double at = x.at(xs[i].at);
    const bool at_edge = at + text_width(xs[i].label, kLargestText) / 2 > f.width;
    out += fmt::format(
        "<path class=\"grid\" d=\"M{:.1f} {}v5\"/><text class=\"tick{}\" x=\"{:.1f}\" y=\"{}\" "
        "text-anchor=\"{}\">{}</text>",
        at, f.bottom, xs.size() > kFewTicks && i % 2 ? " odd" : "", at_edge ? f.width - 1 : at, f.bottom + 19,
        at_edge ? "end" : "middle", xs[i].label);
  }
  out += fmt::format("<path class=\"axis\" d=\"M{} {}H{}\"/>", f.left, f.bottom, f.right);
  return out + fmt::format("<text class=\"title\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", f.right,
                           f.height - 5, escape_html(axes.x_title));
}

// Whole hundredths as short as they can be written: "-.5", "3", "12.04".
std::string decimal(long hundredths) {
  std::string text = fmt::format("{:g}", double(hundredths) / 100);
  if (const size_t zero = text.find("0."); zero == 0 || (zero == 1 && text[0] == '-')) text.erase(zero, 1);
  return text;
}

// The points go from one to the next, which takes two thirds of the room: curves are most of a page.
std::string path(const Curve& c, const Axes& axes, const Scale& x, const Scale& y, const Frame& f) {
  std::vector<double> px(c.x.size()), py(c.x.size());
  for (size_t i = 0; i < c.x.size(); ++i) {
    const bool ok = drawable(c, i, axes);
    px[i] = ok ? x.at(c.x[i]) : std::numeric_limits<double>::quiet_NaN();
    // An outlier runs along the edge: it is seen, and the rest is not flattened.
    py[i] = ok ? std::clamp(y.at(c.y[i]), f.top - 2, f.bottom) : px[i];
  }
  std::string d, dots;
  int points = 0;               // since the pen went down
  long from_x = 0, from_y = 0;  // rounded before the difference is taken: errors do not add up
  for (size_t i : extremes(px, py, f.left, f.right, kColumns)) {
    if (std::isnan(py[i])) {
      points = 0;
      continue;
    }
    const long to_x = std::lround(px[i] * 10) * 10, to_y = std::lround(py[i] * 100);
    if (points++ > 0) {
      const std::string dx = decimal(to_x - from_x), dy = decimal(to_y - from_y);
      d += (points == 2 ? "l" : dx[0] == '-' ? "" : " ") + dx + (dy[0] == '-' ? "" : " ") + dy;
    } else {
      d += fmt::format("M{} {}h0", decimal(to_x), decimal(to_y));  // h0: a point alone between gaps is a dot
    }
    from_x = to_x, from_y = to_y;
    if (c.dots)
      dots += fmt::format("<circle class=\"dot c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>", c.colour % kColours, px[i],
                          py[i]);
  }
  if (d.empty()) return "";
  return fmt::format("<path class=\"line c{}{}{}\" data-l=\"{}\" d=\"{}\"/>", c.colour % kColours,
                     c.faint ? " faint" : "", c.dashed ? " dash" : "", escape_html(c.label), d) +
         dots;
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int about) {
  std::vector<double> out;
  if (!(low < high) || !std::isfinite(high - low)) return out;
  const double rough = (high - low) / std::max(about, 1), power = std::pow(10, std::floor(std::log10(rough)));
  const double step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && out.size() < 50; ++k)
    out.push_back(k == 0 ? 0 : k * step);
  return out;
}

std::vector<double> log_ticks(double low, double high) {
  std::vector<double> out;
  if (!(low > 0 && low < high && std::isfinite(high))) return out;
  const double decades = std::log10(high) - std::log10(low);
  if (decades < 0.8) return nice_ticks(low, high, 5);
  const int every = std::max(1, int(std::ceil(decades / 6)));
  for (int k = int(std::floor(std::log10(low))); k <= int(std::ceil(std::log10(high))); ++k)
    for (double digit : {1.0, 2.0, 5.0}) {
      if (digit > 1 && decades >= 3) continue;
      const double tick = digit * std::pow(10, k);
      if (k % every == 0 && tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) out.push_back(tick);
    }
  return out;
}

std::string tick_label(double v) {
  const double size = std::abs(v);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return short_exponent(v);
  if (size >= 1e12) return fmt::format("{:.4g}T", v / 1e12);
  if (size >= 1e9) return fmt::format("{:.4g}B", v / 1e9);
  if (size >= 1e6) return fmt::format("{:.4g}M", v / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g}k", v / 1e3);
  return fmt::format("{:.6g}", v);
}

std::string number_label(double v) { return std::abs(v) < 1e4 ? fmt::format("{:.4g}", v) : tick_label(v); }

std::vector<size_t> extremes(std::span<const double> x, std::span<const double> y, double x_low, double x_high,
                             int columns) {
  constexpr size_t kNone = std::numeric_limits<size_t>::max();
  std::vector<size_t> kept;
  size_t low = kNone, high = kNone, gap = kNone;
  long column = -1;
  const auto flush = [&] {
    if (low != kNone) kept.push_back(std::min(low, high));
    if (low != high) kept.push_back(std::max(low, high));
    if (gap != kNone) kept.push_back(gap);
    low = high = gap = kNone;
  };
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(y[i]) || std::isnan(x[i])) {
      gap = i;
      continue;
    }
    const long at = std::clamp(long((x[i] - x_low) / (x_high - x_low) * columns), 0L, long(columns - 1));
    if (at != column) flush();
    column = at;
    if (low == kNone || y[i] < y[low]) low = i;
    if (high == kNone || y[i] > y[high]) high = i;
  }
  flush();
  return kept;
}

std::string chart_style() {
  std::string css =
      "svg text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--muted)}"
      ".grid{stroke:var(--grid);fill:none}.axis{stroke:var(--muted);fill:none;opacity:.6}"
      ".line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}"
      ".faint{opacity:.32;stroke-width:1}.dash{stroke-dasharray:5 4}"
      ".dot{fill:var(--c);stroke:var(--panel);stroke-width:1}";
  for (int i = 0; i < kColours; ++i) css += fmt::format(".c{0}{{--c:var(--c{0})}}", i);
  return css;
}

std::string chart_colours(bool dark) {
  constexpr const char* light_curves[kColours] = {"#2563eb", "#e1571b", "#0f9d76", "#9333ea",
                                                  "#d6336c", "#0b8fb3", "#a47a00", "#64748b"};
  constexpr const char* dark_curves[kColours] = {"#6ea8fe", "#ff9a5c", "#45d6a4", "#c792ff",
                                                 "#ff7eb0", "#4fd1ea", "#eec643", "#a3b1c6"};
  std::string css = dark ? "--ink:#e6edf6;--muted:#93a4b8;--grid:#233246;--panel:#111c2b;"
                         : "--ink:#142033;--muted:#5d6b7e;--grid:#e3e8ef;--panel:#ffffff;";
  for (int i = 0; i < kColours; ++i) css += fmt::format("--c{}:{};", i, (dark ? dark_curves : light_curves)[i]);
  return css;
}

std::string svg_chart(std::span<const Curve> curves, const Axes& axes) {
  Scale x{.log = axes.log_x}, y{.log = axes.log_y};
  if (!ranges(curves, axes, x, y)) return "";
  const Frame f = frame_for(y);
  x.from = f.left, x.to = f.right;
  y.from = f.bottom, y.to = f.top;
  std::string out = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" data-x=\"{:.9g} {:.9g} {}\" "
      "data-y=\"{:.9g} {:.9g} {}\" data-box=\"{} {} {} {}\" data-xt=\"{}\">",
      f.width, f.height, escape_html(axes.y_title), x.low, x.high, int(x.log), y.low, y.high, int(y.log), f.left, f.top,
      f.right, f.bottom, escape_html(axes.x_title));
  out += grid(x, y, f, axes);
  for (const Curve& c : curves)
    if (c.faint) out += path(c, axes, x, y, f);
  for (const Curve& c : curves)
    if (!c.faint) out += path(c, axes, x, y, f);
  return out + "</svg>";
}

// The head is laid out in rows, since nobody measures what stands in it: the title, what is drawn, the legend.
std::string svg_file(std::span<const Curve> curves, const Axes& axes, const std::string& title) {
  const std::string chart = svg_chart(curves, axes);
  if (chart.empty()) return "";
  const Frame f;
  constexpr double kText = 12, kTitle = 15, kBold = 1.13;  // wider than the same size in regular
  constexpr double kRow = 18, kTitleRow = 20, kLine = 21;  // the stroke before a label, and the gap after it
  const double room = f.right - f.left;
  std::string head;
  double y = 24;
  for (const std::string& line : text_lines(title, room, kTitle * kBold)) {
    head += fmt::format("<text x=\"{}\" y=\"{}\" style=\"font-size:{}px;font-weight:600;fill:var(--ink)\">{}</text>",
                        f.left, y, kTitle, escape_html(line));
    y += kTitleRow;
  }
  head += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>", f.left, y - 1, escape_html(axes.y_title));
  double at = f.right;  // no room left: the legend begins in a row of its own
  for (const Curve& c : curves) {
    if (c.faint) continue;
    double last = std::numeric_limits<double>::quiet_NaN();
    for (double v : c.y)
      if (std::isfinite(v)) last = v;
    const std::string label = c.label + " " + number_label(last);
    const double width = kLine + text_width(label, kText);
    if (at + width > f.right) at = f.left, y += kRow;
    head += fmt::format("<path class=\"line c{}{}\" d=\"M{:.0f} {}h16\"/>", c.colour % kColours,
                        c.dashed ? " dash" : "", at, y - 4);
    const std::vector<std::string> lines = text_lines(label, room - kLine, kText);
    for (size_t i = 0; i < lines.size(); ++i)
      head +=
          fmt::format("<text x=\"{:.0f}\" y=\"{}\">{}</text>", at + kLine, y + double(i) * kRow, escape_html(lines[i]));
    y += double(lines.size() - 1) * kRow;
    at += width + 9;
  }
  const double offset = y + 8;
  const size_t begin = chart.find('>') + 1, end = chart.size() - std::string_view("</svg>").size();
  return svg_document(
      f.width, f.height + offset,
      fmt::format("{}<g transform=\"translate(0 {:.0f})\">{}</g>", head, offset, chart.substr(begin, end - begin)));
}

std::string svg_document(double width, double height, std::string_view content, std::string_view more_style) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1:.0f}\"><style>svg{{{2}}}"
      "@media(prefers-color-scheme:dark){{svg{{{3}}}}}{4}{5}</style><rect width=\"{0}\" height=\"{1:.0f}\" "
      "rx=\"8\" fill=\"var(--panel)\"/>{6}</svg>\n",
      width, height, chart_colours(false), chart_colours(true), chart_style(), more_style, content);
}

}  // namespace minke
