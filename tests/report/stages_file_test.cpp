#include "report/stages_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "report/pipeline_page.h"

namespace minke {
namespace {

class Stages : public ::testing::Test {
 protected:
  fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-stages-{}", ::getpid());
  fs::path file = folder / "stages.json";
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }

  std::string complaint(const std::string& text) {
    write_file_atomic(file, text);
    try {
      read_stages(file);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  }
};

std::vector<StageRecord> some() {
  return {{.name = "base",
           .kind = "pretrain",
           .state = StageState::done,
           .seconds = 61.5,
           .started = 1e9,
           .ended = 1.1e9,
           .model = "base/latest",
           .result = {{"nats", 1.25}}},
          {.name = "rl",
           .kind = "grpo",
           .from = "base",
           .state = StageState::stopped,
           .seconds = 2,
           .started = 1.2e9,
           .error = "<b>no memory</b>",
           .result = Json::object()},
          {.name = "test", .kind = "eval", .from = "rl", .result = Json::object()}};
}

TEST_F(Stages, AreReadAsTheyWereWritten) {
  write_stages(file, some());
  const auto all = read_stages(file);
  ASSERT_EQ(all.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const StageRecord a = some()[i], &b = all[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.from, b.from);
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.seconds, b.seconds);
    EXPECT_EQ(a.started, b.started);
    EXPECT_EQ(a.ended, b.ended);
    EXPECT_EQ(a.model, b.model);
    EXPECT_EQ(a.error, b.error);
    EXPECT_EQ(a.result, b.result);
  }
}

TEST_F(Stages, ADamagedFileIsRefused) {
  write_stages(file, some());
  const std::string good = read_file(file);
  const auto with = [&](const std::string& what, const std::string& by) {
    std::string text = good;
    const size_t at = text.find(what);
    EXPECT_NE(at, text.npos) << what;
    return text.replace(at, what.size(), by);
  };
  EXPECT_EQ(complaint(good), "");
  for (const auto& [text, expected] : {std::pair{std::string("{}"), "no list of stages"},
                                       {"[3]", "a stage is no object"},
                                       {with("\"kind\"", "\"sort\""), "\"kind\""},
                                       {with("\"done\"", "\"over\""), "\"state\""},
                                       {with("61.5", "-1"), "\"seconds\""},
                                       {with("61.5", "1e300"), "\"seconds\""},
                                       {with("61.5", "\"x\""), "\"seconds\""},
                                       {with("\"result\"", "\"fate\""), "\"result\""}})
    EXPECT_NE(complaint(text).find(expected), std::string::npos) << text << complaint(text);
}

TEST_F(Stages, WhatCameOfThem) {
  StageRecord s;
  EXPECT_EQ(result_line(s), "");
  s.result = {{"nats", 1.25}, {"bits_per_byte", 0.5}};
  EXPECT_EQ(result_line(s), "1.2500 nats per token, held out");
  s.result = {{"steps", 3}, {"pair_accuracy", 0.75}, {"pair_accuracy_before", 0.5}, {"pairs", 40}};
  EXPECT_EQ(result_line(s), "75.0 % of 40 pairs right, before 50.0 %");
  s.result = {{"right_before", 0.25}, {"right", 0.8}};
  EXPECT_EQ(result_line(s), "80.0 % right, before 25.0 %");
  s.result = {{"right", 0.8}};
  EXPECT_EQ(result_line(s), "80.0 % right");
  s.result = {
      {"results",
       {{{"task", "chain"}, {"level", 2}, {"pass@1", 0.5}}, {{"task", "gsm8k"}, {"level", 0}, {"pass@1", 1.0}}, 7}}};
  EXPECT_EQ(result_line(s), "pass@1: chain:2 50.0 %, gsm8k 100.0 %");
  s.result = {{"results", {{{"task", "chat"}, {"level", 1}, {"bits_per_byte", 0.5}}}}};
  EXPECT_EQ(result_line(s), "chat:1 0.500 bits per byte");
  s.result = {{"sampled", {{"drawn", 3200}, {"kept", 30}, {"questions", 390}, {"questions_kept", 25}}}};
  EXPECT_EQ(result_line(s), "30 of 3200 answers kept, for 25 of 390 questions");
  s.error = "it broke";
  EXPECT_EQ(result_line(s), "it broke");
}

TEST_F(Stages, ThePageLinksTheReportsThatThereAre) {
  std::vector<StageRecord> all = some();
  all[2].state = StageState::done;
  all[2].result = {{"results", {{{"task", "<i>x"}, {"level", 3}, {"n", 10}, {"pass@1", 0.5}, {"ci95", {0.25, 0.75}}}}}};
  all.push_back({.name = "../else", .kind = "sft", .result = Json::object()});
  write_stages(file, all);
  EXPECT_TRUE(is_pipeline(folder));
  fs::create_directory(folder / "base");
  write_file_atomic(folder / "base" / "report.html", "x");
  write_pipeline_page(folder);
  const std::string page = read_file(folder / "report.html");
  for (const char* part : {"<a href=\"base/report.html\">base</a>", "<td>rl</td>", "&lt;b&gt;no memory", "1.2500 nats",
                           "2 of 4 stages done", "0.25 – 0.75", "&lt;i&gt;x"})
    EXPECT_NE(page.find(part), page.npos) << part;
  for (const char* part : {"<b>no memory", "<i>x", "href=\"rl", "href=\"..", "Curves over"})
    EXPECT_EQ(page.find(part), page.npos) << part;
}

}  // namespace
}  // namespace minke
