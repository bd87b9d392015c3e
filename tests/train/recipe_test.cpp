#include "train/recipe.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

constexpr const char* kSmall = "[data]\ntrain = [\"builtin:\"]\n[train]\nsteps = 10\n[model]\nhidden_size = 64\n";

// The message of the UserError that parsing throws, "" if it throws none.
std::string complaint(const std::string& toml, const std::vector<std::string>& set = {}) {
  try {
    parse_recipe(toml, "r.toml", set);
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

TEST(Recipe, ReadsOverridesAndWritesBack) {
  const Recipe r =
      parse_recipe(kSmall, "r.toml",
                   {"train.lr=3e-4", "tokenizer.kind=characters", "model.vocab_size=77", "data.train=[\"a\", \"b\"]"});
  EXPECT_EQ(r.train.steps, 10);
  EXPECT_DOUBLE_EQ(r.train.lr, 3e-4);
  EXPECT_EQ(r.tokenizer.kind, "characters");
  EXPECT_EQ(r.data.train, (std::vector<std::string>{"a", "b"}));
  const std::string text = recipe_to_toml(r);
  EXPECT_EQ(recipe_to_toml(parse_recipe(text, "again")), text);
  EXPECT_NE(text.find("vocab_size = 77"), text.npos);
}

TEST(Recipe, MisspeltKeyIsAnsweredWithTheNearest) {
  EXPECT_NE(complaint(std::string(kSmall) + "[balance]\nbias_sped = 1\n").find("did you mean balance.bias_speed?"),
            std::string::npos);
  EXPECT_NE(complaint(kSmall, {"train.lrr=1"}).find("did you mean train.lr?"), std::string::npos);
}

TEST(Recipe, EveryMistakeNamesItsKeyAndPlace) {
  const struct {
    std::string toml, expected;
  } cases[] = {
      {std::string(kSmall) + "[balance]\nbias_speed = \"fast\"\n", "r.toml:8: balance.bias_speed must be a number"},
      {std::string(kSmall) + "[balance]\nbias_speed = -1\n",
       "balance.bias_speed = -1 is out of range: it must be at least 0"},
      {"[data]\ntrain = 3\n", "data.train must be a list of strings"},
      {"[train]\nsteps = 3\n", "data.train is missing"},
      {"[data]\ntrain = [\"x\"]\n", "give train.steps or train.minutes"},
      {"[data\n", "r.toml:1: not valid TOML"},
      {"steps = 3\n", "there is no key steps"},
      {std::string(kSmall) + "[tokenizer]\nkind = \"word\"\n",
       "tokenizer.kind = \"word\" is unknown: it must be \"bpe\" or \"characters\""},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nbatch_size=6\nmicro_batch_size=4\n", "batch_size 6 is no multiple"},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\ndecay_begin=0.9\ndecay_end=0.5\n", "lies before train.decay_begin"},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nlr=inf\n", "train.lr must be a number"},
      {std::string(5000, '['), "not valid TOML"},
      {"a = " + std::string(5000, '['), "not valid TOML"},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nsequence_length=10_000_000\n", "lower train.batch_size"},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\n[model]\na=[nan]\n", "r.toml:6: [model] has a date, nan or inf"},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\n[model]\na=1979-05-27\n", "has a date"},
  };
  for (const auto& c : cases)
    EXPECT_NE(complaint(c.toml).find(c.expected), std::string::npos)
        << complaint(c.toml) << "\nexpected: " << c.expected;
}

TEST(Recipe, FieldsOfTheModelAreBounded) {
  std::string toml = kSmall;
  for (int i = 0; i < 100'000; ++i) toml += fmt::format("k{} = 1\n", i);
  EXPECT_NE(complaint(toml).find("a table of [model] has 100001 keys"), std::string::npos) << complaint(toml);
}

// Each dot of a key is a table in a table, which the parser takes as deep as they come.
TEST(Recipe, NestingOfKeysIsBounded) {
  std::string key = "a";
  for (int i = 0; i < 100'000; ++i) key += ".a";
  for (const std::string& toml : {key + " = 1", "[" + key + "]", "[[" + key + "]]", "a = {" + key + " = 1}"})
    EXPECT_NE(complaint(toml).find("too deeply nested"), std::string::npos);
  EXPECT_NE(complaint(kSmall, {key + "=1"}).find("too deeply nested"), std::string::npos);
  EXPECT_LT(complaint(kSmall, {key + "=1"}).size(), 400u);
}

TEST(Recipe, WritesAnyModelFieldSoThatItIsReadBack) {
  const Recipe r =
      parse_recipe(std::string(kSmall) + "\"a b\" = \"\\u007f\\n\"\nlist = [{\"\" = [1.0, {}]}, \"\\u007f\"]\n", "r");
  const std::string text = recipe_to_toml(r);
  EXPECT_EQ(parse_recipe(text, "again").model_json, r.model_json) << text;
}

TEST(Recipe, HelpListsEveryKeyOfTheWrittenRecipe) {
  const std::string help = recipe_help();
  for (const char* key : {"train.lr ", "balance.bias_speed", "log.keep", "data.text_keys", "tokenizer.vocab_size"})
    EXPECT_NE(help.find(key), help.npos) << key;
}

}  // namespace
}  // namespace minke
