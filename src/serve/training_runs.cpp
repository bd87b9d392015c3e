#include "serve/training_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "report/expert_figures.h"
#include "report/metrics.h"
#include "report/pipeline_page.h"
#include "report/stages_file.h"
#include "report/svg_chart.h"
#include "serve/json_text.h"

namespace minke {
namespace {

constexpr int64_t kStagesAtMost = 1000;  // of a pipeline (report/stages_file.cpp): a run's index says its folder, too
constexpr double kRest = 10;             // times as long as reading a log took it is let be
constexpr auto kSilent = std::chrono::minutes(10);  // a run that logs nothing for so long has been stopped
constexpr size_t kLayers = 4;                       // whose experts are drawn

// Metrics of report/metrics.cpp that are drawn, where a run has them.
constexpr std::array kCharts{"right",     "reward",     "length",  "loss", "pair_accuracy",
                             "pair_loss", "teacher_kl", "entropy", "kl"};

// The latest of a key of the log, smoothed where single steps say little.
struct Figure {
  const char *id, *key;
  bool smoothed;
};
constexpr std::array kFigures{Figure{"loss", "loss", true},
                              Figure{"held_out", "eval_nats_per_token", false},
                              Figure{"right", "eval_right", false},
                              Figure{"reward", "reward", true},
                              Figure{"length", "completions/mean_length", true},
                              Figure{"pairs", "eval_pair_accuracy", false},
                              Figure{"max_vio", "max_vio_mean", true},
                              Figure{"tokens_per_second", "tokens_per_second", true}};

double latest(const RunLog& log, const Figure& figure) {
  const Series* s = log.find(figure.key);
  if (!s) return std::nan("");
  return (figure.smoothed ? running_mean(s->value, std::max(5.0, double(s->value.size()) / 100)) : s->value).back();
}

std::string kind_of(const RunLog& log) {
  if (log.find("critic/loss")) return "ppo";
  if (log.find("completions/mean_length")) return "grpo";
  return log.find("pair_accuracy") ? "reward_model" : "";
}

// The picture of a metric as a file, its legend beside it: in a narrow picture the legend would be too small to be read.
Json chart(const RunLog& log, const Metric& metric) {
  const std::vector<Curve> curves = metric_curves(metric, {&log, 1}, XAxis::step);
  const std::string picture = svg_chart(curves, metric_axes(metric, XAxis::step));
  if (picture.empty()) return {};
  Json legend = Json::array();
  for (const Curve& c : curves) {
    if (c.faint) continue;
    const auto last = std::find_if(c.y.rbegin(), c.y.rend(), [](double v) { return std::isfinite(v); });
    legend.push_back({{"label", c.label},
                      {"colour", c.colour % kColours},
                      {"value", last == c.y.rend() ? std::string("–") : number_label(*last)}});
  }
  constexpr std::string_view kSvg = "<svg ";
  constexpr std::string_view kNarrow = "@media(max-width:460px){.tick,.title{font-size:17px}.odd{display:none}}";
  const Frame f;
  const std::string placed =
      fmt::format("<svg width=\"{}\" height=\"{}\" {}", f.width, f.height, picture.substr(kSvg.size()));
  return {{"id", metric.id},
          {"title", metric.heading},
          {"unit", metric.unit},
          {"legend", legend},
          {"svg", svg_document(f.width, f.height, placed, kNarrow)}};
}

}  // namespace

std::vector<TrainingRuns::Run> TrainingRuns::runs() const {
  std::vector<Run> all;
  for (size_t f = 0; f < folders_.size(); ++f) {
    const fs::path& folder = folders_[f];
    const int64_t first = int64_t(f) * kStagesAtMost;
    const fs::path named = fs::absolute(folder).lexically_normal();
    const std::string name = (named.has_filename() ? named : named.parent_path()).filename().string();
    if (!is_pipeline(folder)) {
      all.push_back({first, folder, {{"name", name}}});
      continue;
    }
    std::vector<StageRecord> stages;
    try {
      stages = read_stages(folder / "stages.json");
    } catch (const UserError&) {  // damaged: nothing to be shown of it
    }
    for (size_t s = 0; s < stages.size(); ++s) {
      const StageRecord& stage = stages[s];
      // A name is a folder within the pipeline's own, whatever its file says.
      const bool plain = stage.name.find('/') == stage.name.npos && stage.name != "." && stage.name != "..";
      all.push_back({first + int64_t(s),
                     plain ? folder / stage.name : fs::path(),
                     {{"name", stage.name},
                      {"pipeline", name},
                      {"kind", stage.kind},
                      {"state", name_of(stage.state)},
                      {"result", result_line(stage)}}});
    }
  }
  return all;
}

const TrainingRuns::Known& TrainingRuns::known(const fs::path& folder) {
  Known& k = known_[folder];
  std::error_code none;
  const fs::path log = folder / "log.jsonl";
  if (folder.empty() || !fs::is_regular_file(log, none)) return k = Known();
  const auto size = fs::file_size(log, none);
  const auto written = fs::last_write_time(log, none);
  const bool is_first = k.read == Clock::time_point{};
  if (!is_first && ((size == k.size && written == k.written) || seconds_since(k.read) < kRest * k.seconds)) return k;
  const auto begun = Clock::now();
  try {
    const RunLog run = read_run(folder);
    Known now{.size = size, .written = written};
    now.facts = {{"step", run.step.back()}, {"steps", run.planned_steps},         {"finished", run.finished},
                 {"kind", kind_of(run)},    {"seconds", run.minutes.back() * 60}, {"tokens", run.tokens.back()}};
    for (const Figure& f : kFigures)
      if (const double v = latest(run, f); std::isfinite(v)) now.figures.push_back({{"id", f.id}, {"value", v}});
    for (const Metric& m : metrics_of({&run, 1}))
      if (std::find(kCharts.begin(), kCharts.end(), m.id) != kCharts.end())
        if (Json drawn = chart(run, m); !drawn.is_null()) now.charts.push_back(std::move(drawn));
    for (const TitledPicture& p : load_pictures(run, kLayers))
      now.charts.push_back(
          {{"id", "load"}, {"title", p.title}, {"unit", "× mean load"}, {"legend", Json::array()}, {"svg", p.svg}});
    k = std::move(now);
  } catch (const UserError&) {  // no step yet, or it went away
    k = Known{.size = size, .written = written};
  }
  k.read = Clock::now();
  k.seconds = seconds_since(begun);
  return k;
}

Json TrainingRuns::facts(const Run& run) {
  const Known& k = known(run.folder);
  Json all = run.facts;
  all["index"] = run.index;
  for (const auto& [key, value] : k.facts.items())
    if (!all.contains(key)) all[key] = value;
  if (!all.contains("state")) {
    const bool is_silent = fs::file_time_type::clock::now() - k.written > kSilent;
    all["state"] = name_of(k.facts.empty()                    ? StageState::waiting
                           : k.facts.value("finished", false) ? StageState::done
                           : is_silent                        ? StageState::stopped
                                                              : StageState::running);
  }
  return all;
}

Json TrainingRuns::list() {
  Json all = Json::array();
  for (const Run& r : runs()) all.push_back(facts(r));
  return {{"runs", all}};
}

std::string TrainingRuns::run(int64_t index) {
  for (const Run& r : runs()) {
    if (r.index != index) continue;
    Json all = facts(r);
    const Known& k = known(r.folder);
    all["figures"] = k.figures, all["charts"] = k.charts;
    return json_text(all);
  }
  return "null";
}

}  // namespace minke
