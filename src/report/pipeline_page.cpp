#include "report/pipeline_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/human_numbers.h"
#include "report/html_page.h"
#include "report/stage_table.h"
#include "report/text.h"

namespace minke {
namespace {

std::string address(const std::string& path) {  // of a link: everything but the plainest letters escaped
  std::string out;
  for (unsigned char c : path)
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' ||
        c == '/' || c == '.')
      out += char(c);
    else out += fmt::format("%{:02X}", c);
  return out;
}

// The figures of an evaluation, one row for each task and level.
std::string results_table(const Json& results) {
  // preference: the mean of what a reward model gave; pass@1 is then how many it found good.
  static constexpr const char* kColumns[] = {"task",       "level",  "n",           "k",
                                             "pass@1",     "ci95",   "cons@k",      "lenient",
                                             "preference", "format", "mean_tokens", "bits_per_byte"};
  std::string rows;
  for (const Json& r : results) {
    if (!r.is_object()) continue;
    rows += "<tr>";
    for (const char* column : kColumns) {
      const auto found = r.find(column);
      std::string text = "–";
      if (found != r.end() && found->is_number_float()) text = fmt::format("{:.4g}", found->get<double>());
      else if (found != r.end() && found->is_number()) text = found->dump();
      else if (found != r.end() && found->is_string()) text = found->get<std::string>();
      else if (found != r.end() && found->is_array() && found->size() == 2 && (*found)[0].is_number() &&
               (*found)[1].is_number())
        text = fmt::format("{:.3g} – {:.3g}", (*found)[0].get<double>(), (*found)[1].get<double>());
      rows += fmt::format("<td>{}</td>", escape_html(text));
    }
    rows += "</tr>\n";
  }
  if (rows.empty()) return "";
  std::string head;
  for (const char* column : kColumns) head += fmt::format("<th>{}</th>", escape_html(column));
  return fmt::format("<div class=\"card\"><table><tr>{}</tr>\n{}</table></div>", head, rows);
}

}  // namespace

bool is_pipeline(const fs::path& folder) {
  std::error_code none;
  return fs::is_regular_file(folder / "stages.json", none);
}

std::string pipeline_html(std::span<const StageRecord> stages, const std::string& name, const fs::path& folder) {
  std::string rows, evaluations;
  double seconds = 0;
  for (const StageRecord& s : stages) {
    seconds += s.seconds;
    std::error_code none;
    const std::string title = escape_html(s.name);
    const bool has_report = s.name.find('/') == s.name.npos && fs::exists(folder / s.name / "report.html", none);
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                        has_report ? fmt::format("<a href=\"{}/report.html\">{}</a>", address(s.name), title) : title,
                        escape_html(s.kind), escape_html(s.from), name_of(s.state),
                        s.seconds > 0 ? human_time(s.seconds) : "–", escape_html(result_line(s)));
    if (const auto results = s.result.find("results"); results != s.result.end() && results->is_array())
      if (const std::string table = results_table(*results); !table.empty())
        evaluations += fmt::format("<h2>{}: {}</h2>{}", title, escape_html(s.from), table);
  }
  const auto is_done = [](const StageRecord& s) { return s.state == StageState::done; };
  const auto done = std::count_if(stages.begin(), stages.end(), is_done);
  Page page{.title = name};
  page.subtitle = fmt::format("{} of {} stages done, {}", done, stages.size(), human_time(seconds));
  page.going_on = size_t(done) < stages.size();
  page.header = fmt::format(
      "<div "
      "class=\"card\"><table><tr><th>stage</th><th>kind</th><th>from</th><th>state</th><th>time</th><th>result</th></"
      "tr>\n"
      "{}</table></div>",
      rows);
  page.body = stage_table_html(stage_table(stages)) + evaluations;
  page.has_curves = false;
  return html_page(page);
}

void write_pipeline_page(const fs::path& folder) {
  fs::path path = fs::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  write_file_atomic(folder / "report.html",
                    pipeline_html(read_stages(folder / "stages.json"), path.filename().string(), folder));
}

}  // namespace minke
