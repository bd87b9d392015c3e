// Which curves a report draws, under which name and unit, and from which keys of the log; numbers that no metric names
// get a figure of their own. Test: tests/report/report_test.cpp.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "report/html_page.h"
#include "report/run_log.h"
#include "report/svg_chart.h"

namespace minke {

struct MetricPart {
  std::string key;        // of RunLog::series; "mtp_loss.*" is every key that begins so
  std::string label;      // what the * of the key stands for takes the place of the * here
  bool smoothed = false;  // drawn as a running mean, over the raw values in faint
  bool dots = false;
};

struct Metric {
  std::string id;  // for --svg
  std::string heading, unit, note;
  std::vector<MetricPart> parts;
  bool log_y = false, from_zero = false;
  bool percent = false;   // shares in the log, drawn from 0 to 100 %
  std::string only_with;  // a key without which the other parts are no figure
};

// All that at least one of the runs has values for.
std::vector<Metric> metrics_of(std::span<const RunLog> runs);

// One run: a colour for each part. Several: a colour for each run, the second part dashed.
std::vector<Curve> metric_curves(const Metric& metric, std::span<const RunLog> runs, std::string_view x_axis);
Axes metric_axes(const Metric& metric, std::string_view x_axis);

// The figure: heading, legend with last values, one picture for each x axis.
std::string metric_figure(const Metric& metric, std::span<const RunLog> runs);

// Running mean over about `window` values, exact from the first one on; NaN stays NaN and is left out of the mean.
std::vector<double> running_mean(std::span<const double> values, double window);

}  // namespace minke
