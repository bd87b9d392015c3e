// The stages of a pipeline side by side, as the paper's table has them: for each model that was evaluated its accuracy by task and
// level, what a reward model gave its answers to chats and how many bits a byte it predicts good ones with, how well formed its answers are,
// in one language or not, how long, and what the stage took.
// Test: tests/report/stage_table_test.cpp.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "report/stages_file.h"

namespace minke {

struct StageTableAnswers {
  double accuracy = 0, low = 0, high = 1;  // strict, with its 95 % interval
  double well_formed = 0, single_language = 0, mean_tokens = 0;
  std::optional<std::pair<double, double>> well_formed_ci95;  // files of before have none
  std::optional<double> preference;  // what a reward model gave: then its judgement is the accuracy
};
// One task and level of one model: what an evaluation's "results" in stages.json hold.
struct StageTableRow {
  std::string stage, task;  // the stage that made the model, or its path
  // Whose figures stand below one another: a model's; where its evaluations asked the same, each one's: "rl, by test".
  std::string column;
  int level = 0;  // 0: none
  std::optional<StageTableAnswers> answers;
  std::optional<double> bits_per_byte;  // of good answers
  double seconds = 0;                   // of the stage that made the model; 0: not known
  std::optional<double> cost;           // of these, in dollars
  std::string name() const;             // "chain:2"
};

// Adds to each of an evaluation's results, of the model that `stage` made: stage, accuracy (pass@1), well_formed (format), seconds, and
// where a price is known cost, in dollars.
void complete_results(Json& results, const std::string& stage, double seconds, double cost_per_hour = 0);

// Of all evaluations that are done. A row that lacks a figure of answers is one without answers; one without any figure is left out.
std::vector<StageTableRow> stage_table(std::span<const StageRecord> stages);

// A line for each task and level, then the means over those that every model was asked; a column for each model, or for each of its
// evaluations. Empty without rows.
std::vector<std::string> stage_table_lines(const std::vector<StageTableRow>& rows);
std::string stage_table_html(const std::vector<StageTableRow>& rows);

}  // namespace minke
