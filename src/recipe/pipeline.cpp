#include "recipe/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "recipe/recipe_parts.h"
#include "recipe/toml_text.h"

namespace minke {
namespace {

constexpr size_t kMaxStages = 100, kMaxName = 64;

constexpr std::string_view kPretrain[] = {"tokenizer", "data", "train", "long_context", "balance", "log", "model"};
constexpr std::string_view kSft[] = {"data", "train", "sft", "balance", "log"};
constexpr std::string_view kRewardModel[] = {"data", "train", "reward_model", "balance", "log"};
constexpr std::string_view kGrpo[] = {"train", "grpo", "log"};
constexpr std::string_view kPpo[] = {"train", "grpo", "ppo", "log"};
constexpr std::string_view kEval[] = {"eval"};
constexpr std::string_view kSample[] = {"sample"};
// A further kind is a line here and one in pipeline/stage_kinds.cpp.
constexpr StageKind kKinds[] = {
    {.kind = RecipeOf::pretraining, .needs_model = false, .makes_model = true, .sections = kPretrain},
    {.kind = RecipeOf::sft, .needs_model = true, .makes_model = true, .sections = kSft},
    {.kind = RecipeOf::reward_model, .needs_model = true, .makes_model = false, .sections = kRewardModel},
    {.kind = RecipeOf::grpo, .needs_model = true, .makes_model = true, .sections = kGrpo},
    {.kind = RecipeOf::ppo, .needs_model = true, .makes_model = true, .sections = kPpo},
    {.kind = RecipeOf::eval, .needs_model = true, .makes_model = false, .sections = kEval},
    {.kind = RecipeOf::sample, .needs_model = true, .makes_model = false, .sections = kSample},
};

std::vector<std::string> stage_names(const std::vector<PipelineStage>& stages) {
  std::vector<std::string> names;
  for (const PipelineStage& s : stages) names.push_back(s.name);
  return names;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string near = word.size() > 200 ? "" : nearest(word, candidates);
  return near.empty() ? "" : fmt::format(" (did you mean {}?)", near);
}

// A key of the stage itself, taken out of its table; "" if it has none.
std::string take(toml::table& stage, const char* key, const TomlSource& file) {
  const toml::node* node = stage.get(key);
  if (!node) return "";
  if (!node->is_string()) user_error("{}: {} must be a string (a text in quotes)", file.at(*node), key);
  std::string value = **node->as_string();
  stage.erase(key);
  return value;
}

void check_name(const std::string& name, const std::string& place, const std::vector<PipelineStage>& before) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  if (name.empty())
    user_error("{}: [[stage]] lacks name, such as name = \"base\": its folder is called so, too", place);
  if (name.size() > kMaxName || name[0] == '-' || name.find_first_not_of(kAllowed) != name.npos)
    user_error("{}: name = \"{}\": a stage's name is of letters, digits, _ and -, at most {} of them", place,
               printable(name), kMaxName);
  if (name == "latest")
    user_error("{}: name = \"latest\": the link to the pipeline's last model is called so; give another name", place);
  for (const PipelineStage& s : before)
    if (s.name == name) user_error("{}: a second stage named {}: give each its own name", place, name);
}

RecipeOf kind_of(const std::string& name, const std::string& place) {
  if (const auto kind = find_named<RecipeOf>(name)) return *kind;
  user_error("{}: kind = \"{}\" is unknown: it must be \"{}\"", place, printable(name), names_of<RecipeOf>("\" or \""));
}

// What `from` names. `all`: the names of all stages, for messages.
std::optional<size_t> stage_before(const PipelineStage& stage, const std::string& place,
                                   const std::vector<PipelineStage>& before, const std::vector<std::string>& all) {
  const StageKind& kind = stage_kind(stage.kind);
  const char* kind_name = name_of(stage.kind);
  if (!kind.needs_model) {
    if (stage.from.empty()) return std::nullopt;
    user_error("{}: from = \"{}\": kind = \"{}\" begins with no model; leave it out", place, printable(stage.from),
               kind_name);
  }
  if (stage.from.empty())
    user_error(
        "{}: kind = \"{}\" lacks from: the name of an earlier stage, or the path of a model, that it begins with",
        place, kind_name);
  for (size_t i = 0; i < before.size(); ++i)
    if (before[i].name == stage.from) {
      if (stage_kind(before[i].kind).makes_model) return i;
      user_error("{}: from = \"{}\": that stage is of kind \"{}\", which makes no model", place, stage.from,
                 name_of(before[i].kind));
    }
  if (std::find(all.begin(), all.end(), stage.from) != all.end())
    user_error("{}: from = \"{}\": a stage begins with the model of one that stands before it", place, stage.from);
  std::error_code none;
  if (stage.from.find('/') == stage.from.npos && !std::filesystem::exists(stage.from, none))
    user_error("{}: from = \"{}\" is neither an earlier stage{} nor the path of a model", place, printable(stage.from),
               did_you_mean(stage.from, stage_names(before)));
  return std::nullopt;
}

// What data.train and judge take from earlier stages.
void check_stage_sources(const PipelineStage& stage, const std::vector<PipelineStage>& before) {
  // The earlier stage that "stage:NAME" names, if it is of the kind that is wanted; else nothing.
  const auto earlier = [&](const std::string& source, auto&& is_wanted) -> const PipelineStage* {
    for (const PipelineStage& s : before)
      if (s.name == source.substr(kStageSource.size()) && is_wanted(s)) return &s;
    return nullptr;
  };
  if (const std::string& judge = judge_of(stage);
      judge.starts_with(kStageSource) &&
      !earlier(judge, [](const PipelineStage& s) { return s.kind == RecipeOf::reward_model; }))
    user_error("{}: judge = \"{}\" must name an earlier stage of kind \"reward-model\"", stage.place, printable(judge));
  if (const std::string& path = stage.recipe.tokenizer.path;
      path.starts_with(kStageSource) &&
      !earlier(path, [](const PipelineStage& s) { return stage_kind(s.kind).makes_model; }))
    user_error("{}: tokenizer.path = \"{}\" must name an earlier stage that makes a model", stage.place,
               printable(path));
  const auto sample_stage = [&](const std::string& source) {
    return earlier(source, [](const PipelineStage& s) { return s.kind == RecipeOf::sample; });
  };
  std::set<std::string> asked;
  for (const std::string& source : stage.recipe.grpo.jsonl) {
    if (!source.starts_with(kStageSource)) continue;
    const PipelineStage* of = sample_stage(source);
    if (!of)
      user_error("{}: grpo.jsonl: {} must name an earlier stage of kind \"sample\"", stage.place, printable(source));
    if (!asked.insert(source).second) user_error("{}: grpo.jsonl: {} is named twice", stage.place, source);
    if (of->recipe.sample.samples < 2)
      user_error(
          "{}: grpo.jsonl: {} finds problems that are right sometimes, for which {}.sample.samples is at least 2",
          stage.place, source, of->name);
  }
  for (const std::string& source : stage.recipe.data.train) {
    if (!source.starts_with(kStageSource)) continue;
    if (stage.kind != RecipeOf::sft)
      user_error(
          "{}: data.train: {}: only a stage of kind \"sft\" learns from what another has kept, this one is of kind "
          "\"{}\": give files",
          stage.place, printable(source), name_of(stage.kind));
    if (!sample_stage(source))
      user_error("{}: data.train: {} must name an earlier stage of kind \"sample\"", stage.place, printable(source));
    if (stage.recipe.sft.soft_targets > 0 && sample_stage(source)->recipe.sample.top_logprobs == 0)
      user_error("{}: sft.soft_targets {:g}, but {} writes no log-probabilities: set {}.sample.top_logprobs=8",
                 stage.place, stage.recipe.sft.soft_targets, printable(source), sample_stage(source)->name);
  }
}

// "base.train.lr=1" → train.lr=1 for the stage base.
std::vector<std::vector<RecipeOverride>> overrides_of(const std::vector<std::string>& names,
                                                      const std::vector<std::string>& overrides) {
  std::vector<std::vector<RecipeOverride>> all(names.size());
  for (const std::string& text : overrides) {
    const size_t dot = std::min(text.find('.'), text.size());
    const std::string name = text.substr(0, dot);
    const auto at = std::find(names.begin(), names.end(), name);
    if (dot == text.size() || at == names.end())
      user_error("--set {}: write it as STAGE.section.key=value, the stages being {}{}", printable(text),
                 fmt::join(names, ", "), did_you_mean(name.substr(0, name.find('=')), names));
    const std::string key = text.substr(dot + 1, text.find_first_of(" =", dot) - dot - 1);
    if (key == "name" || key == "kind" || key == "from" || key == "about")
      user_error(
          "--set {}: {} of a stage is changed in the file alone; --set has the keys of its recipe, as "
          "STAGE.section.key=value",
          printable(text), key);
    all[size_t(at - names.begin())].push_back({text.substr(dot + 1), text});
  }
  return all;
}

}  // namespace

const StageKind& stage_kind(RecipeOf kind) {
  for (const StageKind& k : kKinds)
    if (k.kind == kind) return k;
  bug("a kind of stage that the table lacks", SourceLocation::current());
}

void refuse_stage_sources(const Recipe& recipe) {
  if (recipe.tokenizer.path.starts_with(kStageSource))
    user_error("tokenizer.path = \"{}\": only a stage of minke pipeline can name another stage: give its folder",
               printable(recipe.tokenizer.path));
  for (const std::string& source : recipe.data.train)
    if (source.starts_with(kStageSource))
      user_error("data.train: {}: only a stage of minke pipeline can name another stage: give its file, such as {}",
                 printable(source), printable(source.substr(kStageSource.size()) + "/samples.jsonl"));
}

const std::string& judge_of(const PipelineStage& stage) {
  if (stage.kind == RecipeOf::eval) return stage.recipe.eval.judge;
  if (stage.kind == RecipeOf::sample) return stage.recipe.sample.judge;
  return stage.recipe.grpo.judge;
}

Pipeline parse_pipeline(std::string_view text, std::string_view where, const std::vector<std::string>& overrides) {
  const TomlSource file{std::string(where), true};
  toml::table top = parse_toml(text, file);
  const std::string result_place = top.contains("result") ? file.at(*top.get("result")) : "";
  const std::string result = take(top, "result", file);
  for (const auto& [key, node] : top)
    if (key.str() != "stage")
      user_error(
          "{}: {} stands outside of a stage: a pipeline is [[stage]] tables, with [stage.train] … below them, and "
          "before them at most result = \"NAME\"",
          file.at(node), printable(key.str()));
  toml::node* stages = top.get("stage");
  if (!stages)
    user_error("{}: there is no [[stage]]: a pipeline has one for each of its runs, with name, kind and from", where);
  if (!stages->is_array_of_tables())
    user_error("{}: stage must be [[stage]] tables, one for each run", file.at(*stages));
  toml::array& tables = *stages->as_array();
  if (tables.size() > kMaxStages)
    user_error("{}: {} stages; at most {} can follow one another", where, tables.size(), kMaxStages);
  Pipeline pipeline;
  std::vector<std::string> names;
  for (toml::node& node : tables) {
    const toml::node* name = node.as_table()->get("name");
    names.push_back(name && name->is_string() ? **name->as_string() : "");
  }
  const std::vector<std::vector<RecipeOverride>> set = overrides_of(names, overrides);
  for (size_t i = 0; i < tables.size(); ++i) {
    toml::table& table = *tables[i].as_table();
    const std::string place = file.at(table);
    PipelineStage stage{.name = take(table, "name", file)};
    check_name(stage.name, place, pipeline.stages);
    stage.place = fmt::format("{}: stage {}", place, stage.name);
    stage.kind = kind_of(take(table, "kind", file), stage.place);
    stage.from = take(table, "from", file);
    stage.about = take(table, "about", file);
    stage.from_stage = stage_before(stage, stage.place, pipeline.stages, names);
    stage.recipe = read_recipe(std::move(table), file, stage.place, set[i], "", stage.kind);
    check_stage_sources(stage, pipeline.stages);
    pipeline.stages.push_back(std::move(stage));
  }
  for (size_t i = 0; i < pipeline.stages.size() && !result.empty(); ++i)
    if (pipeline.stages[i].name == result && stage_kind(pipeline.stages[i].kind).makes_model) pipeline.result = i;
  if (!result_place.empty() && !pipeline.result)
    user_error("{}: result = \"{}\" is no stage that makes a model{}", result_place, printable(result),
               did_you_mean(result, stage_names(pipeline.stages)));
  return pipeline;
}

Pipeline load_pipeline(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return parse_pipeline(read_file(file, size_t(4) << 20), file.string(), overrides);
}

std::string pipeline_to_toml(const Pipeline& pipeline) {
  std::string text;
  if (pipeline.result) text = fmt::format("result = {}\n", toml_of(pipeline.stages[*pipeline.result].name));
  for (const PipelineStage& s : pipeline.stages) {
    text += fmt::format("{}[[stage]]\nname = {}\nkind = {}\n", text.empty() ? "" : "\n", toml_of(s.name),
                        toml_of(std::string(name_of(s.kind))));
    if (!s.from.empty()) text += fmt::format("from = {}\n", toml_of(s.from));
    if (!s.about.empty()) text += fmt::format("about = {}\n", toml_of(s.about));
    const auto& sections = stage_kind(s.kind).sections;
    text += '\n';
    text += sections_to_toml(s.recipe, "stage.", [&](std::string_view section) {
      return std::find(sections.begin(), sections.end(), section) != sections.end();
    });
  }
  return text;
}

std::vector<RecipeDifference> pipeline_differences(const Pipeline& a, const Pipeline& b) {
  std::vector<RecipeDifference> all;
  const auto result = [](const Pipeline& p) { return p.result ? toml_of(p.stages[*p.result].name) : ""; };
  if (result(a) != result(b)) all.push_back({"result", result(a), result(b)});
  const auto find = [](const Pipeline& p, const std::string& name) -> const PipelineStage* {
    for (const PipelineStage& s : p.stages)
      if (s.name == name) return &s;
    return nullptr;
  };
  for (const PipelineStage& s : a.stages) {
    const PipelineStage* other = find(b, s.name);
    if (!other) {
      all.push_back({s.name, name_of(s.kind), ""});
      continue;
    }
    if (s.kind != other->kind) all.push_back({s.name + ".kind", name_of(s.kind), name_of(other->kind)});
    if (s.from != other->from) all.push_back({s.name + ".from", toml_of(s.from), toml_of(other->from)});
    for (RecipeDifference d : recipe_differences(s.recipe, other->recipe)) {
      d.key = s.name + "." + d.key;
      all.push_back(std::move(d));
    }
  }
  for (const PipelineStage& s : b.stages)
    if (!find(a, s.name)) all.push_back({s.name, "", name_of(s.kind)});
  if (all.empty() && stage_names(a.stages) != stage_names(b.stages))
    all.push_back({"stage", fmt::format("{}", fmt::join(stage_names(a.stages), ", ")),
                   fmt::format("{}", fmt::join(stage_names(b.stages), ", "))});
  return all;
}

}  // namespace minke
