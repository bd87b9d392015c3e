#include "report/expert_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "report/html_page.h"
#include "report/svg_chart.h"

namespace minke {
namespace {

// Part `c` of n things cut in `columns`: [n·c/columns, n·(c + 1)/columns).
size_t part_begin(size_t n, size_t c, size_t columns) { return n * c / columns; }

// Numbers of the MoE layers that have a snapshot.
std::set<int> layers_of(const RunLog& run) {
  std::set<int> layers;
  for (const LoadSnapshot& s : run.loads)
    for (const auto& [layer, tokens] : s.tokens) layers.insert(layer);
  return layers;
}

}  // namespace

HeatMap layer_map(const RunLog& run, size_t columns) {
  HeatMap map{.row_name = "layer"};
  std::map<int, const Series*> layers;
  for (const auto& [key, series] : run.series) {
    constexpr std::string_view kPrefix = "max_vio.";
    if (!key.starts_with(kPrefix) || key.size() > kPrefix.size() + 6) continue;
    if (key.find_first_not_of("0123456789", kPrefix.size()) != key.npos || key.size() == kPrefix.size()) continue;
    layers[std::stoi(key.substr(kPrefix.size()))] = &series;
  }
  const size_t rows = run.step.size();
  columns = std::min(columns, rows);
  for (size_t c = 0; c < columns; ++c) map.column_end.push_back(run.step[part_begin(rows, c + 1, columns) - 1]);
  for (const auto& [layer, series] : layers) {
    map.rows.push_back(layer);
    std::vector<double> sum(columns), count(columns);
    for (size_t i = 0; i < series->row.size(); ++i) {
      if (!std::isfinite(series->value[i])) continue;
      // The column whose part holds the row: the inverse of part_begin.
      const size_t c = ((size_t(series->row[i]) + 1) * columns - 1) / rows;
      sum[c] += 1 + series->value[i];
      count[c] += 1;
    }
    for (size_t c = 0; c < columns; ++c) map.ratio.push_back(count[c] > 0 ? sum[c] / count[c] : std::nan(""));
  }
  return map;
}

HeatMap expert_map(const RunLog& run, int layer, size_t columns) {
  std::vector<const LoadSnapshot*> snapshots;
  size_t experts = 0;
  for (const LoadSnapshot& s : run.loads)
    if (const auto found = s.tokens.find(layer); found != s.tokens.end() && !found->second.empty()) {
      snapshots.push_back(&s);
      experts = std::max(experts, found->second.size());
    }
  HeatMap map{.row_name = "expert", .experts = int(experts)};
  columns = std::min(columns, snapshots.size());
  for (size_t e = 0; e < experts; ++e) map.rows.push_back(int(e));
  map.ratio.assign(experts * columns, std::nan(""));
  for (size_t c = 0; c < columns; ++c) {
    std::vector<double> sum(experts);
    double total = 0;
    for (size_t i = part_begin(snapshots.size(), c, columns); i < part_begin(snapshots.size(), c + 1, columns); ++i) {
      const std::vector<double>& tokens = snapshots[i]->tokens.at(layer);
      for (size_t e = 0; e < tokens.size(); ++e) sum[e] += tokens[e], total += tokens[e];
      if (i + 1 == part_begin(snapshots.size(), c + 1, columns)) map.column_end.push_back(run.step[snapshots[i]->row]);
    }
    if (total > 0)
      for (size_t e = 0; e < experts; ++e) map.ratio[e * columns + c] = sum[e] * double(experts) / total;
  }
  return map;
}

std::string layer_figure(const RunLog& run) {
  constexpr size_t kColumns = 120;
  const HeatMap map = layer_map(run, kColumns);
  if (map.ratio.empty()) return "";
  return figure("Load of the fullest expert", "max ÷ mean, each MoE layer",
                "1 is perfect balance; each column shows the mean of its steps.",
                heat_map_legend() + svg_heat_map(map, std::clamp(44 + 16 * double(map.rows.size()), 280.0, 420.0)));
}

std::string expert_figures(const RunLog& run) {
  constexpr size_t kColumns = 120, kFewest = 8, kCells = 300'000;  // 0.4 MB of page
  const std::set<int> layers = layers_of(run);
  size_t experts = 0;
  for (int layer : layers) experts += expert_map(run, layer, 1).rows.size();
  const size_t columns = std::clamp(kCells / std::max<size_t>(experts, 1), kFewest, kColumns);
  std::string maps;
  size_t cells = 0, left_out = 0;
  for (int layer : layers) {
    const HeatMap map = expert_map(run, layer, columns);
    cells += map.ratio.size();
    if (cells > kCells) ++left_out;
    else
      maps +=
          figure(fmt::format("Layer {}", layer), fmt::format("{} experts", map.experts), "", svg_heat_map(map, 260));
  }
  if (maps.empty()) return "";
  return fmt::format(
      "<h2>Experts, layer by layer</h2><p class=\"note\">Tokens that each expert received in single batches, as a "
      "multiple "
      "of an "
      "equal share.{}</p>{}<div class=\"grid3\">{}</div>",
      left_out ? fmt::format(" {} further layers are left out.", left_out) : "", heat_map_legend(), maps);
}

std::vector<TitledPicture> load_pictures(const RunLog& run, size_t layers) {
  constexpr size_t kColumns = 120;
  constexpr double kHead = 38;
  // The cells have edges; on a dark page the palette is turned round, as on that of a report.
  constexpr std::string_view kStyle =
      "image{image-rendering:pixelated}@media(max-width:460px){.tick,.title{font-size:17px}.odd{display:none}}"
      "@media(prefers-color-scheme:dark){image,.cells{filter:invert(1) hue-rotate(180deg)}}";
  std::vector<TitledPicture> out;
  const auto add = [&](const HeatMap& map, const std::string& title) {
    const double height = std::clamp(44 + 24 * double(map.rows.size()), 110.0, 340.0);
    const std::string picture = svg_heat_map(map, height), scale = heat_map_legend();
    if (picture.empty()) return;
    constexpr std::string_view kSvg = "<svg ";
    const Frame f;
    const std::string placed =
        fmt::format("<svg x=\"{}\" y=\"8\" width=\"250\" height=\"34\" {}", f.left - 12, scale.substr(kSvg.size())) +
        fmt::format("<svg y=\"{}\" width=\"{}\" height=\"{}\" {}", kHead, f.width, height, picture.substr(kSvg.size()));
    out.push_back({title, svg_document(f.width, height + kHead, placed, kStyle)});
  };
  add(layer_map(run, kColumns), "Load of the fullest expert");
  const std::set<int> all = layers_of(run);
  size_t left_out = all.size() - std::min(all.size(), layers);
  for (const int layer : all)
    if (left_out > 0) --left_out;
    else add(expert_map(run, layer, kColumns), fmt::format("Experts of layer {}", layer));
  return out;
}

}  // namespace minke
