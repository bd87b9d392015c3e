#include "recipe/pipeline.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace minke {
namespace {

constexpr const char* kThree = R"([[stage]]
name = "base"
kind = "pretrain"
[stage.data]
train = ["builtin:"]
[stage.train]
steps = 10
[stage.model]
hidden_size = 64
[[stage.long_context]]
steps = 2
sequence_length = 512
lr = 1e-4

[[stage]]
name = "rl"
kind = "grpo"
from = "base"
[stage.train]
steps = 3
[stage.grpo]
tasks = ["countdown:3"]

[[stage]]
name = "test"
kind = "eval"
from = "rl"
[stage.eval]
tasks = ["countdown:3-4"]
prompt = "r1-zero"
)";

std::string complaint(const std::string& toml, const std::vector<std::string>& set = {}) {
  try {
    parse_pipeline(toml, "p.toml", set);
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return text.replace(at, what.size(), by);
}

TEST(Pipeline, ReadsStagesAndWritesThemBack) {
  const Pipeline p = parse_pipeline(kThree, "p.toml", {"rl.train.lr=3e-4", "test.eval.samples=4"});
  ASSERT_EQ(p.stages.size(), 3u);
  EXPECT_EQ(p.stages[0].name, "base");
  EXPECT_EQ(p.stages[0].kind, RecipeOf::pretraining);
  EXPECT_FALSE(p.stages[0].from_stage);
  EXPECT_EQ(p.stages[0].recipe.train.steps, 10);
  EXPECT_EQ(p.stages[0].recipe.long_context.size(), 1u);
  EXPECT_NE(p.stages[0].recipe.model_json.find("64"), std::string::npos);
  EXPECT_EQ(p.stages[1].from_stage, 0u);
  EXPECT_EQ(p.stages[1].recipe.train.lr, 3e-4);
  EXPECT_EQ(p.stages[0].recipe.train.lr, Recipe().train.lr) << "an override is of its stage alone";
  EXPECT_EQ(p.stages[2].from_stage, 1u);
  EXPECT_EQ(p.stages[2].recipe.eval.samples, 4);
  EXPECT_EQ(p.stages[2].recipe.eval.prompt, PromptFormat::r1_zero);
  EXPECT_EQ(p.stages[2].recipe.eval.temperature, 0.6);
  EXPECT_EQ(p.stages[2].place, "p.toml:24: stage test");
  const std::string text = pipeline_to_toml(p);
  const Pipeline again = parse_pipeline(text, "again");
  EXPECT_EQ(pipeline_to_toml(again), text);
  EXPECT_TRUE(pipeline_differences(p, again).empty());
  EXPECT_EQ(p.stages[0].about, "");
  const Pipeline told =
      parse_pipeline(replaced(kThree, "name = \"base\"", "name = \"base\"\nabout = \"It \\\"reads\\\".\""), "p");
  EXPECT_EQ(told.stages[0].about, "It \"reads\".");
  EXPECT_EQ(parse_pipeline(pipeline_to_toml(told), "again").stages[0].about, told.stages[0].about);
  for (const char* part : {"[[stage.long_context]]", "[stage.model]", "from = \"rl\""})
    EXPECT_NE(text.find(part), text.npos) << part;
  EXPECT_EQ(text.find("[stage.sft]"), text.npos) << "sections that no stage reads";
}

// What a stage of each kind reads is written, and read back: also that of the kinds that are not in the pipeline above.
TEST(Pipeline, EveryKindKeepsItsSections) {
  const std::string rl = "[stage.train]\nsteps = 3\n[stage.grpo]\ntasks = [\"chains:2\"]\ngroup = 4\n";
  const std::string toml =
      "[[stage]]\nname = \"talk\"\nkind = \"sft\"\nfrom = \"a/model\"\n[stage.data]\ntrain = [\"c\"]\n"
      "[stage.sft]\nepochs = 7.0\n[[stage]]\nname = \"g\"\nkind = \"grpo\"\nfrom = \"talk\"\n" +
      rl + "[[stage]]\nname = \"p\"\nkind = \"ppo\"\nfrom = \"g\"\n" + rl +
      "[stage.ppo]\nlambda = 0.5\ncritic_warmup = 2\n";
  const std::string text = pipeline_to_toml(parse_pipeline(toml, "p.toml", {"p.ppo.gamma=0.25"}));
  const Pipeline again = parse_pipeline(text, "again");
  ASSERT_EQ(again.stages.size(), 3u);
  EXPECT_EQ(again.stages[0].recipe.sft.epochs, 7);
  EXPECT_EQ(again.stages[1].recipe.grpo.group, 4);
  const PipelineStage& p = again.stages[2];
  EXPECT_EQ(p.kind, RecipeOf::ppo);
  EXPECT_EQ(p.recipe.grpo.tasks, std::vector<std::string>{"chains:2"});
  EXPECT_EQ(p.recipe.ppo.lambda, 0.5);
  EXPECT_EQ(p.recipe.ppo.gamma, 0.25);
  EXPECT_EQ(p.recipe.ppo.critic_warmup, 2);
  EXPECT_EQ(text.find("[stage.ppo]"), text.rfind("[stage.ppo]")) << "of a stage that does not read it";
}

TEST(Pipeline, AStagesPresetIsItsOwn) {
  const Pipeline p =
      parse_pipeline(replaced(kThree, "kind = \"pretrain\"", "kind = \"pretrain\"\npreset = \"v3-11m\""), "p");
  EXPECT_EQ(p.stages[0].recipe.tokenizer.vocab_size, 1024);
  EXPECT_EQ(p.stages[1].recipe.train.lr, Recipe().train.lr);
}

TEST(Pipeline, Differences) {
  const Pipeline a = parse_pipeline(kThree, "p.toml"), b = parse_pipeline(kThree, "p.toml", {"rl.train.lr=0.5"});
  const auto d = pipeline_differences(a, b);
  ASSERT_EQ(d.size(), 1u);
  EXPECT_EQ(d[0].key, "rl.train.lr");
  EXPECT_EQ(d[0].b, "0.5");
  const Pipeline c = parse_pipeline(replaced(kThree, "name = \"test\"", "name = \"exam\""), "p.toml");
  EXPECT_EQ(pipeline_differences(a, c).size(), 2u);  // one has no exam, the other no test
  const Pipeline f = parse_pipeline(replaced(kThree, "from = \"rl\"", "from = \"base\""), "p.toml");
  ASSERT_EQ(pipeline_differences(a, f).size(), 1u);
  EXPECT_EQ(pipeline_differences(a, f)[0].key, "test.from");
}

// Errors of a stage's recipe are those of the recipe alone, with the line of the pipeline's file.
TEST(Pipeline, MistakesNameTheirPlace) {
  const struct {
    const char *what, *by, *expected;
  } cases[] = {
      {"steps = 10", "stepps = 10", "p.toml:7: there is no key train.stepps (did you mean train.steps?)"},
      {"steps = 10", "steps = \"x\"", "p.toml:7: train.steps must be a whole number"},
      {"[stage.data]", "[stage.dat]", "there is no section dat (did you mean data?)"},
      {"steps = 10", "lr = 1", "p.toml:1: stage base: give train.steps or train.minutes"},
      {"steps = 3", "batch_size = 10\nmicro_batch_size = 3",
       "train.batch_size 10 is not a multiple of train.micro_batch_size 3"},
      {"sequence_length = 512", "sequence_length = 8",
       "p.toml:10: [[long_context]] phase 1: sequence_length 8 is less"},
      {"train = [\"builtin:\"]", "", "p.toml:1: stage base: data.train is missing"},
      {"name = \"base\"\n", "", "p.toml:1: [[stage]] lacks name"},
      {"name = \"base\"", "name = 3", "p.toml:2: name must be a string"},
      {"name = \"base\"", "name = \"a/b\"", "name = \"a/b\": a stage's name is of letters"},
      {"name = \"base\"", "name = \"..\"", "a stage's name is of letters"},
      {"name = \"base\"", "name = \"latest\"", "p.toml:1: name = \"latest\""},
      {"name = \"rl\"", "name = \"base\"", "p.toml:15: a second stage named base"},
      {"kind = \"grpo\"", "kind = \"grop\"",
       "p.toml:15: stage rl: kind = \"grop\" is unknown: it must be \"pretrain\" or "},
      {"kind = \"grpo\"\n", "", "p.toml:15: stage rl: kind = \"\" is unknown"},
      {"from = \"base\"\n", "", "p.toml:15: stage rl: kind = \"grpo\" lacks from"},
      {"from = \"base\"", "from = \"bass\"",
       "is neither an earlier stage (did you mean base?) nor the path of a model"},
      {"from = \"base\"", "from = \"test\"", "begins with the model of one that stands before it"},
      {"from = \"base\"", "from = \"rl\"", "begins with the model of one that stands before it"},
      {"kind = \"pretrain\"", "kind = \"pretrain\"\nfrom = \"x/y\"",
       "p.toml:1: stage base: from = \"x/y\": kind = \"pretrain\" begins with no model"},
      {"from = \"rl\"", "from = \"rl\"\nspeed = 3", "p.toml:28: there is no key speed"},
      {"prompt = \"r1-zero\"", "prompt = \"r1\"", "p.toml:30: eval.prompt = \"r1\" is unknown"},
      {"prompt = \"r1-zero\"", "top_p = 0", "eval.top_p = 0 is out of range"},
      {"[[stage]]\nname = \"base\"", "[train]\nlr = 1\n[[stage]]\nname = \"base\"",
       "p.toml:1: train stands outside of a stage"},
  };
  for (const auto& c : cases)
    EXPECT_NE(complaint(replaced(kThree, c.what, c.by)).find(c.expected), std::string::npos)
        << complaint(replaced(kThree, c.what, c.by)) << "\nexpected: " << c.expected;
  EXPECT_NE(complaint("").find("there is no [[stage]]"), std::string::npos);
  EXPECT_NE(complaint("stage = 3").find("stage must be [[stage]] tables"), std::string::npos);
  EXPECT_NE(complaint("stage = []").find("stage must be [[stage]] tables"), std::string::npos);
  EXPECT_NE(complaint("[stage]\nname = \"x\"").find("stage must be [[stage]] tables"), std::string::npos);
  std::string many;
  for (int i = 0; i < 101; ++i) many += "[[stage]]\n";
  EXPECT_NE(complaint(many).find("101 stages; at most 100"), std::string::npos);
}

TEST(Pipeline, AModelIsMadeByTrainingOnly) {
  const std::string more = std::string(kThree) + "[[stage]]\nname = \"more\"\nkind = \"eval\"\nfrom = \"test\"\n";
  EXPECT_NE(complaint(more).find(
                "p.toml:31: stage more: from = \"test\": that stage is of kind \"eval\", which makes no model"),
            std::string::npos)
      << complaint(more);
  EXPECT_EQ(complaint(replaced(more, "from = \"test\"", "from = \"base\"")), "");
  const Pipeline p = parse_pipeline(replaced(kThree, "from = \"base\"", "from = \"some/model\""), "p.toml");
  EXPECT_FALSE(p.stages[1].from_stage);
  EXPECT_EQ(p.stages[1].from, "some/model");
}

TEST(Pipeline, OverridesNameTheirStage) {
  EXPECT_NE(complaint(kThree, {"train.lr=1"})
                .find("--set train.lr=1: write it as STAGE.section.key=value, the stages being base, rl, test"),
            std::string::npos);
  EXPECT_NE(complaint(kThree, {"bas.train.lr=1"}).find("(did you mean base?)"), std::string::npos);
  EXPECT_NE(complaint(kThree, {"base=1"}).find("write it as STAGE.section.key=value"), std::string::npos);
  EXPECT_NE(complaint(kThree, {"base.train.lrr=1"})
                .find("--set base.train.lrr=1: there is no key train.lrr (did you mean train.lr?)"),
            std::string::npos);
  for (const char* key : {"about", "name", "kind", "from"})
    EXPECT_NE(complaint(kThree, {fmt::format("base.{}=\"x\"", key)})
                  .find(fmt::format("{} of a stage is changed in the file alone", key)),
              std::string::npos);
}

TEST(Pipeline, ARecipeIsNoPipelineAndTheOtherWayRound) {
  EXPECT_NE(complaint("[train]\nsteps = 3\n").find("train stands outside of a stage"), std::string::npos);
  try {
    parse_recipe(kThree, "p.toml");
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("p.toml:1: [[stage]] tables are a pipeline's: minke pipeline runs"),
              std::string::npos)
        << e.what();
  }
}

// Data of an earlier stage: of one that samples, for SFT.
TEST(Pipeline, StageSourcesAreAnswersOfASampleStage) {
  const std::string right =
      "\n[[stage]]\nname = \"right\"\nkind = \"sample\"\nfrom = \"base\"\n[stage.sample]\ntasks = [\"chains\"]\n";
  const auto learner = [](const std::string& kind, const std::string& source) {
    return "\n[[stage]]\nname = \"next\"\nkind = \"" + kind +
           "\"\nfrom = \"base\"\n[stage.data]\ntrain = [\"more.jsonl\", \"stage:" + source + "\"]\n";
  };
  const Pipeline p = parse_pipeline(kThree + right + learner("sft", "right"), "p.toml");
  EXPECT_EQ(p.stages.back().recipe.data.train, (std::vector<std::string>{"more.jsonl", "stage:right"}));
  EXPECT_EQ(p.stages[3].recipe.sample.samples, 4);
  // A teacher's distribution is learned from what writes one.
  const std::string soft = learner("sft", "right") + "[stage.sft]\nsoft_targets = 0.5\n";
  EXPECT_NE(complaint(kThree + right + soft)
                .find("sft.soft_targets 0.5, but stage:right writes no log-probabilities: set "
                      "right.sample.top_logprobs=8"),
            std::string::npos);
  EXPECT_EQ(
      parse_pipeline(kThree + right + "top_logprobs = 4\n" + soft, "p.toml").stages.back().recipe.sft.soft_targets,
      0.5);
  const std::string expected = "must name an earlier stage of kind \"sample\"";
  for (const std::string& text :
       {right + learner("sft", "test"), right + learner("sft", "base"), right + learner("sft", "next"),
        right + learner("sft", ""), learner("sft", "right") + right, right + learner("sft", "wrong")})
    EXPECT_NE(complaint(kThree + text).find(expected), std::string::npos) << text << complaint(kThree + text);
  const std::string only = "only a stage of kind \"sft\" learns from what another has kept";
  EXPECT_NE(complaint(kThree + right + learner("reward-model", "right")).find(only), std::string::npos);
  const std::string base =
      std::string(kThree).replace(std::string(kThree).find("train = ["), 9, "train = [\"stage:base\", ");
  EXPECT_NE(complaint(base).find(only), std::string::npos) << complaint(base);
  EXPECT_THROW(refuse_stage_sources(p.stages.back().recipe), UserError);
  EXPECT_NO_THROW(refuse_stage_sources(p.stages.front().recipe));
}

}  // namespace
}  // namespace minke
