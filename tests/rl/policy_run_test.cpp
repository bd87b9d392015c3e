// Whole runs of GRPO and PPO, of two steps: what stands in their folders, and that a run goes on with the recipe it keeps.
#include <fstream>

#include "core/error.h"
#include "rl/grpo_stage.h"
#include "rl/ppo_stage.h"
#include "support/policy_run.h"

namespace minke::test {
namespace {

class PolicyRuns : public PolicyTest {
 protected:
  const RunMachine machine{ctx.context(), "a test", [](const Context&, DType) { return 1e9; }, "a note"};

  static Recipe with(RecipeOf kind, const std::vector<std::string>& more) {
    std::vector<std::string> all{
        "train.steps=2",      "train.sequence_length=96", "train.batch_size=8",   "train.precision=f32",
        "grpo.group=4",       "grpo.max_new=8",           "grpo.eval_problems=2", "grpo.tasks=[\"chains:2\"]",
        "log.sample_tokens=4"};
    all.insert(all.end(), more.begin(), more.end());
    return parse_recipe("", "r.toml", all, "", kind);
  }
  std::vector<Json> log_of(const char* name) const {
    std::vector<Json> records;
    std::ifstream file(folder / name / "log.jsonl");
    for (std::string line; std::getline(file, line);) records.push_back(Json::parse(line));
    return records;
  }
  // What the run says, and whether it came to its end.
  template <class F> std::string said(F&& run) {
    ::testing::internal::CaptureStdout();
    std::string error;
    try {
      EXPECT_TRUE(run());
    } catch (const UserError& e) {
      error = e.what();
    }
    return ::testing::internal::GetCapturedStdout() + error;
  }
};

// The records of two steps, with an evaluation before them and one at the end, and the last checkpoint.
TEST_F(PolicyRuns, FromTheBaseToTheEnd) {
  const auto grpo_run = [&](const Recipe& recipe, const fs::path& base, bool resume) {
    return said([&] { return grpo(recipe, base, folder / "grpo", resume, machine); });
  };
  const std::string text = grpo_run(with(RecipeOf::grpo, {}), folder / "base", false);
  EXPECT_NE(text.find("a test\nnote        a note\n"), text.npos) << text;
  int steps = 0, evaluations = 0;
  for (const Json& r : log_of("grpo")) {
    evaluations += r.contains("eval_right");
    if (!r.contains("completions/mean_length")) continue;
    EXPECT_EQ(r.at("step"), ++steps);
    EXPECT_FALSE(r.contains("critic/loss"));
  }
  EXPECT_EQ(steps, 2);
  EXPECT_GE(evaluations, 2);
  EXPECT_TRUE(fs::exists(folder / "grpo" / "latest" / "config.json"));
  // It goes on with its own recipe, without the base: here it has come to its end already.
  const auto before = log_of("grpo").size();
  EXPECT_EQ(grpo_run(Recipe{}, folder / "nowhere", true).find("grpo.tasks names no task"), std::string::npos);
  EXPECT_EQ(log_of("grpo").size(), before);
  // What was edited there is looked at again.
  std::string stored = read_file(folder / "grpo" / "recipe.toml");
  const size_t steps_at = stored.find("\nsteps = 2");
  ASSERT_NE(steps_at, std::string::npos) << stored;
  write_file_atomic(folder / "grpo" / "recipe.toml", stored.replace(steps_at, 10, "\nsteps = 0"));
  const std::string edited = grpo_run(Recipe{}, folder / "nowhere", true);
  EXPECT_TRUE(edited.ends_with("grpo: give train.steps")) << edited;
  // Another verb's run is another verb's.
  const std::string wrong = said([&] { return ppo(Recipe{}, folder / "base", folder / "grpo", true, machine); });
  EXPECT_NE(wrong.find("is a run of minke grpo"), wrong.npos) << wrong;
}

TEST_F(PolicyRuns, PpoHasACriticInItsCheckpoint) {
  const Recipe recipe = with(RecipeOf::ppo, {"ppo.critic_lr=1e-3"});
  const std::string text = said([&] { return ppo(recipe, folder / "base", folder / "ppo", false, machine); });
  EXPECT_NE(text.find("critic"), text.npos);
  int steps = 0;
  for (const Json& r : log_of("ppo")) {
    if (!r.contains("critic/loss")) continue;
    EXPECT_EQ(r.at("step"), ++steps);
  }
  EXPECT_EQ(steps, 2);
  const Json state = Json::parse(std::ifstream(folder / "ppo" / "latest" / "train" / "state.json"));
  EXPECT_EQ(state.at("stage").at("critic").at("steps"), 2);
}

TEST_F(PolicyRuns, AWrongRecipeLeavesNothingBehind) {
  const auto refusal = [&](auto* run, RecipeOf kind) {
    return said([&] { return run(with(kind, {"grpo.tasks=[]"}), folder / "base", folder / "none", false, machine); });
  };
  EXPECT_TRUE(
      refusal(grpo, RecipeOf::grpo)
          .ends_with("grpo: grpo.tasks names no task, such as [\"countdown:3\"], and grpo.jsonl no file of problems"));
  EXPECT_TRUE(
      refusal(ppo, RecipeOf::ppo)
          .ends_with("ppo: grpo.tasks names no task, such as [\"countdown:3\"], and grpo.jsonl no file of problems"));
  EXPECT_FALSE(fs::exists(folder / "none"));
}

}  // namespace
}  // namespace minke::test
