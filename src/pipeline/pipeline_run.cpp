#include "pipeline/pipeline_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "core/human_numbers.h"
#include "model/checkpoint.h"
#include "recipe/model_config.h"
#include "report/pipeline_page.h"
#include "report/stage_table.h"
#include "rl/rejection.h"
#include "rl/reward_judge.h"
#include "run/folder_lock.h"

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

// Positions of the model that a stage begins with or makes; 0: not known.
int64_t positions_of(const Pipeline& pipeline, const PipelineStage& s) {
  if (s.from_stage) return positions_of(pipeline, pipeline.stages[*s.from_stage]);  // an earlier one, so this ends
  if (!s.from.empty()) return open_checkpoint(s.from, kAllMtp).config.max_position_embeddings;
  int64_t longest = model_config(s.recipe, 1, -1, -1).max_position_embeddings;
  for (const Recipe::LongContext& p : s.recipe.long_context) longest = std::max(longest, p.sequence_length);
  return longest;
}

bool begins_with_chat_template(const Pipeline& pipeline, const PipelineStage& s);

// A new tokenizer of pre-training has one, unless it is of characters; SFT gives one, and RL leaves what there is.
bool has_chat_template(const Pipeline& pipeline, const PipelineStage& s) {
  if (s.kind == RecipeOf::sft) return true;
  if (s.kind != RecipeOf::pretraining) return begins_with_chat_template(pipeline, s);
  const Recipe::Tokenizer& t = s.recipe.tokenizer;
  return t.path.empty() ? t.kind == TokenizerKind::bpe : ChatTemplate::load(t.path).has_value();
}

bool begins_with_chat_template(const Pipeline& pipeline, const PipelineStage& s) {
  return s.from_stage ? has_chat_template(pipeline, pipeline.stages[*s.from_stage])
                      : open_model(s.from).chat_template.has_value();
}

// The model whose tokenizer the stage's has; "" for one that pre-training is still to make.
std::string tokenizer_of(const Pipeline& pipeline, const PipelineStage& s) {
  return s.from_stage ? tokenizer_of(pipeline, pipeline.stages[*s.from_stage]) : s.from;
}

// Hours of a teacher's work would be lost if its student could not read it: the ids of its log-probabilities are its tokenizer's.
void check_vocabulary_of_teachers(const Pipeline& pipeline, const PipelineStage& s) {
  const std::string student = tokenizer_of(pipeline, s);
  for (const PipelineStage& t : pipeline.stages) {
    const auto& sources = s.recipe.data.train;
    if (std::find(sources.begin(), sources.end(), std::string(kStageSource) + t.name) == sources.end()) continue;
    const std::string teacher = tokenizer_of(pipeline, t);
    if (student.empty() || teacher.empty() || student == teacher) continue;
    const Tokenizer a = open_model(teacher).tokenizer, b = open_model(student).tokenizer;
    bool same = a.vocab_size() == b.vocab_size();
    for (int32_t id = 0; same && id < a.vocab_size(); ++id) same = a.token_bytes(id) == b.token_bytes(id);
    if (!same)
      user_error(
          "{} and {} have other tokens: the log-probabilities of stage {} mean nothing to this student "
          "(sft.soft_targets "
          "{:g}). Take one with the teacher's tokenizer, or set sft.soft_targets=0",
          teacher, student, t.name, s.recipe.sft.soft_targets);
  }
}

void check_stage(const Pipeline& pipeline, const PipelineStage& s) {
  stage_actions(s.kind).check(s.recipe);
  if (!stage_kind(s.kind).needs_model) return;
  const bool is_sft = s.kind == RecipeOf::sft, is_reward_model = s.kind == RecipeOf::reward_model;
  if (((is_sft && s.recipe.sft.chat_template == "model") ||
       (is_reward_model && s.recipe.reward_model.chat_template == "model")) &&
      !begins_with_chat_template(pipeline, s))
    user_error("the model of {} has no chat template: set {}.chat_template = \"r1\" (thoughts) or \"v3\" (none)",
               s.from, is_sft ? "sft" : "reward_model");
  if (is_sft && s.recipe.sft.soft_targets > 0) check_vocabulary_of_teachers(pipeline, s);
  const PromptFormat prompt = s.kind == RecipeOf::eval     ? s.recipe.eval.prompt
                              : s.kind == RecipeOf::sample ? s.recipe.sample.prompt
                                                           : s.recipe.grpo.prompt;
  if (is_chat(prompt) && !begins_with_chat_template(pipeline, s))
    user_error("{}.prompt = \"{}\", but the model of {} has no chat template: use \"brief\" or \"r1-zero\"",
               s.kind == RecipeOf::ppo ? "grpo" : name_of(s.kind), name_of(prompt), s.from);
  const std::string& judge = judge_of(s);
  if (!judge.empty() && !judge.starts_with(kStageSource)) check_judge_folder(judge, "judge");
  const int64_t positions = positions_of(pipeline, s), length = s.recipe.train.sequence_length;
  const auto& sections = stage_kind(s.kind).sections;
  const bool trains = std::find(sections.begin(), sections.end(), "train") != sections.end();
  if (trains && length > positions)
    user_error("train.sequence_length {} is more than the {} positions of the model of {}", length, positions, s.from);
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
        complete_results(*results, r.from, stage.from_stage ? records_[*stage.from_stage].seconds : 0);
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
    if (stage_kind(stage.kind).makes_model) {
      r.model = stage.name + "/latest";
      replace_link(folder_ / "latest", r.model);
    }
    write();
    return true;
  }

  // "stage:right" → the file of answers that the stage has kept, or its reward model.
  Recipe with_stage_sources(Recipe recipe) const {
    for (std::string* judge : {&recipe.grpo.judge, &recipe.eval.judge, &recipe.sample.judge})
      if (judge->starts_with(kStageSource)) *judge = (folder_ / judge->substr(kStageSource.size()) / "latest").string();
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
  for (size_t i = 0; i < pipeline.stages.size(); ++i) {
    const PipelineStage& s = pipeline.stages[i];
    if (records[i].state == StageState::done || stage_actions(s.kind).has_begun(folder / s.name)) continue;
    try {
      check_stage(pipeline, s);
    } catch (const UserError& e) {
      user_error("{}: {}", s.place, e.what());
    }
  }
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
