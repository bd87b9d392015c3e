#include "report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/human_numbers.h"
#include "report/expert_figures.h"
#include "report/html_page.h"
#include "report/metrics.h"
#include "report/text.h"

namespace minke {
namespace {

std::string tile(const std::string& value, const std::string& label) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>", escape_html(value), escape_html(label));
}

double median(const Series* s) {
  std::vector<double> v;
  for (double x : s ? s->value : std::vector<double>())
    if (std::isfinite(x)) v.push_back(x);
  if (v.empty()) return std::nan("");
  std::nth_element(v.begin(), v.begin() + std::ptrdiff_t(v.size() / 2), v.end());
  return v[v.size() / 2];
}

double last_mean(const Series* s) {
  return s ? running_mean(s->value, std::max(5.0, double(s->value.size()) / 100)).back() : std::nan("");
}

// A figure of the summary: its value for a run (NaN if the log lacks it) and how to write it.
struct Fact {
  const char* label;
  double (*value)(const RunLog&);
  std::string (*text)(double);
  bool less_is_better = false;
  bool has_tile = true;  // on the page of a single run
};

std::string four_digits(double v) { return fmt::format("{:.4f}", v); }

const std::vector<Fact>& facts() {
  static const std::vector<Fact> all{
      {"nats per token, held-out", [](const RunLog& r) { return r.last("eval_nats_per_token"); }, four_digits, true},
      {"bits per byte, held-out", [](const RunLog& r) { return r.last("eval_bits_per_byte"); }, four_digits, true},
      {"training loss, running mean", [](const RunLog& r) { return last_mean(r.find("loss")); }, four_digits, true},
      {"MaxVio over 100 batches", [](const RunLog& r) { return r.last("max_vio_100.mean"); },
       [](double v) { return fmt::format("{:.2f}", v); }},
      {"steps", [](const RunLog& r) { return r.step.back(); }, [](double v) { return fmt::format("{:.0f}", v); }, false,
       false},
      {"tokens trained on", [](const RunLog& r) { return r.tokens.back(); }, human_count},
      {"training time", [](const RunLog& r) { return r.minutes.back() * 60; }, human_time},
      {"tokens per second, median", [](const RunLog& r) { return median(r.find("tokens_per_second")); }, human_count},
      {"parameters", [](const RunLog& r) { return r.parameters > 0 ? r.parameters : std::nan(""); }, human_count, false,
       false},
      {"active per token", [](const RunLog& r) { return r.active_parameters > 0 ? r.active_parameters : std::nan(""); },
       human_count, false, false},
  };
  return all;
}

std::string status(const RunLog& run) {
  const std::string done = fmt::format("step {:.0f}", run.step.back());
  if (run.finished) return fmt::format("<span class=\"badge done\">finished, {}</span>", done);
  return fmt::format("<span class=\"badge\">{}{} so far</span>", done,
                     run.planned_steps > 0 ? fmt::format(" of {}", run.planned_steps) : "");
}

std::string subtitle(const RunLog& run) {
  std::string text = escape_html(run.machine);
  if (!run.model_type.empty()) text = escape_html(run.model_type) + (text.empty() ? "" : " · ") + text;
  const std::time_t started = std::time_t(std::clamp(run.started, 0.0, 1e11));
  std::tm utc{};
  char date[64] = "";
  if (started > 0 && ::gmtime_r(&started, &utc)) std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
  return text + (date[0] ? fmt::format("<br>started {}", date) : "") + status(run);
}

std::string warnings(const RunLog& run) {
  std::string out;
  if (run.skipped_steps)
    out += fmt::format("{} steps were skipped (loss or gradient not finite, or a spike). ", run.skipped_steps);
  if (run.unreadable_lines)
    out += fmt::format("{} lines of the log could not be read (cut off by a kill, or not written by minke).",
                       run.unreadable_lines);
  return out.empty() ? "" : fmt::format("<p class=\"note\">{}: {}</p>", escape_html(run.name), out);
}

std::string text_html(const std::string& text) {
  constexpr size_t kLongest = 3000;
  size_t shown = std::min(text.size(), kLongest);
  while (shown < text.size() && shown > 0 && (text[shown] & 0xc0) == 0x80) --shown;
  return escape_html(std::string_view(text).substr(0, shown)) + (shown < text.size() ? " …" : "");
}

std::string sample_html(const Sample& s) {
  return fmt::format("<p dir=\"auto\"><span class=\"prompt\">{}</span>{}</p>", escape_html(s.prompt),
                     text_html(s.text));
}

// Answers to the same problems of the evaluations: of the first one, and of the last one beside it.
std::string early_and_late_html(const RunLog& run) {
  std::map<int64_t, std::pair<const Sample*, const Sample*>> problems;
  for (const Sample& s : run.samples) {
    if (s.problem < 0) continue;
    auto& [early, late] = problems[s.problem];
    if (!early) early = &s;
    else if (s.prompt == early->prompt && s.step > early->step) late = &s;
  }
  const auto cell = [](const Sample& s) {
    return fmt::format("<td class=\"sample\"><small>step {}, {}</small><p dir=\"auto\">{}</p></td>", s.step,
                       s.right ? "right ✓" : "wrong ✗", text_html(s.text));
  };
  std::string rows;
  for (const auto& [problem, answers] : problems)
    if (answers.second)
      rows += fmt::format("<tr><th>{}</th>{}{}</tr>\n", escape_html(answers.first->prompt), cell(*answers.first),
                          cell(*answers.second));
  if (rows.empty()) return "";
  return "<h2>Early and late answers</h2><div class=\"card\"><table><tr><th>test problem</th><th>first "
         "evaluation</th><th>last evaluation</th></tr>\n" +
         rows + "</table></div>";
}

// The samples of the last step open, those of up to ten earlier ones behind a click, spread over the run.
std::string samples_html(const RunLog& run, bool with_name) {
  std::set<int64_t> steps;
  for (const Sample& s : run.samples)
    if (s.problem < 0) steps.insert(s.step);  // the others stand in a table of their own
  std::string last, earlier;
  size_t k = 0;
  for (int64_t step : steps) {
    const bool is_last = ++k == steps.size();
    constexpr size_t kEarlier = 10;
    if (!is_last && steps.size() > kEarlier && k * kEarlier / steps.size() == (k - 1) * kEarlier / steps.size())
      continue;
    std::string& out = is_last ? last : earlier;
    out += fmt::format("<div class=\"card sample\"><small>{}step {}</small>",
                       with_name ? escape_html(run.name) + ", " : "", step);
    for (const Sample& s : run.samples)
      if (s.step == step && s.problem < 0) out += sample_html(s);
    out += "</div>";
  }
  if (with_name || earlier.empty()) return last;
  return last + "<details><summary>Earlier samples, oldest first</summary>" + earlier + "</details>";
}

std::string comparison_table(std::span<const RunLog> runs) {
  std::string out = "<div class=\"card\"><table><tr><th></th>";
  for (size_t r = 0; r < runs.size(); ++r)
    out += fmt::format("<th><i class=\"swatch c{}\"></i>{}</th>", r % kColours, escape_html(runs[r].name));
  out += "</tr>\n<tr><th>machine</th>";  // what times can be compared across
  for (const RunLog& run : runs)
    out += fmt::format("<td>{}</td>", run.machine.empty() ? "–" : escape_html(run.machine));
  for (const Fact& fact : facts()) {
    std::vector<double> values;
    for (const RunLog& run : runs) values.push_back(fact.value(run));
    if (std::all_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) continue;
    double best = INFINITY;
    for (double v : values)
      if (v < best) best = v;
    out += fmt::format("</tr>\n<tr><th>{}</th>", fact.label);
    for (double v : values)
      out += fmt::format("<td{}>{}</td>", fact.less_is_better && v == best ? " class=\"best\"" : "",
                         std::isnan(v) ? "–" : escape_html(fact.text(v)));
  }
  return out + "</tr></table></div>";
}

std::string recipe_differences(std::span<const RunLog> runs) {
  std::set<std::string> keys;
  for (const RunLog& run : runs)
    for (const auto& [key, value] : run.recipe_keys) keys.insert(key);
  std::string rows;
  for (const std::string& key : keys) {
    std::set<std::string> values;
    std::string cells;
    for (const RunLog& run : runs) {
      const auto found = run.recipe_keys.find(key);
      const std::string value = found == run.recipe_keys.end() ? "–" : found->second;
      values.insert(value);
      cells += fmt::format("<td>{}</td>", escape_html(value));
    }
    if (values.size() > 1) rows += fmt::format("<tr><th>{}</th>{}</tr>\n", escape_html(key), cells);
  }
  if (rows.empty()) return "<p class=\"note\">The recipes are equal.</p>";
  std::string head = "<tr><th></th>";
  for (size_t r = 0; r < runs.size(); ++r)
    head += fmt::format("<th><i class=\"swatch c{}\"></i>{}</th>", r % kColours, escape_html(runs[r].name));
  return fmt::format("<div class=\"card\"><table>{}</tr>{}</table></div>", head, rows);
}

}  // namespace

std::string report_html(std::span<const RunLog> runs) {
  const bool one = runs.size() == 1;
  Page page;
  if (one) {
    page.title = runs[0].name;
    page.subtitle = subtitle(runs[0]);
    page.going_on = !runs[0].finished;
    for (const Fact& fact : facts())
      if (const double v = fact.value(runs[0]); fact.has_tile && !std::isnan(v))
        page.header += tile(fact.text(v), fact.label);
    if (runs[0].parameters > 0)
      page.header += tile(human_count(runs[0].parameters),
                          fmt::format("parameters, {} active per token", human_count(runs[0].active_parameters)));
    page.header = fmt::format("<div class=\"tiles\">{}</div>", page.header);
  } else {
    for (const RunLog& run : runs) page.title += (page.title.empty() ? "" : " · ") + run.name;
    page.subtitle = fmt::format("{} runs compared", runs.size());
    page.header = comparison_table(runs) + "<h2>Differences between the recipes</h2>" + recipe_differences(runs);
  }
  if (runs.size() > size_t(kColours))
    page.body += fmt::format(
        "<p class=\"note\">There are {} colours for {} runs: run {} has the colour of the first, and so on. The names "
        "shown "
        "under the pointer tell them apart.</p>",
        kColours, runs.size(), kColours + 1);
  for (const RunLog& run : runs) page.body += warnings(run);
  page.body += "<div class=\"grid2\">";
  for (const Metric& metric : metrics_of(runs)) page.body += metric_figure(metric, runs);
  if (one) page.body += layer_figure(runs[0]);
  page.body += "</div>";
  if (one) page.body += expert_figures(runs[0]);
  if (one) page.body += early_and_late_html(runs[0]);
  std::string samples;
  for (const RunLog& run : runs) samples += samples_html(run, !one);
  if (!samples.empty()) page.body += "<h2>What it writes</h2>" + samples;
  if (one && !runs[0].recipe.empty())
    page.body += fmt::format(
        "<h2>Recipe</h2><details><summary>Every setting of this run</summary><div class=\"card\"><pre>{}"
        "</pre></div></details>",
        escape_html(runs[0].recipe));
  return html_page(page);
}

std::vector<RunLog> read_runs(const std::vector<fs::path>& folders) {
  std::vector<RunLog> runs;
  for (const fs::path& folder : folders) runs.push_back(read_run(folder));
  std::multiset<std::string> names;
  for (const RunLog& run : runs) names.insert(run.name);
  for (size_t i = 0; i < runs.size(); ++i)
    if (names.count(runs[i].name) > 1) runs[i].name = folders[i].string();
  return runs;
}

void write_report(const std::vector<fs::path>& folders, const fs::path& out) {
  write_file_atomic(out, report_html(read_runs(folders)));
}

std::string report_svg(std::span<const RunLog> runs, const std::string& metric, XAxis x_axis,
                       const std::string& title) {
  if (runs.size() > size_t(kColours))
    user_error(
        "{} runs in one figure: there are colours for only {}; give fewer runs, or leave out --svg: the page "
        "shows the name of the curve under the pointer",
        runs.size(), kColours);
  std::string names;
  for (const Metric& m : metrics_of(runs)) {
    names += (names.empty() ? "" : ", ") + m.id;
    if (m.id != metric) continue;
    const std::string svg = svg_file(metric_curves(m, runs, x_axis), metric_axes(m, x_axis), title);
    if (!svg.empty()) return svg;
  }
  user_error("there is no figure \"{}\"; this log has {}", metric, names);
}

}  // namespace minke
