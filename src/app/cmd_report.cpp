// minke report RUN [RUN2 …]: one HTML page about a run, or about several side by side; or one curve as SVG.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/standard_output.h"
#include "report/pipeline_page.h"
#include "report/report.h"

namespace minke {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string out, svg, title;
  XAxis x = XAxis::step;
};

// Of a pipeline: its stages, with links to the reports that their runs have made.
void pipeline_page(const Options& o, const fs::path& folder) {
  if (!o.svg.empty() || !o.out.empty())
    user_error("{} is the folder of a pipeline: its page is report.html there; --svg and --out are for one of its runs",
               folder.string());
  write_pipeline_page(folder);
  fmt::print("{}\n", (folder / "report.html").string());
}

bool is_within(const fs::path& file, const fs::path& folder) {
  const fs::path relative = fs::weakly_canonical(file).lexically_relative(fs::weakly_canonical(folder));
  return !relative.empty() && *relative.begin() != "..";
}

void run(const Options& o) {
  const std::vector<fs::path> folders(o.runs.begin(), o.runs.end());
  if (folders.size() == 1 && is_pipeline(folders[0])) return pipeline_page(o, folders[0]);
  const std::vector<RunLog> runs = read_runs(folders);
  fs::path out = o.out;
  if (out.empty()) {
    const std::string file = o.svg.empty() ? "report.html" : o.svg + ".svg";
    out = folders.size() == 1 ? folders[0] / file : fs::path(o.svg.empty() ? "compare.html" : file);
  }
  for (const fs::path& folder : folders)
    if (fs::is_regular_file(out) && is_within(out, folder) && out.extension() != (o.svg.empty() ? ".html" : ".svg"))
      user_error("--out {}: that is a file of the run {}, and it would be lost: name another", out.string(),
                 folder.string());
  std::string title = o.title;
  for (const RunLog& r : runs)
    if (o.title.empty()) title += (title.empty() ? "" : ", ") + r.name;
  const std::string text = o.svg.empty() ? report_html(runs) : report_svg(runs, o.svg, o.x, title);
  const bool to_output = is_standard_output(out);  // then nothing else goes there
  write_file_atomic(out, text);
  fmt::print(to_output ? stderr : stdout, "{} ({} runs, {} kB)\n", out.string(), runs.size(),
             (text.size() + 999) / 1000);
}

}  // namespace

void add_report_command(CLI::App& program) {
  CLI::App* c =
      program.add_subcommand("report", "Write an HTML page with the curves of a run, or compare several runs");
  set_example(*c, "minke report runs/out/quickstart");
  const auto o = std::make_shared<Options>();
  c->add_option("runs", o->runs, "Folders of runs; two or more are compared")->required();
  c->add_option("--out", o->out, "File to write; default: RUN/report.html, compare.html for several runs");
  c->add_option("--svg", o->svg, "Write one figure as SVG instead: loss, bits_per_byte, grad_norm, max_vio, …");
  add_choice(*c, "--x", o->x, "Horizontal axis of the figure of --svg");
  c->add_option("--title", o->title, "Title of the figure of --svg; default: the names of the runs");
  c->callback([o] { run(*o); });
}

}  // namespace minke
