#include "recipe/recipe.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "recipe/model_config.h"
#include "recipe/presets.h"
#include "recipe/recipe_fields.h"
#include "recipe/toml_text.h"
#include "spec/config_keys.h"
#include "spec/counts.h"

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
  const Recipe r = parse_recipe(kSmall, "r.toml",
                                {"train.lr=3e-4", "tokenizer.kind=characters", "model.vocab_size=77",
                                 "data.train=[\"a\", \"b\"]", "data.weights=[3, 0.5]"});
  EXPECT_EQ(r.train.steps, 10);
  EXPECT_DOUBLE_EQ(r.train.lr, 3e-4);
  EXPECT_EQ(r.tokenizer.kind, TokenizerKind::characters);
  EXPECT_EQ(r.data.train, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(r.data.weights, (std::vector<double>{3, 0.5}));
  const std::string text = recipe_to_toml(r);
  EXPECT_EQ(recipe_to_toml(parse_recipe(text, "again")), text);
  EXPECT_NE(text.find("vocab_size = 77"), text.npos);
}

TEST(Recipe, MisspeltKeyIsAnsweredWithTheNearest) {
  EXPECT_NE(complaint(std::string(kSmall) + "[balance]\nbias_sped = 1\n").find("did you mean balance.bias_speed?"),
            std::string::npos);
  EXPECT_NE(complaint(kSmall, {"train.lrr=1"}).find("did you mean train.lr?"), std::string::npos);
}

TEST(Recipe, MisspeltSectionIsAnsweredWithTheNearest) {
  const struct {
    std::string toml, expected;
  } cases[] = {
      {std::string(kSmall) + "[modell]\nhidden_size = 32\n",
       "r.toml:7: there is no section modell (did you mean model?)"},
      {std::string(kSmall) + "[modell]\n", "r.toml:7: there is no section modell (did you mean model?)"},
      {std::string(kSmall) + "[[long_contxt]]\nsteps = 3\n",
       "there is no section long_contxt (did you mean long_context?)"},
      {std::string(kSmall) + "[[balance]]\nloss = \"none\"\n", "r.toml:7: balance must be one [balance] table"},
      {"lr = 3\n" + std::string(kSmall), "r.toml:1: there is no key lr (did you mean train.lr?)"},
      {"warmupp = 3\n" + std::string(kSmall), "r.toml:1: there is no key warmupp (did you mean train.warmup?)"},
      {"hidden_size = 3\n" + std::string(kSmall), "there is no key hidden_size (did you mean model.hidden_size?)"},
      {std::string(kSmall) + "[tokenizer]\nlr = 3\n", "there is no key tokenizer.lr (did you mean train.lr?)"},
      {std::string(1'000'000, 'x') + " = 1", "there is no key xxx"},  // and that at once
  };
  for (const auto& c : cases)
    EXPECT_NE(complaint(c.toml).find(c.expected), std::string::npos)
        << complaint(c.toml) << "\nexpected: " << c.expected;
  EXPECT_NE(complaint(kSmall, {"lr=3e-4"}).find("did you mean train.lr?"), std::string::npos);
}

TEST(Recipe, MisspeltKeyOfTheModelIsRefused) {
  for (const auto& [line, expected] : {
           std::pair{"hiden_size = 512",
                     "r.toml:7: there is no key model.hiden_size (did you mean model.hidden_size?)"},
           {"n_routed_expert = 64", "did you mean model.n_routed_experts?"},
           {"rope_thetta = 100", "did you mean model.rope_theta?"},
           {"rope_scaling = { type = \"yarn\", factr = 4 }",
            "r.toml:7: there is no key model.rope_scaling.factr (did you mean model.rope_scaling.factor?)"},
           {"[model.rope_parameters]\nropetype = \"yarn\"",
            "r.toml:8: there is no key model.rope_parameters.ropetype (did you mean model.rope_parameters.rope_type?)"},
           {"lr = 3e-4", "there is no key model.lr (did you mean train.lr?)"},
       })
    EXPECT_NE(complaint(std::string(kSmall) + line).find(expected), std::string::npos)
        << complaint(std::string(kSmall) + line) << "\nexpected: " << expected;
  EXPECT_NE(complaint(kSmall, {"model.n_routed_expert=64"}).find("did you mean model.n_routed_experts?"),
            std::string::npos);
}

TEST(Recipe, FieldsOfPublishedFilesMayStandInTheModel) {
  EXPECT_EQ(complaint(std::string(kSmall) + R"(architectures = ["DeepseekV3ForCausalLM"]
torch_dtype = "bfloat16"
transformers_version = "4.33.1"
use_cache = true
ep_size = 1
aux_loss_alpha = 0.001
num_key_value_heads = 128
quantization_config = { quant_method = "fp8", fmt = "e4m3", weight_block_size = [128, 128], activation_scheme = "dynamic" }
[model.auto_map]
AutoConfig = "configuration_deepseek.DeepseekV3Config"
)"),
            "");
}

TEST(Recipe, EveryMistakeNamesItsKeyAndPlace) {
  const struct {
    std::string toml, expected;
  } cases[] = {
      {std::string(kSmall) + "[balance]\nbias_speed = \"fast\"\n", "r.toml:8: balance.bias_speed must be a number"},
      {std::string(kSmall) + "[balance]\nloss = \"device\"\n", "balance.loss = \"device\" is unknown"},
      {std::string(kSmall) + "[balance]\ndevice_alpha = 0.05\n", "need balance.loss = \"expert\", not \"sequence\""},
      {std::string(kSmall) + "[balance]\ntop_devices = 3\n", "balance.top_devices 3 is more than balance.devices 1"},
      {std::string(kSmall) + "[balance]\nbias_speed = -1\n",
       "balance.bias_speed = -1 is out of range: it must be at least 0"},
      {"[data]\ntrain = [\"a\"]\n[train]\nsteps = 1\nbeta2 = 1\n",
       "train.beta2 = 1 is out of range: it must be at most 0.9999999 ("},
      {"[data]\ntrain = [\"a\"]\ntext_keys = []\n[train]\nsteps = 1\n",
       "r.toml:3: data.text_keys is empty: name the key"},
      {std::string(kSmall) + "[data.x]\ny = 1\n", "there is no key data.x"},
      {"[data]\ntrain = [\"a\"]\nweights = [1, 2]\n[train]\nsteps = 1\n", "2 numbers for the 1 sources"},
      {"[data]\ntrain = [\"a\"]\nweights = [0]\n[train]\nsteps = 1\n", "each weight must be above 0"},
      {"[data]\ntrain = [\"a\"]\nweights = [\"much\"]\n", "r.toml:3: data.weights must be a list of numbers"},
      {"[data]\ntrain = [\"a\"]\npacking = \"tight\"\n[train]\nsteps = 1\n", "data.packing = \"tight\" is unknown"},
      {"[data]\ntrain = 3\n", "data.train must be a list of strings"},
      {"[train]\nsteps = 3\n", "data.train is missing"},
      {"[data]\ntrain = [\"x\"]\n", "give train.steps or train.minutes"},
      {"[data\n", "r.toml:1: not valid TOML"},
      {"steps = 3\n", "there is no key steps"},
      {std::string(kSmall) + "[tokenizer]\nkind = \"word\"\n",
       "tokenizer.kind = \"word\" is unknown: it must be \"bpe\" or \"characters\""},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nbatch_size=6\nmicro_batch_size=4\n", "batch_size 6 is not a multiple"},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\ndecay_begin=0.9\ndecay_end=0.5\n", "is before train.decay_begin"},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nschedule=\"steps\"\n",
       "r.toml:5: train.schedule = \"steps\" is unknown: it must be \"cosine\" or \"step\""},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nschedule=\"step\"\ndrops=[]\n",
       "needs train.drops, such as [0.8, 0.9]"},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\ndrops=[0.9, 0.8]\n", "r.toml:5: train.drops has 0.8: "},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\ndrops=[0]\n", "train.drops has 0: "},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\ndrops=[1.01]\n", "train.drops has 1.01: "},
      {"[data]\ntrain=[\"x\"]\n[train]\nsteps=1\ndrop_factor=0\n", "train.drop_factor = 0 is out of range"},
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

TEST(Recipe, WeightsThatCannotBeSharesAreRefused) {
  const auto weights = [](size_t n, const char* weight) {
    std::string sources, list;
    for (size_t i = 0; i < n; ++i) sources += "\"x\",", list += std::string(weight) + ",";
    return complaint("[data]\ntrain=[" + sources + "]\nweights=[" + list + "]\n[train]\nsteps=1\n");
  };
  EXPECT_EQ(weights(1, "1e308"), "");
  EXPECT_EQ(weights(2, "1e308").find("r.toml:3: data.weights add up to more than any number"), 0u);
  EXPECT_EQ(weights(512, "1"), "");
  EXPECT_EQ(weights(513, "1").find("r.toml:3: data.weights has 513 numbers, but at most 512 sources"), 0u);
}

TEST(Recipe, FillInTheMiddleNeedsItsTokens) {
  const std::string expected = "--set tokenizer.kind=characters: data.fim_rate 0.1 needs special tokens";
  EXPECT_EQ(complaint(kSmall, {"data.fim_rate=0.1", "tokenizer.kind=characters"}).find(expected), 0u);
  EXPECT_EQ(complaint(kSmall, {"data.fim_rate=0.1", "tokenizer.kind=characters", "tokenizer.path=x"}), "");
  EXPECT_EQ(complaint(kSmall, {"data.fim_rate=0.1"}), "");
}

// A recipe of several lines, a preset and --set: whichever made the mistake is named.
TEST(Recipe, AMistakeIsNamedWhereItWasMade) {
  const auto message = [](const std::string& more, const std::vector<std::string>& set) {
    return complaint(kSmall + more, set);
  };
  EXPECT_EQ(message("", {"train.precision=fp16"}),
            "--set train.precision=fp16: train.precision = \"fp16\" is unknown: it must be \"bf16\" or \"f32\"");
  EXPECT_EQ(message("", {"train.steps=abc"}).find("--set train.steps=abc: train.steps must be"), 0u);
  EXPECT_EQ(message("[train.x]\n", {}).find("r.toml:7: "), 0u);
  EXPECT_EQ(complaint("[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nprecision=\"fp16\"\n").find("r.toml:5: train.prec"),
            0u);
  // Two keys that disagree: the one set last.
  const std::string sixes = "[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nbatch_size=6\nmicro_batch_size=3\n";
  EXPECT_EQ(complaint(sixes, {"train.lr=1", "train.batch_size=7"}).find("--set train.batch_size=7: "), 0u);
  EXPECT_EQ(complaint(sixes, {"train.micro_batch_size=4"}).find("--set train.micro_batch_size=4: "), 0u);
  EXPECT_EQ(complaint("preset = \"v3-11m\"\n" + std::string(kSmall), {"train.micro_batch_size=5"})
                .find("--set train.micro_batch_size=5: train.batch_size 16 is"),
            0u);
  EXPECT_EQ(complaint("preset = \"v3-11m\"\n[data]\ntrain=[\"x\"]\n[train]\nsteps=1\nmicro_batch_size=5\n")
                .find("r.toml:6: train.batch_size 16 is"),
            0u);
  EXPECT_EQ(complaint(std::string(kSmall) +
                      "[[long_context]]\nsteps=1\nsequence_length=512\nlr=1\nbatch_size=3\nmicro_batch_size=2\n")
                .find("r.toml:7: [[long_context]] phase 1: batch_size 3 is not a multiple"),
            0u);
}

// Only a bare word may go without quotes: what begins as TOML must be TOML.
TEST(Recipe, BrokenTomlAfterSetIsNoString) {
  for (const char* value : {"[\"a\"", "{", "\"a", "'a", " [\"a\""})
    EXPECT_NE(complaint(kSmall, {std::string("log.sample_prompts=") + value}).find(": not valid TOML: "),
              std::string::npos)
        << value;
  EXPECT_EQ(parse_recipe(kSmall, "r.toml", {"log.sample_prompts=a [b"}).log.sample_prompts[0], "a [b");
  EXPECT_NE(complaint(kSmall, {"preset=v3-82m"}).find("write it into the recipe, or use --preset"), std::string::npos);
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
  EXPECT_NE(complaint(kSmall + ("auto_map." + key.substr(0, 601)) + " = 1").find("nested deeper than 64"),
            std::string::npos);
}

TEST(Recipe, WritesAnyModelFieldSoThatItIsReadBack) {
  const Recipe r = parse_recipe(
      std::string(kSmall) +
          "architectures = [{\"\" = [1.0, {}]}, \"\\u007f\"]\n[model.auto_map]\n\"a b\" = \"\\u007f\\n\"\n",
      "r");
  const std::string text = recipe_to_toml(r);
  EXPECT_EQ(parse_recipe(text, "again").model_json, r.model_json) << text;
}

// Strings and comments may hold any letter; elsewhere it is refused, and asking about it must be defined (ubsan).
TEST(Recipe, LettersBeyondAscii) {
  const std::string good = std::string(kSmall) + "# \u021e\n[model.auto_map]\n";  // where any key may stand
  for (const char* line : {R"(a = "Ȟ")", R"(a = 'Ȟ')", "a = \"\"\"\nȞ\"\n\\\\Ȟ\\\n x\"\"\"\"\" # Ȟ",
                           R"(a = '''Ȟ'\''''')", R"("Ȟ" = '\Ȟ')", R"(a = "\"Ȟ")"})
    EXPECT_EQ(complaint(good + line), "") << line;
  EXPECT_EQ(complaint("\xEF\xBB\xBF" + good), "");
  EXPECT_EQ(complaint(good, {"tokenizer.path=Ȟ"}), "");
  for (const char* line : {"Ȟ = 1", "a = Ȟ", R"(a = ""Ȟ)", R"(a = "\Ȟ")", R"(a = '\'Ȟ)", R"(a = """x"""""Ȟ)",
                           R"(a = 0="Ȟ")", "a = \"x\nȞ\"", "[Ȟ]"})
    EXPECT_NE(complaint(good + line).find("not valid TOML"), std::string::npos) << line << "\n"
                                                                                << complaint(good + line);
}

TEST(Recipe, DifferencesAreNamedWithBothValues) {
  const auto recipe = [](const std::vector<std::string>& set) {
    return parse_recipe("[data]\ntrain = [\"a\"]\n[train]\nsteps = 5\n[model]\nhidden_size = 16\n", "r.toml", set);
  };
  const Recipe a = recipe({});
  EXPECT_TRUE(recipe_differences(a, parse_recipe(recipe_to_toml(a), "stored")).empty());
  const auto d =
      recipe_differences(a, recipe({"train.lr=0.5", "model.num_hidden_layers=3", "model.hidden_size=32",
                                    "data.train=[\"b\"]", "long_context=[{steps=1, sequence_length=512, lr=1e-4}]"}));
  std::vector<std::string> lines;
  for (const RecipeDifference& x : d) lines.push_back(x.key + ": " + x.a + " " + x.b);
  EXPECT_EQ(lines, (std::vector<std::string>{"data.train: [\"a\"] [\"b\"]", "model.hidden_size: 16 32",
                                             "model.num_hidden_layers:  3", "train.lr: 0.001 0.5", "long_context:  "}));
}

TEST(Recipe, HelpListsEveryKeyOfTheWrittenRecipe) {
  const std::string help = recipe_help();
  for (const char* key : {"train.lr ", "balance.bias_speed", "log.keep", "data.text_keys", "tokenizer.vocab_size"})
    EXPECT_NE(help.find(key), help.npos) << key;
  for (const std::string& key : names_of(config_keys()))
    EXPECT_NE(help.find("\n  model." + key + " "), help.npos) << key;
  for (const std::string& key : names_of(rope_keys()))
    EXPECT_NE(help.find("\n  model.rope_scaling." + key + " "), help.npos) << key;
}

TEST(Recipe, PresetsComeUnderTheRecipe) {
  const Recipe r = parse_recipe(
      "preset = \"v3-11m\"\n[data]\ntrain = [\"builtin:\"]\n[train]\nsteps = 5\nbatch_size = 4\n"
      "[model]\nhidden_size = 128\n",
      "r.toml");
  EXPECT_EQ(r.train.sequence_length, 256);
  EXPECT_EQ(r.train.batch_size, 4);
  const Config c = model_config(r, r.tokenizer.vocab_size, -1, -1);
  EXPECT_EQ(c.hidden_size, 128);
  EXPECT_EQ(c.n_routed_experts, 16);
  const Recipe again = parse_recipe(recipe_to_toml(r), "again");
  EXPECT_EQ(recipe_to_toml(parse_recipe(recipe_to_toml(again), "thrice")), recipe_to_toml(again));
  EXPECT_EQ(nlohmann::json::parse(again.model_json), nlohmann::json::parse(r.model_json));  // keys in any order
}

// What the tokenizer says of the ends of a text is in the model's config, unless [model] says otherwise.
TEST(Recipe, TheModelKnowsTheTokenizersEnds) {
  const auto config = [](std::vector<std::string> set, int64_t bos, int64_t eos) {
    set.insert(set.end(), {"data.train=x", "train.steps=1"});
    return model_config(parse_recipe("", "r.toml", set, "v3-11m"), 100, bos, eos);
  };
  EXPECT_EQ(config({}, 3, 7).bos_token_id, 3);
  EXPECT_EQ(config({}, 3, 7).eos_token_ids, (std::vector<int64_t>{7}));
  EXPECT_EQ(config({}, 0, 0).eos_token_ids, (std::vector<int64_t>{0}));
  EXPECT_TRUE(config({}, -1, -1).eos_token_ids.empty());
  EXPECT_EQ(config({"model.eos_token_id=[5, 6]"}, 3, 7).eos_token_ids, (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(config({"model.bos_token_id=9"}, 3, 7).bos_token_id, 9);
}

// The sizes that the presets' names promise.
TEST(Recipe, PresetsHaveTheirSizes) {
  for (const auto& [name, total, active] : {std::tuple{"v3-11m", 10.8e6, 3.9e6}, {"v3-82m", 82e6, 24e6}}) {
    for (const char* suffix : {"", "-mtp"}) {
      const Recipe r = parse_recipe("[data]\ntrain = [\"builtin:\"]\n[train]\nsteps = 5\n", "r.toml", {},
                                    std::string(name) + suffix);
      const Config c = model_config(r, r.tokenizer.vocab_size, -1, -1);
      const Counts counts = count_parameters(c);
      EXPECT_NEAR(double(counts.total), total, 0.02 * total);
      EXPECT_NEAR(double(counts.active_with_embedding_and_head), active, 0.03 * active);
      EXPECT_EQ(c.num_nextn_predict_layers, *suffix ? 1 : 0);
    }
  }
}

// A preset takes any tokenizer; what [model] itself says must be enough for the one that will be trained.
TEST(Recipe, TheModelKnowsAllTokens) {
  const Recipe r = parse_recipe("", "r.toml", {"data.train=x", "train.steps=1", "tokenizer.vocab_size=5000"}, "v3-11m");
  EXPECT_EQ(model_config(r, 4990, -1, -1).vocab_size, 4990);
  EXPECT_EQ(complaint(kSmall, {"tokenizer.vocab_size=500", "model.vocab_size=499"})
                .find("--set model.vocab_size=499: model.vocab_size 499 is less than tokenizer.vocab_size 500"),
            0u);
  EXPECT_EQ(complaint(kSmall, {"model.vocab_size=500", "tokenizer.vocab_size=500"}), "");
  EXPECT_EQ(complaint(kSmall, {"model.vocab_size=99", "tokenizer.kind=characters"}), "");
  EXPECT_EQ(complaint(kSmall, {"model.vocab_size=99", "tokenizer.path=x"}), "");
}

TEST(Recipe, UnknownPresetIsAnsweredWithTheNearest) {
  EXPECT_EQ(complaint("# mine\npreset = \"v3-11n\"\n" + std::string(kSmall)),
            "r.toml:2: there is no preset v3-11n (did you mean v3-11m?); the presets are v3-11m, v3-11m-mtp, v3-82m, "
            "v3-82m-mtp");
  try {
    parse_recipe(kSmall, "r.toml", {}, "v3-82m-mpt");
    FAIL();
  } catch (const UserError& e) {
    EXPECT_EQ(std::string(e.what()).find("--preset: there is no preset v3-82m-mpt (did you mean v3-82m-mtp?)"), 0u);
  }
  for (const Preset& p : presets()) EXPECT_NE(recipe_help().find(fmt::format(" {} ", p.name)), std::string::npos);
}

// As those of [train]: a step of 1e12 sequences would never end.
TEST(Recipe, LongContextPhasesAreBounded) {
  const auto message = [](const std::string& keys) {
    return complaint(kSmall, {"long_context=[{steps=1,sequence_length=512,lr=1e-4},{lr=1e-4," + keys + "}]"});
  };
  const std::string length = "steps=2,sequence_length=4096";
  EXPECT_EQ(message(length + ",batch_size=1000000,micro_batch_size=1"), "");
  EXPECT_NE(message(length + ",batch_size=1000000000000").find("long_context.batch_size = 1000000000000 is out of"),
            std::string::npos);
  EXPECT_NE(message(length + ",micro_batch_size=2000000").find("is out of range: it must be at most 1000000"),
            std::string::npos);
  EXPECT_NE(message("sequence_length=4096,steps=2000000000").find("is out of range: it must be at most 1e+09"),
            std::string::npos);
  EXPECT_NE(message(length + ",batch_size=8192")
                .find(": [[long_context]] phase 2: long_context.sequence_length 4096 × 8192 sequences processed at "
                      "once are more "
                      "than 16777216 "
                      "tokens: lower long_context.batch_size"),
            std::string::npos);
  EXPECT_NE(message(length + ",batch_size=16384,micro_batch_size=8192").find("lower long_context.micro_batch_size"),
            std::string::npos);
}

TEST(Recipe, NeedlesMustFitIntoTheModel) {
  const auto message = [](std::vector<std::string> set) {
    set.push_back("train.sequence_length=64");
    return complaint(kSmall, set);
  };
  const std::string phase = "long_context=[{steps=1,sequence_length=128,lr=1},{steps=1,sequence_length=512,lr=1}]";
  EXPECT_EQ(message({"log.needle_lengths=[16,64]"}), "");
  EXPECT_EQ(message({"log.needle_lengths=[512]", phase}), "");
  EXPECT_NE(message({"log.needle_lengths=[1024]", phase, "model.max_position_embeddings=1024"})
                .find("the longest sequences have 512 tokens"),
            std::string::npos);
  EXPECT_EQ(message({"log.needle_lengths=[64,65]"})
                .find("--set log.needle_lengths=[64,65]: log.needle_lengths has 65, but the longest sequences have 64"),
            0u);
  EXPECT_NE(message({"log.needle_lengths=[513]", phase}).find("sequences have 512"), std::string::npos);
  for (const char* bad : {"15", "32.5", "1.1e7", "0", "-3"})
    EXPECT_NE(message({fmt::format("log.needle_lengths=[{}]", bad)}).find("each must be a whole number of tokens from"),
              std::string::npos)
        << bad;
  EXPECT_NE(message({"log.needle_lengths=[32,16,32]"}).find("has 32 twice"), std::string::npos);
}

TEST(Recipe, LongContextPhases) {
  const std::string phase = std::string(kSmall) + "[[long_context]]\nsteps = 5\nsequence_length = 4096\nlr = 1e-4\n";
  EXPECT_EQ(parse_recipe(phase, "r.toml").long_context.size(), 1u);
  EXPECT_NE(complaint(phase + "yarn = 2\n").find("there is no key long_context.yarn (did you mean"), std::string::npos);
  EXPECT_NE(
      complaint(std::string(kSmall) + "[[long_context]]\nsteps = 5\nlr = 1e-4\n").find("phase 1 lacks sequence_length"),
      std::string::npos);
  EXPECT_NE(complaint(std::string(kSmall) + "[[long_context]]\nsteps = 5\nsequence_length = 2\nlr = 1e-4\n")
                .find("is less than the"),
            std::string::npos);
  EXPECT_NE(complaint(std::string(kSmall) + "[long_context]\nsteps = 5\n").find("must be [[long_context]] tables"),
            std::string::npos);
}

// The list of keys itself: each refuses a value of another type, and each number one beyond either end of its range, and
// says what it expects.
TEST(Recipe, EveryKeyRefusesOtherTypesAndOtherNumbers) {
  const auto refused = [](const std::string& key, const std::string& value, const std::string& expected) {
    const std::string set = key + "=" + value;
    const std::string message = complaint(kSmall, {set});
    EXPECT_EQ(message.find("--set " + set + ": "), 0u) << set << ": " << message;
    EXPECT_NE(message.find(expected), message.npos) << set << ": " << message;
  };
  const Recipe defaults;
  int keys = 0;
  recipe_fields(defaults, [&](const std::string& key, const auto& member, const char*, Range range) {
    ++keys;
    using T = std::decay_t<decltype(member)>;
    if constexpr (std::is_same_v<T, std::string> || NamedEnum<T>) return refused(key, "3", "must be a string");
    else if constexpr (std::is_same_v<T, std::vector<std::string>> || std::is_same_v<T, std::vector<RecomputedPart>>)
      return refused(key, "[3]", "must be a list of strings");
    else if constexpr (std::is_same_v<T, std::vector<double>>)
      return refused(key, "[true]", "must be a list of numbers");
    else if constexpr (std::is_same_v<T, bool>) return refused(key, "1", "must be true or false");
    else {
      constexpr bool whole = !std::is_same_v<T, double>;
      refused(key, "true", whole ? "must be a whole number" : "must be a number");
      if (whole) refused(key, "1.5", "must be a whole number");
      const auto text = [&](double v) { return whole ? std::to_string(int64_t(v)) : fmt::format("{:.17g}", v); };
      const double beyond = whole ? 1 : 1e-6;
      if (range.low >= 0 && range.low > 1e-200) refused(key, text(range.low - beyond), "is out of range");
      else if (range.low >= 0)
        refused(key, whole ? "-1" : "-0.001", std::is_same_v<T, uint64_t> ? key : "is out of range");
      if (range.high < 1e300)
        refused(key, text(range.high + (whole ? 1 : 1e-6 * std::max(1.0, range.high))), "is out of range");
    }
  });
  EXPECT_GT(keys, 50);
}

// Keys with a choice name all that there is.
TEST(Recipe, EveryChoiceNamesWhatThereIs) {
  const std::pair<const char*, const char*> choices[] = {
      {"tokenizer.kind", "\"bpe\" or \"characters\""},
      {"data.documents", "\"file\" or \"blank-lines\""},
      {"data.held_out", "\"documents\" or \"tail\""},
      {"data.packing", "\"concatenate\" or \"best-fit\""},
      {"train.precision", "\"bf16\" or \"f32\""},
      {"train.schedule", "\"cosine\" or \"step\""},
      {"train.moments", "\"bf16\" or \"f32\""},
      {"train.recompute", "\"attention\" or \"ffn\""},
      {"balance.loss", "\"sequence\" or \"batch\" or \"expert\" or \"none\""}};
  for (const auto& [key, allowed] : choices)
    EXPECT_EQ(complaint(kSmall, {fmt::format("{}=other", key)}),
              fmt::format("--set {0}=other: {0} = \"other\" is unknown: it must be {1}", key, allowed));
}

TEST(Recipe, HelpListsEveryKeyWithDefaultAndMeaning) {
  const std::string help = recipe_help();
  const auto has = [&](const std::string& key, const std::string& value, const std::string& meaning) {
    EXPECT_NE(help.find(fmt::format("\n  {:<31} {:<15} {}\n", key, value, meaning)), help.npos) << key;
  };
  const Recipe defaults;
  recipe_fields(defaults, [&](const char* key, const auto& member, const char* meaning, Range) {
    has(key, toml_of(member), meaning);
  });
  const Recipe::LongContext phase;
  long_context_fields(phase, [&](const char* key, const auto& member, const char* meaning, Range) {
    has(key, toml_of(member), meaning);
  });
  // What [model] leaves out comes from elsewhere for these, and for the others from the table.
  const std::map<std::string_view, const char*> elsewhere{{"model_type", "deepseek_v3"},
                                                          {"vocab_size", "tokenizer's"},
                                                          {"bos_token_id", "tokenizer's"},
                                                          {"eos_token_id", "tokenizer's"},
                                                          {"max_position_embeddings", "sequence_length"},
                                                          {"initializer_range", "of [train]"}};
  for (const ConfigKey& key : config_keys())
    has(fmt::format("model.{}", key.name), elsewhere.contains(key.name) ? elsewhere.at(key.name) : key.fallback,
        key.meaning);
  for (const ConfigKey& key : rope_keys())
    has(fmt::format("model.rope_scaling.{}", key.name), key.fallback, key.meaning);
  for (const Preset& p : presets()) has("", p.name, p.what);
}

}  // namespace
}  // namespace minke
