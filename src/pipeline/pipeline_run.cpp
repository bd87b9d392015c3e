#include "pipeline/pipeline_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "core/folder_lock.h"
#include "core/human_numbers.h"
#include "pipeline/stage_check.h"
#include "report/pipeline_page.h"
#include "report/stage_table.h"
#include "rl/rejection.h"

namespace minke {
namespace {

// What a pipeline writes beside the folders of its stages.
constexpr std::string_view kFiles[] = {"pipeline.toml", "stages.json", "report.html", "latest"};

fs::path recipe_of(const fs::path& folder) { return folder / "pipeline.toml"; }

// A folder may hold other things, but nothing in the place of what is written, and it is no run itself.
void refuse_what_is_in_the_way(const Pipeline& pipeline, const fs::path& folder) {
  std::error_code none;
  std::vector<std::string> names(std::begin(kFiles), std::end(kFiles));
  for (const char* of_a_run : {"recipe.toml", "log.jsonl", "checkpoints", "config.json"}) names.emplace_back(of_a_run);
  for (const PipelineStage& s : pipeline.stages) names.push_back(s.name);
  for (const std::string& name : names)
    if (fs::exists(fs::symlink_status(folder / name, none)))
      user_error("{} already exists and was not written by a pipeline: choose another --out", (folder / name).string());
}

std::vector<StageRecord> records_of(const Pipeline& pipeline, const fs::path& folder) {
  std::vector<StageRecord> before, now;
  const fs::path file = folder / "stages.json";
  if (fs::exists(file)) before = read_stages(file);
  for (const PipelineStage& s : pipeline.stages) {
    StageRecord& r = now.emplace_back(StageRecord{.name = s.name, .kind = name_of(s.kind), .from = s.from});
    for (const StageRecord& b : before) {
      if (b.name != s.name) continue;
      if (b.state != StageState::waiting && (b.kind != r.kind || b.from != r.from))
        user_error("{}: stage {} began as \"{}\" from \"{}\": {} cannot make another one of it; give that another name",
                   file.string(), s.name, printable(b.kind), printable(b.from), recipe_of(folder).string());
      r = b;
    }
  }
  return now;
}

class PipelineRun {
 public:
  PipelineRun(const Pipeline& pipeline, const fs::path& folder, const PipelineMachine& machine)
      : pipeline_(pipeline), folder_(folder), machine_(machine), records_(records_of(pipeline, folder)) {}

  bool run() {
    if (std::all_of(records_.begin(), records_.end(), is_done)) {
      summary();
      console_.print(fmt::format("done        all {} stages of {} are done: there is nothing left to do",
                                 records_.size(), folder_.string()));
      return true;
    }
    plan();
    write();
    for (size_t i = 0; i < records_.size(); ++i)
      if (!is_done(records_[i]) && !run(i)) return false;
    summary();
    console_.print(fmt::format("done        {} stages in {}; the report is {}", records_.size(),
                               human_time(all_seconds()), (folder_ / "report.html").string()));
    return true;
  }

 private:
  static bool is_done(const StageRecord& r) { return r.state == StageState::done; }

  double all_seconds() const {
    double sum = 0;
    for (const StageRecord& r : records_) sum += r.seconds;
    return sum;
  }

  void write() {
    write_stages(folder_ / "stages.json", records_);
    try {
      write_pipeline_page(folder_);
    } catch (const std::exception& e) {  // a convenience, which must not end a run
      console_.print(fmt::format("warning: report.html was not written: {}", e.what()));
    }
  }

  bool run(size_t i) {
    const PipelineStage& stage = pipeline_.stages[i];
    const StageActions& actions = stage_actions(stage.kind);
    StageRecord& r = records_[i];
    console_.print(fmt::format("\nstage {} of {}: {}, {}{}", i + 1, records_.size(), r.name, r.kind,
                               r.from.empty() ? "" : " from " + r.from));
    if (!stage.about.empty()) console_.print("            " + printable(stage.about));
    const double before = r.seconds;
    r.state = StageState::running, r.error.clear(), r.ended = 0;
    if (r.started == 0) r.started = unix_time();
    write();
    const auto begin = Clock::now();
    const auto over = [&](StageState state) {
      r.state = state, r.seconds = before + seconds_since(begin), r.ended = unix_time();
    };
    const fs::path folder = folder_ / stage.name;
    try {
      const fs::path model =
          stage.from_stage ? folder_ / pipeline_.stages[*stage.from_stage].name / "latest" : fs::path(stage.from);
      const Recipe recipe = with_stage_sources(stage.recipe);
      note_kept_recipe(stage.kind, recipe, folder, stage.recipe);
      const bool to_the_end = actions.run({.recipe = recipe,
                                           .folder = folder,
                                           .model = model,
                                           .pipeline = folder_,
                                           .machine = machine_,
                                           .console = console_});
      if (!to_the_end) {
        over(StageState::stopped);
        write();
        console_.print(fmt::format("stopped     in stage {} of {}; continue with --resume", r.name, folder_.string()));
        return false;
      }
      r.result = actions.result(folder);
      if (const auto results = r.result.find("results"); results != r.result.end())
        complete_results(*results, r.from, stage.from_stage ? records_[*stage.from_stage].seconds : 0,
                         machine_.cost_per_hour);
    } catch (const std::exception& e) {
      over(StageState::stopped);
      r.error = e.what();
      try {
        write();
      } catch (const std::exception&) {  // the first mistake is the one to be told
      }
      if (dynamic_cast<const UserError*>(&e)) user_error("stage {}: {}", r.name, e.what());
      throw;
    }
    over(StageState::done);
    // What killed processes took is known to nobody but the run's own clock, which its checkpoints carry.
    if (const auto trained = r.result.find("train_seconds"); trained != r.result.end())
      r.seconds = std::max(r.seconds, trained->get<double>());
    if (stage_kind(stage.kind).makes_model) {
      r.model = stage.name + "/latest";
      if (!pipeline_.result || i <= *pipeline_.result) replace_link(folder_ / "latest", r.model);
    }
    write();
    return true;
  }

  // "stage:right" → the file of answers that the stage has kept, or its reward model.
  Recipe with_stage_sources(Recipe recipe) const {
    for (std::string* judge : {&recipe.grpo.judge, &recipe.eval.judge, &recipe.sample.judge})
      if (judge->starts_with(kStageSource)) *judge = (folder_ / judge->substr(kStageSource.size()) / "latest").string();
    if (std::string& path = recipe.tokenizer.path; path.starts_with(kStageSource))
      path = (folder_ / path.substr(kStageSource.size()) / "latest").string();
    for (std::string& source : recipe.data.train)
      if (source.starts_with(kStageSource))
        source = (folder_ / source.substr(kStageSource.size()) / kSamplesFile).string();
    for (std::string& file : recipe.grpo.jsonl)
      if (file.starts_with(kStageSource)) file = (folder_ / file.substr(kStageSource.size()) / kSometimesFile).string();
    return recipe;
  }

  // A run that has begun keeps its recipe: what pipeline.toml says by now has no effect on it.
  void note_kept_recipe(RecipeOf kind, const Recipe& recipe, const fs::path& folder, const Recipe& written) {
    const fs::path kept = folder / "recipe.toml";
    if (!fs::exists(kept)) return;
    std::string keys;
    for (const RecipeDifference& d : recipe_differences(load_recipe(kept, {}, "", kind), recipe)) {
      if (recipe.train.steps == 0 && (d.key == "train.steps" || d.key == "train.minutes")) continue;
      // The paths of stages are those of the folder as it was called then.
      if (d.key == "data.train" && recipe.data.train != written.data.train) continue;
      if (d.key == "grpo.jsonl" && recipe.grpo.jsonl != written.grpo.jsonl) continue;
      if (d.key == "tokenizer.path" && recipe.tokenizer.path != written.tokenizer.path) continue;
      if (d.key == "grpo.judge" && recipe.grpo.judge != written.grpo.judge) continue;
      keys += (keys.empty() ? "" : ", ") + d.key;
    }
    if (!keys.empty())
      console_.print(fmt::format("note        the stage keeps its stored recipe, {}; {} differs in {}", kept.string(),
                                 recipe_of(folder_).string(), keys));
  }

  void plan() {
    for (size_t i = 0; i < records_.size(); ++i) {
      const StageRecord& r = records_[i];
      console_.print(fmt::format("{} {:<{}}  {:<12}  {:<{}}  {}{}", i == 0 ? "stages     " : "           ", r.name,
                                 width(&StageRecord::name), r.kind, r.from, width(&StageRecord::from),
                                 stage_actions(pipeline_.stages[i].kind).plan(pipeline_.stages[i].recipe),
                                 r.state == StageState::waiting ? "" : fmt::format(" ({})", name_of(r.state))));
    }
  }

  void summary() {
    console_.print("");
    for (const StageRecord& r : records_)
      console_.print(fmt::format("{} {:<{}}  {:<12}  {:>7}  {}", &r == records_.data() ? "results    " : "           ",
                                 r.name, width(&StageRecord::name), r.kind, human_time(r.seconds), result_line(r)));
    const std::vector<std::string> table = stage_table_lines(stage_table(records_));
    for (const std::string& line : table)
      console_.print((&line == table.data() ? "table       " : "            ") + line);
  }

  int width(std::string StageRecord::*text) const {
    size_t most = 0;
    for (const StageRecord& r : records_) most = std::max(most, (r.*text).size());
    return int(std::min<size_t>(most, 40));
  }

  const Pipeline& pipeline_;
  const fs::path& folder_;
  const PipelineMachine& machine_;
  std::vector<StageRecord> records_;
  Console console_;
};

}  // namespace

std::optional<Pipeline> stored_pipeline(const fs::path& folder) {
  if (!fs::exists(recipe_of(folder))) return std::nullopt;
  return load_pipeline(recipe_of(folder));
}

std::string stored_backend(const Pipeline& pipeline, const fs::path& folder) {
  for (const PipelineStage& s : pipeline.stages)
    if (const std::string backend = stored_backend(folder / s.name); !backend.empty()) return backend;
  return "";
}

void check_pipeline(const Pipeline& pipeline, const fs::path& folder) {
  const std::vector<StageRecord> records = records_of(pipeline, folder);
  std::vector<bool> to_come;
  for (size_t i = 0; i < pipeline.stages.size(); ++i) {
    const PipelineStage& s = pipeline.stages[i];
    to_come.push_back(records[i].state != StageState::done && !stage_actions(s.kind).has_begun(folder / s.name));
    if (!to_come.back()) continue;
    try {
      check_stage(pipeline, s);
    } catch (const UserError& e) {
      user_error("{}: {}", s.place, e.what());
    }
  }
  check_tests_apart(pipeline, to_come);
}

bool run_pipeline(const Pipeline& pipeline, const fs::path& folder, bool resume, const PipelineMachine& machine) {
  const bool begun = fs::exists(recipe_of(folder));
  if (begun && !resume)
    user_error("{} already holds a pipeline: continue it with --resume, or choose another --out", folder.string());
  if (!begun) refuse_what_is_in_the_way(pipeline, folder);
  check_pipeline(pipeline, folder);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) user_error("cannot make the folder {}: {}", folder.string(), error.message());
  const FolderLock lock(folder);
  remove_leftovers(folder, [](std::string_view name) {
    return std::find(std::begin(kFiles), std::end(kFiles), name) != std::end(kFiles);
  });
  if (!begun) write_file_atomic(recipe_of(folder), pipeline_to_toml(pipeline));
  return PipelineRun(pipeline, folder, machine).run();
}

}  // namespace minke
