// Runs and pipelines as the page sees them: what is going on, what has ended, what cannot be read; and what is read again.
#include "serve/training_runs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/files.h"
#include "report/stages_file.h"

namespace minke {
namespace {

class TrainingRunsTest : public testing::Test {
 protected:
  TrainingRunsTest() { fs::create_directories(folder_); }
  ~TrainingRunsTest() override { fs::remove_all(folder_); }
  void write(const fs::path& run, const std::string& log) {
    fs::create_directories(folder_ / run);
    write_file_atomic(folder_ / run / "log.jsonl", log);
  }
  static std::string step(int n) {
    return fmt::format(
               "{{\"step\":{0},\"loss\":{1},\"tokens\":100,\"seconds\":0.5,\"train_seconds\":{0},\"reward\":0.25,"
               "\"completions/mean_length\":30,\"max_vio\":{{\"1\":0.5}}}}\n",
               n, 3.0 / n) +
           fmt::format("{{\"step\":{},\"load\":{{\"1\":[1,3,2,2]}}}}\n", n);
  }
  static std::set<std::string> ids(const Json& list) {
    std::set<std::string> all;
    for (const Json& one : list) all.insert(one["id"]);
    return all;
  }
  const fs::path folder_ = fs::temp_directory_path() / fmt::format("minke_training_runs_{}", ::getpid());
};

TEST_F(TrainingRunsTest, ARunFromItsFirstStepToItsLast) {
  fs::create_directories(folder_ / "r1");
  TrainingRuns runs({folder_ / "r1/"});
  const auto only = [&] { return runs.list()["runs"].at(0); };
  EXPECT_EQ(only()["name"], "r1");
  EXPECT_EQ(only()["state"], "waiting");
  EXPECT_TRUE(Json::parse(runs.run(0))["charts"].empty());
  write("r1", "{\"step\":0,\"run\":{\"steps\":9}}\n" + step(1) + step(2));
  EXPECT_EQ(only()["state"], "running");
  EXPECT_EQ(only()["step"], 2);
  EXPECT_EQ(only()["steps"], 9);
  EXPECT_EQ(only()["kind"], "grpo");
  const Json one = Json::parse(runs.run(0));
  EXPECT_EQ(ids(one["figures"]), (std::set<std::string>{"loss", "reward", "length", "max_vio", "tokens_per_second"}));
  EXPECT_EQ(ids(one["charts"]), (std::set<std::string>{"loss", "reward", "length", "load"}));
  for (const Json& chart : one["charts"]) {
    const std::string svg = chart["svg"];
    EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=")) << svg;
    EXPECT_NE(svg.find("prefers-color-scheme:dark"), svg.npos);
    EXPECT_EQ(svg.find("<script"), svg.npos);
    if (chart["id"] == "loss") {
      EXPECT_EQ(chart["legend"][0]["label"], "training");
    }
  }
  // It is silent for long, and then ends.
  fs::last_write_time(folder_ / "r1/log.jsonl", fs::file_time_type::clock::now() - std::chrono::hours(1));
  TrainingRuns later({folder_ / "r1"});
  EXPECT_EQ(later.list()["runs"][0]["state"], "stopped");
  write("r1", step(1) + "{\"step\":9,\"final\":true}\n");
  TrainingRuns ended({folder_ / "r1"});
  EXPECT_EQ(ended.list()["runs"][0]["state"], "done");
  EXPECT_EQ(runs.run(1), "null");
  EXPECT_EQ(runs.run(-1), "null");
}

TEST_F(TrainingRunsTest, ALogIsReadAgainOnlyWhenItHasChanged) {
  write("r", step(1));
  TrainingRuns runs({folder_ / "r"});
  EXPECT_EQ(runs.list()["runs"][0]["step"], 1);
  // Other bytes of the same size and time: nobody looks.
  const auto written = fs::last_write_time(folder_ / "r/log.jsonl");
  std::string other = step(1);
  for (char& c : other)
    if (c == '1') c = '7';
  write("r", other);
  fs::last_write_time(folder_ / "r/log.jsonl", written);
  EXPECT_EQ(runs.list()["runs"][0]["step"], 1);
  fs::last_write_time(folder_ / "r/log.jsonl", written + std::chrono::seconds(1));
  for (int i = 0; i < 1000 && runs.list()["runs"][0]["step"] != 7; ++i)
    ::usleep(10'000);  // soon: it rests after reading
  EXPECT_EQ(runs.list()["runs"][0]["step"], 7);
  fs::remove(folder_ / "r/log.jsonl");
  EXPECT_EQ(runs.list()["runs"][0]["state"], "waiting");
}

TEST_F(TrainingRunsTest, StagesOfAPipeline) {
  std::vector<StageRecord> stages(4);
  stages[0].name = "base", stages[0].kind = "pretrain", stages[0].state = StageState::done;
  stages[0].result = {{"nats", 1.5}};
  stages[1].name = "rl", stages[1].kind = "grpo", stages[1].state = StageState::running;
  stages[2].name = "test", stages[2].kind = "eval";
  stages[3].name = "../outside", stages[3].kind = "sft";
  fs::create_directories(folder_ / "p");
  write_stages(folder_ / "p/stages.json", stages);
  write("p/base", step(3));
  write("outside", step(8));
  write("alone", step(2));
  TrainingRuns runs({folder_ / "p", folder_ / "alone"});
  const Json all = runs.list()["runs"];
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0]["pipeline"], "p");
  EXPECT_EQ(all[0]["step"], 3);
  EXPECT_EQ(all[0]["state"], "done");
  EXPECT_EQ(all[0]["result"], "1.5000 nats per token, held out");
  EXPECT_EQ(all[1]["kind"], "grpo");
  EXPECT_EQ(all[1]["state"], "running");
  EXPECT_EQ(all[2]["state"], "waiting");
  EXPECT_FALSE(all[3].contains("step"));  // no folder but the pipeline's own is read
  EXPECT_EQ(all[4]["name"], "alone");
  EXPECT_EQ(Json::parse(runs.run(all[4]["index"]))["step"], 2);
  write_file_atomic(folder_ / "p/stages.json", "[{");
  EXPECT_EQ(runs.list()["runs"].size(), 1u);
}

TEST_F(TrainingRunsTest, WhatCannotBeReadIsNotShown) {
  write("broken", "nonsense\n{\"step\":");
  TrainingRuns runs({folder_ / "broken", folder_ / "nowhere"});
  const Json list = runs.list();
  for (const Json& run : list["runs"]) EXPECT_EQ(run["state"], "waiting");
  EXPECT_TRUE(Json::parse(runs.run(0))["charts"].empty());
}

}  // namespace
}  // namespace minke
