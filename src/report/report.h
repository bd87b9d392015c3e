// The report of a run, or of several side by side: figures at the top, curves, balance of the experts, samples, recipe.
// Everything in it comes from the folders of the runs. Test: tests/report/report_test.cpp, tests/app/report_test.sh.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "report/html_page.h"
#include "report/run_log.h"

namespace minke {

// The complete page. Two or more runs are compared; their names must differ.
std::string report_html(std::span<const RunLog> runs);

// Reads the folders; UserError if one is not a run. Runs with the same name are distinguished by their paths.
std::vector<RunLog> read_runs(const std::vector<std::filesystem::path>& folders);

// Reads, makes the page and writes it atomically.
void write_report(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& out);

// The curves of one metric as an SVG file. UserError for an unknown metric (the message lists the
// known ones) and if there are more runs than colours.
std::string report_svg(std::span<const RunLog> runs, const std::string& metric, XAxis x_axis, const std::string& title);

}  // namespace minke
