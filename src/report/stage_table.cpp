#include "report/stage_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/human_numbers.h"
#include "report/text.h"

namespace minke {
namespace {

using Cells = std::vector<std::vector<std::string>>;  // by line and column; the first of each is its title

// On a terminal: of text without wide characters.
size_t columns(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::optional<double> number(const Json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

// The mean over the rows of a stage, as text.
template <class Value, class Text>
std::vector<std::string> line_of(const std::vector<StageTableRow>& rows, const std::vector<std::string>& stages,
                                 const std::string& title, Value&& value, Text&& text) {
  std::vector<std::string> line{title};
  for (const std::string& stage : stages) {
    double sum = 0;
    int count = 0;
    for (const StageTableRow& r : rows)
      if (r.stage == stage) sum += value(r), ++count;
    line.push_back(text(sum / count));
  }
  return line;
}

Cells cells_of(const std::vector<StageTableRow>& rows) {
  std::vector<std::string> stages, tasks;
  for (const StageTableRow& r : rows) add_once(stages, r.stage), add_once(tasks, r.name());
  Cells cells{{"accuracy, %"}};
  cells[0].insert(cells[0].end(), stages.begin(), stages.end());
  for (const std::string& task : tasks) {
    std::vector<std::string>& line = cells.emplace_back(std::vector<std::string>{task});
    for (const std::string& stage : stages) {
      const auto is_it = [&](const StageTableRow& r) { return r.stage == stage && r.name() == task; };
      const auto r = std::find_if(rows.begin(), rows.end(), is_it);
      line.push_back(r == rows.end()
                         ? "–"
                         : fmt::format("{:.1f} [{:.0f}, {:.0f}]", 100 * r->accuracy, 100 * r->low, 100 * r->high));
    }
  }
  // Means over what every model was asked; over all that it was, where they have nothing in common.
  std::vector<StageTableRow> common;
  for (const StageTableRow& r : rows) {
    std::vector<std::string> asked;
    for (const StageTableRow& other : rows)
      if (other.name() == r.name()) add_once(asked, other.stage);
    if (asked.size() == stages.size()) common.push_back(r);
  }
  if (common.empty()) common = rows;
  const auto percent = [](double share) { return fmt::format("{:.1f}", 100 * share); };
  const auto tokens = [](double n) { return fmt::format("{:.0f}", n); };
  const auto time = [](double seconds) { return seconds > 0 ? human_time(seconds) : "–"; };
  cells.push_back(line_of(
      common, stages, "well-formed, %", [](const auto& r) { return r.well_formed; }, percent));
  cells.push_back(line_of(
      common, stages, "one language, %", [](const auto& r) { return r.single_language; }, percent));
  cells.push_back(line_of(
      common, stages, "tokens", [](const auto& r) { return r.mean_tokens; }, tokens));
  cells.push_back(line_of(
      common, stages, "time", [](const auto& r) { return r.seconds; }, time));
  return cells;
}

}  // namespace

std::string StageTableRow::name() const { return level > 0 ? fmt::format("{}:{}", task, level) : task; }

void complete_results(Json& results, const std::string& stage, double seconds) {
  for (Json& row : results) {
    row["stage"] = stage, row["seconds"] = seconds;
    for (const auto& [key, from] : {std::pair{"accuracy", "pass@1"}, {"well_formed", "format"}})
      if (const auto found = row.find(from); found != row.end()) row[key] = *found;
  }
}

std::vector<StageTableRow> stage_table(std::span<const StageRecord> stages) {
  std::vector<StageTableRow> rows;
  for (const StageRecord& s : stages) {
    const auto results = s.result.find("results");
    if (s.state != StageState::done || results == s.result.end() || !results->is_array()) continue;
    for (const Json& r : *results) {
      if (!r.is_object()) continue;
      const auto task = r.find("task"), stage = r.find("stage"), ci = r.find("ci95");
      const bool named = task != r.end() && task->is_string() && stage != r.end() && stage->is_string();
      const bool bounded =
          ci != r.end() && ci->is_array() && ci->size() == 2 && (*ci)[0].is_number() && (*ci)[1].is_number();
      const auto accuracy = number(r, "accuracy"), formed = number(r, "well_formed"),
                 language = number(r, "single_language"), tokens = number(r, "mean_tokens");
      if (!named || !bounded || !accuracy || !formed || !language || !tokens) continue;
      rows.push_back({.stage = stage->get<std::string>(),
                      .task = task->get<std::string>(),
                      .level = int(std::clamp(number(r, "level").value_or(0), 0.0, 1000.0)),
                      .accuracy = *accuracy,
                      .low = (*ci)[0].get<double>(),
                      .high = (*ci)[1].get<double>(),
                      .well_formed = *formed,
                      .single_language = *language,
                      .mean_tokens = *tokens,
                      .seconds = number(r, "seconds").value_or(0)});
    }
  }
  return rows;
}

std::vector<std::string> stage_table_lines(const std::vector<StageTableRow>& rows) {
  if (rows.empty()) return {};
  const Cells cells = cells_of(rows);
  std::vector<size_t> width(cells[0].size());
  for (const auto& line : cells)
    for (size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], columns(line[i]));
  std::vector<std::string> lines;
  for (const auto& line : cells) {
    std::string& text = lines.emplace_back();
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string blanks(width[i] - columns(line[i]), ' ');
      text += i == 0 ? line[i] + blanks : "  " + blanks + line[i];
    }
  }
  return lines;
}

std::string stage_table_html(const std::vector<StageTableRow>& rows) {
  if (rows.empty()) return "";
  std::string html;
  for (const auto& line : cells_of(rows)) {
    const char* tag = html.empty() ? "th" : "td";
    html += "<tr>";
    for (const std::string& cell : line) html += fmt::format("<{0}>{1}</{0}>", tag, escape_html(cell));
    html += "</tr>\n";
  }
  return fmt::format("<h2>Stages side by side</h2><div class=\"card\"><table>{}</table></div>", html);
}

}  // namespace minke
