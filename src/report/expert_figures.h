// The balance of the experts as heat maps: layers over steps, and the experts of each layer over steps.
// Test: tests/report/report_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "report/heat_map.h"
#include "report/run_log.h"

namespace minke {

// max load ÷ mean of each layer, averaged over at most `columns` equal parts of the run.
HeatMap layer_map(const RunLog& run, size_t columns);
// Load ÷ mean of each expert of a layer, snapshots added up in at most `columns` parts.
HeatMap expert_map(const RunLog& run, int layer, size_t columns);

struct TitledPicture {
  std::string title, svg;
};

// The figure of all layers, and the section with one map a layer; "" without experts.
std::string layer_figure(const RunLog& run);
std::string expert_figures(const RunLog& run);

// The same as files of their own: of all layers, then of at most so many single ones, the last of them.
std::vector<TitledPicture> load_pictures(const RunLog& run, size_t layers);

}  // namespace minke
