#include "pipeline/stage_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "eval/test_overlap.h"
#include "model/checkpoint.h"
#include "pipeline/stage_kinds.h"
#include "recipe/model_config.h"
#include "rl/reward_judge.h"

namespace minke {
namespace {

// Positions of the model that a stage begins with or makes; 0: not known.
int64_t positions_of(const Pipeline& pipeline, const PipelineStage& s) {
  if (s.from_stage) return positions_of(pipeline, pipeline.stages[*s.from_stage]);  // an earlier one, so this ends
  if (!s.from.empty()) return open_checkpoint(s.from, kAllMtp).config.max_position_embeddings;
  int64_t longest = model_config(s.recipe, 1, -1, -1).max_position_embeddings;
  for (const Recipe::LongContext& p : s.recipe.long_context) longest = std::max(longest, p.sequence_length);
  return longest;
}

const PipelineStage& stage_named(const Pipeline& pipeline, std::string_view name) {
  for (const PipelineStage& s : pipeline.stages)
    if (s.name == name) return s;
  bug("a stage that the pipeline lacks", SourceLocation::current());
}

bool begins_with_chat_template(const Pipeline& pipeline, const PipelineStage& s);

// A new tokenizer of pre-training has one, unless it is of characters; SFT gives one, and RL leaves what there is.
bool has_chat_template(const Pipeline& pipeline, const PipelineStage& s) {
  if (s.kind == RecipeOf::sft) return true;
  if (s.kind != RecipeOf::pretraining) return begins_with_chat_template(pipeline, s);
  const Recipe::Tokenizer& t = s.recipe.tokenizer;
  if (t.path.starts_with(kStageSource))
    return has_chat_template(pipeline, stage_named(pipeline, t.path.substr(kStageSource.size())));
  return t.path.empty() ? t.kind == TokenizerKind::bpe : ChatTemplate::load(t.path).has_value();
}

bool begins_with_chat_template(const Pipeline& pipeline, const PipelineStage& s) {
  return s.from_stage ? has_chat_template(pipeline, pipeline.stages[*s.from_stage])
                      : open_model(s.from).chat_template.has_value();
}

// Where the tokenizer of a stage's model comes from: a path, or, where that is empty, the pre-training that is to make one.
struct TokenizerSource {
  std::string path;
  const PipelineStage* stage = nullptr;
};
TokenizerSource tokenizer_of(const Pipeline& pipeline, const PipelineStage& s) {
  if (s.from_stage) return tokenizer_of(pipeline, pipeline.stages[*s.from_stage]);
  if (s.kind != RecipeOf::pretraining) return {s.from};
  const std::string& path = s.recipe.tokenizer.path;
  if (path.starts_with(kStageSource))
    return tokenizer_of(pipeline, stage_named(pipeline, path.substr(kStageSource.size())));
  return {path, path.empty() ? &s : nullptr};
}

bool same_tokens(const TokenizerSource& a, const TokenizerSource& b) {
  if (a.stage && b.stage) {  // made by the same keys from the same text
    if (a.stage == b.stage) return true;
    const auto differences = recipe_differences(a.stage->recipe, b.stage->recipe);
    return std::none_of(differences.begin(), differences.end(), [](const RecipeDifference& d) {
      return d.key.starts_with("tokenizer.") || d.key.starts_with("data.");
    });
  }
  if (a.stage || b.stage) return false;
  if (a.path == b.path) return true;
  const Tokenizer x = Tokenizer::load(a.path), y = Tokenizer::load(b.path);
  bool same = x.vocab_size() == y.vocab_size();
  for (int32_t id = 0; same && id < x.vocab_size(); ++id) same = x.token_bytes(id) == y.token_bytes(id);
  return same;
}

// Hours of a teacher's work would be lost if its student could not read it: the ids of its log-probabilities are its tokenizer's.
void check_vocabulary_of_teachers(const Pipeline& pipeline, const PipelineStage& s) {
  const TokenizerSource student = tokenizer_of(pipeline, s);
  const auto named = [](const TokenizerSource& t) { return t.stage ? "stage " + t.stage->name : t.path; };
  for (const PipelineStage& t : pipeline.stages) {
    const auto& sources = s.recipe.data.train;
    if (std::find(sources.begin(), sources.end(), std::string(kStageSource) + t.name) == sources.end()) continue;
    const TokenizerSource teacher = tokenizer_of(pipeline, t);
    if (same_tokens(student, teacher)) continue;
    const std::string way_out = student.stage && teacher.stage
                                    ? fmt::format("Give both the same tokenizer ({}.tokenizer.path = \"stage:{}\")",
                                                  student.stage->name, teacher.stage->name)
                                    : "Take one with the teacher's tokenizer";
    user_error(
        "{} and {} have other tokens: the log-probabilities of stage {} mean nothing to this student (sft.soft_targets "
        "{:g}). {}, or set sft.soft_targets=0",
        named(teacher), named(student), t.name, s.recipe.sft.soft_targets, way_out);
  }
}

}  // namespace

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

// What models learn from, and what those of later stages, too, are tested on.
void check_tests_apart(const Pipeline& pipeline, const std::vector<bool>& to_come) {
  std::set<std::pair<std::vector<std::string>, std::vector<std::string>>> apart;  // files of tests, sources
  for (const PipelineStage& test : pipeline.stages) {
    if (test.kind != RecipeOf::eval || test.recipe.eval.jsonl.empty()) continue;
    for (size_t i = 0; i < pipeline.stages.size(); ++i) {
      const PipelineStage& s = pipeline.stages[i];
      if (!to_come[i]) continue;
      std::vector<std::string> sources;
      if (s.kind == RecipeOf::sample) sources = s.recipe.sample.jsonl;
      if (s.kind == RecipeOf::grpo || s.kind == RecipeOf::ppo) sources = s.recipe.grpo.jsonl;
      if (s.kind == RecipeOf::sft || s.kind == RecipeOf::reward_model) sources = s.recipe.data.train;
      std::erase_if(sources, [](const std::string& source) { return source.starts_with(kStageSource); });
      if (sources.empty() || !apart.emplace(test.recipe.eval.jsonl, sources).second) continue;
      if (const auto same = test_overlap(test.recipe.eval.jsonl, sources))
        user_error(
            "{}: it would learn from {} question{} of stage {}, which tests on {}: {} is also {}. Take what is tested "
            "out of "
            "what is learned",
            s.place, same->questions, same->questions == 1 ? "" : "s", test.name,
            fmt::join(test.recipe.eval.jsonl, ", "), same->test, same->train);
    }
  }
}

}  // namespace minke
