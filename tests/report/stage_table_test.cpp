// The stages of a pipeline side by side.
#include "report/stage_table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace minke {
namespace {

Json result(const char* task, int level, double right, double format = 1) {
  return {{"task", task},     {"level", level > 0 ? Json(level) : Json()},
          {"pass@1", right},  {"ci95", {right - 0.05, right + 0.05}},
          {"format", format}, {"single_language", 0.5},
          {"mean_tokens", 40}};
}

StageRecord evaluation(const std::string& from, double seconds, Json results) {
  complete_results(results, from, seconds);
  return {.name = "test-" + from,
          .kind = "eval",
          .from = from,
          .state = StageState::done,
          .result = {{"results", results}}};
}

std::vector<StageRecord> two() {
  return {{.name = "base", .kind = "pretrain", .state = StageState::done, .result = {{"nats", 1.0}}},
          evaluation("base", 600, {result("chain", 2, 0.25, 0.5), result("gsm8k", 0, 0.1, 0.7)}),
          evaluation("r1", 65, {result("chain", 2, 0.905), result("chain", 3, 0.5)})};
}

TEST(StageTable, HasARowForEachTaskAndLevelOfEachModel) {
  const std::vector<StageTableRow> rows = stage_table(two());
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].stage, "base");
  EXPECT_EQ(rows[0].name(), "chain:2");
  EXPECT_EQ(rows[1].name(), "gsm8k");
  EXPECT_EQ(rows[3].stage, "r1");
  EXPECT_EQ(rows[3].level, 3);
  EXPECT_EQ(rows[2].answers->accuracy, 0.905);
  EXPECT_EQ(rows[2].answers->low, 0.905 - 0.05);
  EXPECT_EQ(rows[2].answers->high, 0.905 + 0.05);
  EXPECT_EQ(rows[0].answers->well_formed, 0.5);
  EXPECT_EQ(rows[0].answers->single_language, 0.5);
  EXPECT_EQ(rows[0].answers->mean_tokens, 40);
  EXPECT_EQ(rows[0].answers->preference, std::nullopt);
  EXPECT_EQ(rows[0].bits_per_byte, std::nullopt);
  EXPECT_EQ(rows[0].seconds, 600);
}

TEST(StageTable, ShowsModelsSideBySide) {
  const std::vector<std::string> want{
      "accuracy, %               base             r1", "chain:2          25.0 [20, 30]  90.5 [86, 96]",
      "gsm8k             10.0 [5, 15]              –", "chain:3                      –  50.0 [45, 55]",
      "well-formed, %            50.0          100.0", "one language, %           50.0           50.0",
      "tokens                      40             40", "time                    10 min           65 s"};
  EXPECT_EQ(stage_table_lines(stage_table(two())), want);
  const std::string html = stage_table_html(stage_table(two()));
  EXPECT_NE(html.find("<tr><td>gsm8k</td><td>10.0 [5, 15]</td><td>–</td></tr>"), html.npos) << html;
  EXPECT_NE(html.find("<tr><th>accuracy, %</th><th>base</th><th>r1</th></tr>"), html.npos) << html;
}

// The base answers no chats, and r1's are judged by a reward model.
TEST(StageTable, ShowsChatsAsWhatTheyAre) {
  std::vector<StageRecord> all = two();
  Json bits{{"task", "chat"}, {"level", 1}, {"bits_per_byte", 1.75}}, chat = result("chat", 1, 0.75);
  chat["preference"] = 0.625, chat["bits_per_byte"] = 0.5;
  all.push_back(evaluation("base", 600, Json::array({bits})));
  all.push_back(evaluation("r1", 65, Json::array({chat})));
  all[3].name = "chats-base", all[4].name = "chats-r1";
  const std::vector<std::string> want{"accuracy, %                           base             r1",
                                      "chain:2                      25.0 [20, 30]  90.5 [86, 96]",
                                      "gsm8k                         10.0 [5, 15]              –",
                                      "chain:3                                  –  50.0 [45, 55]",
                                      "chat:1, by the reward model              –  75.0 [70, 80]",
                                      "chat, reward model's mean                –          0.625",
                                      "chat, bits per byte                  1.750          0.500",
                                      "well-formed, %                        50.0          100.0",
                                      "one language, %                       50.0           50.0",
                                      "tokens                                  40             40",
                                      "time                                10 min           65 s"};
  EXPECT_EQ(stage_table_lines(stage_table(all)), want);
  EXPECT_NE(
      stage_table_html(stage_table(all)).find("<tr><td>chat, bits per byte</td><td>1.750</td><td>0.500</td></tr>"),
      std::string::npos);
  // Bits alone: nobody has answered anything.
  const std::vector<std::string> alone{"accuracy, %            base", "chat, bits per byte   1.750",
                                       "well-formed, %            –", "one language, %           –",
                                       "tokens                    –", "time                 10 min"};
  EXPECT_EQ(stage_table_lines(stage_table(std::span(all).subspan(3, 1))), alone);
}

// The bounds of a mean of two: 0.6 [0.5, 0.8] and 0.9 [0.6, 0.94] → 0.75 − √(0.1² + 0.3²) / 2, 0.75 + √(0.2² + 0.04²) / 2.
TEST(StageTable, SaysHowSureTheShareOfWellFormedAnswersIs) {
  Json a = result("chain", 2, 0.25, 0.6), b = result("chain", 3, 0.5, 0.9);
  a["format_ci95"] = {0.5, 0.8}, b["format_ci95"] = {0.6, 0.94};
  std::vector<StageRecord> all{evaluation("r1", 65, Json::array({a, b}))};
  const auto line = [&] { return stage_table_lines(stage_table(all)).at(3); };
  EXPECT_EQ(line(), "well-formed, %   75.0 [59, 85]");
  all[0].result["results"][1].erase("well_formed_ci95");  // a file of before
  EXPECT_EQ(line(), "well-formed, %            75.0");
}

TEST(StageTable, SaysWhatModelsCostWhereAPriceIsKnown) {
  std::vector<StageRecord> all = two();
  complete_results(all[1].result["results"], "base", 600, 0.12);
  EXPECT_EQ(all[1].result["results"][0]["cost"], 600 / 3600.0 * 0.12);
  const std::string line = stage_table_lines(stage_table(all)).back();
  EXPECT_TRUE(line.starts_with("cost, $")) << line;
  EXPECT_NE(line.find("0.0200"), line.npos) << line;
  EXPECT_TRUE(line.ends_with("–")) << line;
}

TEST(StageTable, GivesEachEvaluationItsColumnWhereTwoAskTheSame) {
  std::vector<StageRecord> all = two();
  all.push_back(evaluation("r1", 65, Json::array({result("chain", 2, 0.5)})));
  all.push_back(evaluation("base", 600, Json::array({result("chain", 3, 0.75)})));
  all[3].name = "again", all[4].name = "more";
  const std::vector<StageTableRow> rows = stage_table(all);
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].column, "base");
  EXPECT_EQ(rows[2].column, "r1, by test-r1");
  EXPECT_EQ(rows[4].column, "r1, by again");
  EXPECT_EQ(rows[4].stage, "r1");
  EXPECT_EQ(rows[5].column, "base");  // another level: below the others
  const std::vector<std::string> lines = stage_table_lines(rows);
  EXPECT_EQ(lines[0], "accuracy, %               base  r1, by test-r1   r1, by again");
  EXPECT_EQ(lines[1], "chain:2          25.0 [20, 30]   90.5 [86, 96]  50.0 [45, 55]");
}

TEST(StageTable, WithoutEvaluationsThereIsNone) {
  EXPECT_TRUE(stage_table_lines(stage_table({})).empty());
  EXPECT_EQ(stage_table_html({}), "");
}

// The file may come from elsewhere.
TEST(StageTable, WhatLacksAFigureIsLeftOut) {
  for (const char* key : {"task", "stage", "ci95", "accuracy", "well_formed", "single_language", "mean_tokens"}) {
    for (const Json& value : {Json(), Json(Json::array({1, "x"})), Json(Json::object())}) {
      std::vector<StageRecord> all = two();
      all[2].result["results"][0][key] = value;
      EXPECT_EQ(stage_table(all).size(), 3u) << key << value;
    }
  }
  std::vector<StageRecord> all = two();
  all[1].state = StageState::running;
  EXPECT_EQ(stage_table(all).size(), 2u);
  all[2].result["results"] = "none";
  EXPECT_TRUE(stage_table(all).empty());
  all = two();
  all[1].result["results"][0]["task"] = "<b>";
  EXPECT_NE(stage_table_html(stage_table(all)).find("<td>&lt;b&gt;:2</td>"), std::string::npos);
}

}  // namespace
}  // namespace minke
