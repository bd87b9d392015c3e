// Several runs as one TOML file: [[stage]] tables, each with a name, a kind, the model that it begins with, and below it the
// tables of the recipe of that verb, checked as they are there. Test: tests/recipe/pipeline_test.cpp.
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/recipe.h"

namespace minke {

struct PipelineStage {
  std::string name;  // letters, digits, _ and -: also of its folder
  RecipeOf kind = RecipeOf::pretraining;
  std::string about;                 // a sentence for people; may be empty
  std::string from;                  // an earlier stage, or the path of a model; empty: none is needed
  std::optional<size_t> from_stage;  // which of the stages
  Recipe recipe;
  std::string place;  // "r1.toml:12: stage base", for messages
};

// Before the name of an earlier stage: in data.train the answers that it has kept, as a judge its reward model, as tokenizer.path the
// tokenizer of its model.
inline constexpr std::string_view kStageSource = "stage:";

// UserError if a recipe that is no stage's takes its data from one.
void refuse_stage_sources(const Recipe& recipe);

struct Pipeline {
  // The stage whose model the pipeline is for, which its `latest` leads to; without: the last that makes one.
  std::optional<size_t> result;
  std::vector<PipelineStage> stages;
};

// What a kind of stage takes and gives.
struct StageKind {
  RecipeOf kind;
  bool needs_model, makes_model;
  std::span<const std::string_view> sections;  // of the recipe that it reads
};
const StageKind& stage_kind(RecipeOf kind);

// What judges its answers: a folder, or kStageSource and a name; "" for none.
const std::string& judge_of(const PipelineStage& stage);

// Overrides are "base.train.lr=3e-4": the name of a stage before the key. UserErrors as of parse_recipe.
Pipeline parse_pipeline(std::string_view toml, std::string_view where, const std::vector<std::string>& overrides = {});
Pipeline load_pipeline(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
// The resolved pipeline as text, from which parse_pipeline reads an equal one.
std::string pipeline_to_toml(const Pipeline& pipeline);
// Keys are "base.train.lr", "base.from"; "base" where one of the two has no such stage; "stage" for another order.
std::vector<RecipeDifference> pipeline_differences(const Pipeline& a, const Pipeline& b);

}  // namespace minke
