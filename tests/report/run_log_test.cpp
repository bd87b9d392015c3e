#include "report/run_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "core/error.h"
#include "core/files.h"

namespace minke {
namespace {

TEST(RunLog, ReadsWhatARunWrites) {
  const RunLog run = parse_run_log(
      R"({"step":0,"run":{"unix_time":1700000000,"machine":"m","model_type":"deepseek_v3","parameters":10,"active_parameters":4,"steps":3}}
{"step":1,"loss":3.5,"lr":0.1,"tokens":100,"seconds":2,"train_seconds":30,"mtp_loss":[4.5],"max_vio":{"1":0.5,"10":1.5}}
{"step":1,"load":{"1":[3,1],"10":[2,2]}}
{"step":2,"loss":3.25,"lr":0.2,"tokens":100,"seconds":4,"train_seconds":60,"mtp_loss":[4.25]}
{"step":2,"eval_nats_per_token":3.0,"eval_bits_per_byte":1.5,"eval_tokens":7,"train_seconds":60,"final":false}
{"step":2,"prompt":"Once","sample":" upon"}
{"step":2,"prompt":"2+2","sample":"4","problem":6,"right":true}
{"step":2,"sample":"x","problem":-3,"right":"yes"}
{"step":3,"loss":3.125,"tokens":100,"seconds":4,"train_seconds":90,"skipped":true}
{"step":3,"eval_nats_per_token":2.5,"final":true}
)");
  EXPECT_EQ(run.step, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(run.tokens, (std::vector<double>{100, 200, 300}));
  EXPECT_EQ(run.minutes, (std::vector<double>{0.5, 1, 1.5}));
  EXPECT_EQ(run.series.at("loss").value, (std::vector<double>{3.5, 3.25, 3.125}));
  EXPECT_EQ(run.series.at("lr").row, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(run.series.at("mtp_loss.1").value, (std::vector<double>{4.5, 4.25}));
  EXPECT_EQ(run.series.at("max_vio.10").value, std::vector<double>{1.5});
  EXPECT_EQ(run.series.at("max_vio_mean").value, std::vector<double>{1});
  EXPECT_EQ(run.series.at("max_vio_worst").value, std::vector<double>{1.5});
  EXPECT_EQ(run.series.at("tokens_per_second").value, (std::vector<double>{50, 25, 25}));
  EXPECT_EQ(run.series.at("eval_nats_per_token").row, (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(run.last("eval_nats_per_token"), 2.5);
  EXPECT_TRUE(std::isnan(run.last("nothing")));
  ASSERT_EQ(run.loads.size(), 1u);
  EXPECT_EQ(run.loads[0].tokens.at(1), (std::vector<double>{3, 1}));
  ASSERT_EQ(run.samples.size(), 3u);
  EXPECT_EQ(run.samples[0].text, " upon");
  EXPECT_EQ(run.samples[0].problem, -1);
  EXPECT_EQ(run.samples[1].problem, 6);
  EXPECT_TRUE(run.samples[1].right);
  EXPECT_EQ(run.samples[2].problem, -1);
  EXPECT_FALSE(run.samples[2].right);
  EXPECT_EQ(run.machine, "m");
  EXPECT_EQ(run.parameters, 10);
  EXPECT_EQ(run.active_parameters, 4);
  EXPECT_EQ(run.planned_steps, 3);
  EXPECT_TRUE(run.finished);
  EXPECT_EQ(run.skipped_steps, 1);
  EXPECT_EQ(run.unreadable_lines, 0);
}

TEST(RunLog, TornAndForeignLinesAreCountedAndLeftOut) {
  const RunLog run = parse_run_log(
      "{\"step\":1,\"loss\":3}\n"
      "not json\n"
      "[1,2]\n"
      "{\"loss\":1}\n"                   // no step
      "{\"step\":-1,\"loss\":1}\n"       // none there can be
      "{\"step\":1e300,\"loss\":1}\n"    //
      "{\"step\":\"two\",\"loss\":1}\n"  //
      "{\"step\":2,\"loss\":NaN}\n"      // no JSON
      "\n \r\n"                          // empty: nobody's loss
      "{\"step\":2,\"loss\":null,\"lr\":\"x\",\"new\":5,\"list\":[1,\"x\",[2]],\"deep\":{\"a\":{\"b\":1}},\"flag\":"
      "true}\r\n"
      "{\"step\":3,\"loss\":2,\"lo");  // a kill
  EXPECT_EQ(run.unreadable_lines, 8);
  EXPECT_EQ(run.step, (std::vector<double>{1, 2}));
  ASSERT_EQ(run.series.at("loss").value.size(), 2u);
  EXPECT_TRUE(std::isnan(run.series.at("loss").value[1]));  // null is how JSON spells NaN: a gap
  EXPECT_EQ(run.last("new"), 5);
  EXPECT_EQ(run.last("list.1"), 1);
  EXPECT_FALSE(run.series.contains("lr"));
  EXPECT_FALSE(run.series.contains("list.2"));
  EXPECT_FALSE(run.series.contains("flag"));
}

TEST(RunLog, WrongTypesEverywhereAreNoAccident) {
  const RunLog run = parse_run_log(
      "{\"step\":1,\"run\":{\"machine\":7,\"parameters\":\"x\",\"steps\":1e99,\"unix_time\":[]}}\n"
      "{\"step\":1,\"run\":5,\"loss\":2}\n"
      "{\"step\":1,\"sample\":{},\"prompt\":3}\n"
      "{\"step\":2,\"load\":{\"x\":[1],\"99999999\":[1],\"-1\":[1],\"\":[1],\"2\":5,\"3\":[\"a\",null,2]}}\n"
      "{\"step\":2,\"load\":7,\"max_vio\":[1],\"final\":\"yes\",\"tokens\":\"many\",\"seconds\":0,\"train_seconds\":-5}"
      "\n");
  EXPECT_EQ(run.machine, "");
  EXPECT_EQ(run.parameters, 0);
  ASSERT_EQ(run.loads.size(), 1u);
  EXPECT_EQ(run.loads[0].tokens.size(), 1u);
  EXPECT_EQ(run.loads[0].tokens.at(3), (std::vector<double>{0, 0, 2}));
  EXPECT_FALSE(run.finished);
  EXPECT_EQ(run.minutes.back(), 0);
}

TEST(RunLog, AResumedRunReplacesWhatItDoesAgain) {
  const RunLog run = parse_run_log(
      "{\"step\":1,\"loss\":3,\"tokens\":10}\n{\"step\":2,\"loss\":2,\"tokens\":10}\n{\"step\":3,\"loss\":9,\"tokens\":"
      "10}\n"
      "{\"step\":3,\"load\":{\"1\":[1]}}\n{\"step\":3,\"sample\":\"old\"}\n{\"step\":3,\"final\":true}\n"
      "{\"step\":2,\"run\":{}}\n{\"step\":3,\"loss\":1,\"tokens\":10}\n{\"step\":3,\"loss\":1.5}\n");
  EXPECT_EQ(run.step, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(run.tokens, (std::vector<double>{10, 20, 30}));
  EXPECT_EQ(run.series.at("loss").value, (std::vector<double>{3, 2, 1.5}));
  EXPECT_TRUE(run.loads.empty());
  EXPECT_TRUE(run.samples.empty());
  EXPECT_FALSE(run.finished);
}

TEST(RunLog, KeysOfARecipe) {
  const auto keys =
      parse_recipe_keys("top = 1\n[train]\n lr = 3e-3 \n# no = thing\n\n[model]\nname = \"a = b\"\r\nbroken\n[");
  EXPECT_EQ(keys,
            (std::map<std::string, std::string>{{"top", "1"}, {"train.lr", "3e-3"}, {"model.name", "\"a = b\""}}));
}

TEST(RunLog, WhatIsNoRunIsAMistake) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("minke-run-{}", ::getpid());
  EXPECT_THROW(read_run(folder), UserError);
  fs::create_directories(folder);
  EXPECT_THROW(read_run(folder), UserError);
  write_file_atomic(folder / "log.jsonl", "");
  EXPECT_THROW(read_run(folder), UserError);
  write_file_atomic(folder / "log.jsonl", "{\"step\":1,\"loss\":3}\n");
  const RunLog run = read_run(folder / "");  // a trailing slash changes nothing
  EXPECT_EQ(run.name, folder.filename().string());
  EXPECT_EQ(run.recipe, "");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace minke
