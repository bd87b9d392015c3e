// The curves of a report: names, units and keys of the log. Numbers in the log that no metric lists get separate figures.
// Test: tests/report/report_test.cpp.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "report/html_page.h"
#include "report/run_log.h"
#include "report/svg_chart.h"

namespace minke {

struct MetricPart {
  std::string key;        // of RunLog::series; "mtp_loss.*" matches every key with that beginning
  std::string label;      // a * in it is replaced by what the * of the key matched
  bool smoothed = false;  // drawn as a running mean, with the single values in a faint line
  bool dots = false;
};

struct Metric {
  std::string id;  // for --svg
  std::string heading, unit, note;
  std::vector<MetricPart> parts;
  bool log_y = false, from_zero = false;
  bool percent = false;   // shares in the log, drawn from 0 to 100 %
  std::string only_with;  // without this key there is no figure, even if the other keys are there
};

// The metrics for which at least one of the runs has values.
std::vector<Metric> metrics_of(std::span<const RunLog> runs);

// With one run each part has its own colour; with several runs each run has its own, and the second part is dashed.
std::vector<Curve> metric_curves(const Metric& metric, std::span<const RunLog> runs, XAxis x_axis);
Axes metric_axes(const Metric& metric, XAxis x_axis);

// The figure: heading, legend with last values, one picture for each x axis.
std::string metric_figure(const Metric& metric, std::span<const RunLog> runs);

// Running mean over about `window` values, exact from the first value on. NaN stays NaN and is not part of the mean.
std::vector<double> running_mean(std::span<const double> values, double window);

}  // namespace minke
