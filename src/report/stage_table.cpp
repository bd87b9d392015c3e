#include "report/stage_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/human_numbers.h"
#include "report/text.h"

namespace minke {
namespace {

const std::string kNone = "–";

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

std::optional<std::pair<double, double>> interval(const Json& row, const char* key) {
  const auto ci = row.find(key);
  if (ci == row.end() || !ci->is_array() || ci->size() != 2 || !(*ci)[0].is_number() || !(*ci)[1].is_number())
    return std::nullopt;
  return std::pair((*ci)[0].get<double>(), (*ci)[1].get<double>());
}

// Nothing if a figure is missing.
std::optional<StageTableAnswers> answers_of(const Json& row) {
  const auto ci = interval(row, "ci95");
  const auto accuracy = number(row, "accuracy"), formed = number(row, "well_formed"),
             language = number(row, "single_language"), tokens = number(row, "mean_tokens");
  if (!ci || !accuracy || !formed || !language || !tokens) return std::nullopt;
  return StageTableAnswers{.accuracy = *accuracy,
                           .low = ci->first,
                           .high = ci->second,
                           .well_formed = *formed,
                           .single_language = *language,
                           .mean_tokens = *tokens,
                           .well_formed_ci95 = interval(row, "well_formed_ci95"),
                           .preference = number(row, "preference")};
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

// The mean over the rows of each column that have the value, as text.
template <class Value, class Text>
std::vector<std::string> line_of(const std::vector<StageTableRow>& rows, const std::vector<std::string>& columns,
                                 const std::string& title, Value&& value, Text&& text) {
  std::vector<std::string> line{title};
  for (const std::string& column : columns) {
    double sum = 0;
    int count = 0;
    for (const StageTableRow& r : rows) {
      const std::optional<double> v = value(r);
      if (r.column == column && v) sum += *v, ++count;
    }
    line.push_back(count > 0 ? text(sum / count) : kNone);
  }
  return line;
}

// "99.5 [98, 100]": the mean of a column's shares with its 95 % interval, from theirs by MOVER (Zou and Donner 2008, eq. 1): the
// distances to the bounds of a mean of independent shares are the roots of the sums of their squares. Without intervals the mean alone.
std::string mean_of_shares(const std::vector<StageTableRow>& rows, const std::string& column) {
  double sum = 0, below = 0, above = 0, count = 0;
  bool bounded = true;
  for (const StageTableRow& r : rows) {
    if (r.column != column || !r.answers) continue;
    const double share = r.answers->well_formed;
    sum += share, ++count;
    if (const auto& ci = r.answers->well_formed_ci95)
      below += (share - ci->first) * (share - ci->first), above += (ci->second - share) * (ci->second - share);
    else bounded = false;
  }
  if (count == 0) return kNone;
  const double mean = sum / count;
  if (!bounded) return fmt::format("{:.1f}", 100 * mean);
  return fmt::format("{:.1f} [{:.0f}, {:.0f}]", 100 * mean, 100 * (mean - std::sqrt(below) / count),
                     100 * (mean + std::sqrt(above) / count));
}

// A line for each task and level of which some row has the value; `title` names it.
template <class Value, class Title>
void add_task_lines(Cells& cells, const std::vector<StageTableRow>& rows, const std::vector<std::string>& columns,
                    Value&& value, Title&& title) {
  std::vector<std::string> tasks;
  for (const StageTableRow& r : rows)
    if (value(r)) add_once(tasks, r.name());
  for (const std::string& task : tasks) {
    const size_t at = cells.size();
    cells.emplace_back(std::vector<std::string>{""});
    for (const std::string& column : columns) {
      const auto is_it = [&](const StageTableRow& r) { return r.column == column && r.name() == task && value(r); };
      const auto r = std::find_if(rows.begin(), rows.end(), is_it);
      if (r != rows.end() && cells[at][0].empty()) cells[at][0] = title(*r);
      cells[at].push_back(r == rows.end() ? kNone : *value(*r));
    }
  }
}

Cells cells_of(const std::vector<StageTableRow>& rows) {
  std::vector<std::string> columns;
  for (const StageTableRow& r : rows) add_once(columns, r.column);
  Cells cells{{"accuracy, %"}};
  cells[0].insert(cells[0].end(), columns.begin(), columns.end());
  const auto accuracy = [](const StageTableRow& r) -> std::optional<std::string> {
    if (!r.answers) return std::nullopt;
    return fmt::format("{:.1f} [{:.0f}, {:.0f}]", 100 * r.answers->accuracy, 100 * r.answers->low,
                       100 * r.answers->high);
  };
  add_task_lines(cells, rows, columns, accuracy, [](const StageTableRow& r) {
    return r.answers->preference ? r.name() + ", by the reward model" : r.name();
  });
  const auto preference = [](const StageTableRow& r) -> std::optional<std::string> {
    if (!r.answers || !r.answers->preference) return std::nullopt;
    return fmt::format("{:.3f}", *r.answers->preference);
  };
  // Chats have one level, which need not be said again.
  const auto task = [](const StageTableRow& r) { return r.level > 1 ? r.name() : r.task; };
  add_task_lines(cells, rows, columns, preference,
                 [&](const StageTableRow& r) { return task(r) + ", reward model's mean"; });
  const auto bits = [](const StageTableRow& r) -> std::optional<std::string> {
    if (!r.bits_per_byte) return std::nullopt;
    return fmt::format("{:.3f}", *r.bits_per_byte);
  };
  add_task_lines(cells, rows, columns, bits, [&](const StageTableRow& r) { return task(r) + ", bits per byte"; });
  // Means over what every model was asked that has answered; over all that it was, where they have nothing in common.
  std::vector<std::string> answering;
  for (const StageTableRow& r : rows)
    if (r.answers) add_once(answering, r.column);
  std::vector<StageTableRow> common;
  for (const StageTableRow& r : rows) {
    std::vector<std::string> asked;
    for (const StageTableRow& other : rows)
      if (other.name() == r.name() && other.answers) add_once(asked, other.column);
    if (asked.size() == answering.size()) common.push_back(r);
  }
  if (common.empty()) common = rows;
  const auto percent = [](double share) { return fmt::format("{:.1f}", 100 * share); };
  const auto tokens = [](double n) { return fmt::format("{:.0f}", n); };
  const auto time = [](double seconds) { return seconds > 0 ? human_time(seconds) : kNone; };
  const auto add_mean = [&](const char* title, double StageTableAnswers::*figure, auto&& text) {
    const auto value = [&](const StageTableRow& r) -> std::optional<double> {
      if (!r.answers) return std::nullopt;
      return *r.answers.*figure;
    };
    cells.push_back(line_of(common, columns, title, value, text));
  };
  cells.push_back({"well-formed, %"});
  for (const std::string& column : columns) cells.back().push_back(mean_of_shares(common, column));
  add_mean("one language, %", &StageTableAnswers::single_language, percent);
  add_mean("tokens", &StageTableAnswers::mean_tokens, tokens);
  cells.push_back(line_of(
      rows, columns, "time", [](const StageTableRow& r) { return std::optional(r.seconds); }, time));
  if (std::any_of(rows.begin(), rows.end(), [](const StageTableRow& r) { return r.cost.has_value(); }))
    cells.push_back(line_of(
        rows, columns, "cost, $", [](const StageTableRow& r) { return r.cost; },
        [](double dollars) { return dollars > 0 ? fmt::format("{:.4f}", dollars) : kNone; }));
  return cells;
}

// The evaluations of a model share a column, unless two of them asked the same. `evaluations`: of each row.
void name_columns(std::vector<StageTableRow>& rows, const std::vector<std::string>& evaluations) {
  std::map<std::pair<std::string, std::string>, std::string> asked;
  std::set<std::string> apart;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto [first, is_new] = asked.try_emplace({rows[i].stage, rows[i].name()}, evaluations[i]);
    if (!is_new && first->second != evaluations[i]) apart.insert(rows[i].stage);
  }
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i].column =
        apart.contains(rows[i].stage) ? fmt::format("{}, by {}", rows[i].stage, evaluations[i]) : rows[i].stage;
}

}  // namespace

std::string StageTableRow::name() const { return level > 0 ? fmt::format("{}:{}", task, level) : task; }

void complete_results(Json& results, const std::string& stage, double seconds, double cost_per_hour) {
  for (Json& row : results) {
    row["stage"] = stage, row["seconds"] = seconds;
    if (cost_per_hour > 0) row["cost"] = seconds / 3600 * cost_per_hour;
    for (const auto& [key, from] :
         {std::pair{"accuracy", "pass@1"}, {"well_formed", "format"}, {"well_formed_ci95", "format_ci95"}})
      if (const auto found = row.find(from); found != row.end()) row[key] = *found;
  }
}

std::vector<StageTableRow> stage_table(std::span<const StageRecord> stages) {
  std::vector<StageTableRow> rows;
  std::vector<std::string> evaluations;
  for (const StageRecord& s : stages) {
    const auto results = s.result.find("results");
    if (s.state != StageState::done || results == s.result.end() || !results->is_array()) continue;
    for (const Json& r : *results) {
      if (!r.is_object()) continue;
      const auto task = r.find("task"), stage = r.find("stage");
      const bool named = task != r.end() && task->is_string() && stage != r.end() && stage->is_string();
      StageTableRow row{.answers = answers_of(r),
                        .bits_per_byte = number(r, "bits_per_byte"),
                        .seconds = number(r, "seconds").value_or(0),
                        .cost = number(r, "cost")};
      if (!named || (!row.answers && !row.bits_per_byte)) continue;
      row.stage = stage->get<std::string>(), row.task = task->get<std::string>();
      row.level = int(std::clamp(number(r, "level").value_or(0), 0.0, 1000.0));
      rows.push_back(std::move(row));
      evaluations.push_back(s.name);
    }
  }
  name_columns(rows, evaluations);
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
