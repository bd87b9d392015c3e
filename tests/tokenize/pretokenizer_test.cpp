#include "tokenize/pretokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "fixtures.h"

namespace minke {
namespace {

using Strings = std::vector<std::string>;

Strings split(const Pretokenizer& p, std::string_view text) {
  Strings out;
  Pieces pieces;
  p.split(text, pieces);
  for (const Match& m : pieces.spans) out.emplace_back(pieces.text.substr(m.first, m.end - m.first));
  return out;
}

Strings split(std::string_view name, std::string_view text) {
  return split(Pretokenizer(pretokenizer_json(name), "test"), text);
}

class FastSplitter : public testing::TestWithParam<std::string_view> {};

// The hand-written splitter against the published regexes.
TEST_P(FastSplitter, AgreesWithTheRegexes) {
  const nlohmann::json description = pretokenizer_json(GetParam());
  const Pretokenizer fast(description, "fast"), oracle(description, "oracle", false);
  ASSERT_TRUE(fast.fast());
  ASSERT_EQ(fast.name(), GetParam());
  ASSERT_FALSE(oracle.fast());
  Rng rng{RngKey{17, 0}.at(GetParam())};
  for (int i = 0; i < 6000; ++i) {
    const std::string text = i % 10 ? test::random_text(rng, 24, i % 3 == 0) : test::random_bytes(rng, 60);
    ASSERT_EQ(split(fast, text), split(oracle, text))
        << "text " << i << ": " << nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  }
}
// One character of each kind that some rule tells apart, so that short texts meet all neighbourhoods.
TEST_P(FastSplitter, AgreesOnAllNeighbourhoods) {
  const nlohmann::json description = pretokenizer_json(GetParam());
  const Pretokenizer fast(description, "fast"), oracle(description, "oracle", false);
  constexpr std::string_view kKinds[] = {"a",      "s",      "'",      "\u00E9", "\uFF21", "\u4E2D", "\u30A2",
                                         "\u0905", "\u0301", "1",      "\u0967", ",",      "\uFF01", "\u3002",
                                         "\u201C", "+",      "\u00A3", "\u0378", " ",      "\u3000", "\u2003",
                                         "\t",     "\u0085", "\n",     "\r",     "\xFF"};
  Rng rng{RngKey{18, 0}.at(GetParam())};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    const uint64_t few = 3 + rng.below(std::size(kKinds) - 2), first = rng.below(std::size(kKinds));
    for (uint64_t n = rng.below(9); n > 0; --n) text += kKinds[(first + rng.below(few) * 7) % std::size(kKinds)];
    ASSERT_EQ(split(fast, text), split(oracle, text))
        << "text " << i << ": " << nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  }
}
INSTANTIATE_TEST_SUITE_P(All, FastSplitter, testing::ValuesIn(pretokenizer_names()),
                         [](const auto& info) { return std::string(info.param); });

TEST(Pretokenizer, SingleSigns) {
  EXPECT_EQ(split("single_signs", "Make 54 from (3+7)*25.\n\nok</b>"),
            (Strings{"Make", " ", "5", "4", " from", " ",  "(",  "3", "+", "7", ")",
                     "*",    "2", "5", ".", "\n",    "\n", "ok", "<", "/", "b", ">"}));
}

TEST(Pretokenizer, DeepSeekV3) {
  EXPECT_EQ(split("deepseek_v3", "Hello  world, it's 12345!\n\nx"),
            (Strings{"Hello", " ", " world", ",", " it", "'s", " ", "123", "45", "!\n\n", "x"}));
  EXPECT_EQ(split("deepseek_v3", "中文和English混排・テスト。"),
            (Strings{"中文和", "English", "混排", "・", "テスト", "。"}));
  EXPECT_EQ(split("deepseek_v3", "<think>\n"), (Strings{"<think", ">\n"}));
  EXPECT_EQ(split("deepseek_v3", "a  1"), (Strings{"a", "  ", "1"}));  // an earlier split ends the look-ahead's text
}

TEST(Pretokenizer, Llama3AndQwenAndGpt2) {
  EXPECT_EQ(split("llama3", "I'LL pay 12345 now"), (Strings{"I", "'LL", " pay", " ", "123", "45", " now"}));
  EXPECT_EQ(split("qwen2", "a 12"), (Strings{"a", " ", "1", "2"}));
  EXPECT_EQ(split("gpt2", "I'll pay 12345  now"), (Strings{"I", "'ll", " pay", " 12345", " ", " now"}));
  EXPECT_EQ(split("deepseek_llm", "the year 2024,\nok na\u00EFve 中文。\u3000 "),
            (Strings{"the", " year", " ", "2", "0", "2", "4", ",", "\n", "ok", " na", "\u00EF", "ve", " ", "中文", "。",
                     "\u3000", " "}));
  EXPECT_EQ(split("deepseek_coder", "na\u00EFve 中文。  "), (Strings{"na\u00EFve", " ", "中文", "。", "  "}));
  EXPECT_EQ(split("smollm", "pay  12"), (Strings{"pay", "  ", "1", "2"}));
}

// DeepSeek Coder's but for the digits: no hand-written splitter.
TEST(Pretokenizer, GeneralSequence) {
  const auto description = nlohmann::json::parse(R"({"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": "[\r\n]"}, "behavior": "Isolated", "invert": false},
    {"type": "Split", "pattern": {"Regex": "\\s?\\p{L}+"}, "behavior": "Isolated", "invert": false},
    {"type": "Split", "pattern": {"Regex": "\\s?\\p{P}+"}, "behavior": "Isolated", "invert": false},
    {"type": "Split", "pattern": {"Regex": "[一-龥ࠀ-一가-퟿]+"}, "behavior": "Isolated", "invert": false},
    {"type": "Digits", "individual_digits": false},
    {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]})");
  const Pretokenizer p(description, "test");
  EXPECT_FALSE(p.fast());
  EXPECT_EQ(p.name(), "Split, Split, Split, Split, Digits, ByteLevel");
  EXPECT_EQ(split(p, "the year 2024,\nok 中文"), (Strings{"the", " year", " ", "2024", ",", "\n", "ok", " ", "中文"}));
  EXPECT_TRUE(split(p, "").empty());
}

TEST(Pretokenizer, Behaviors) {
  const auto with = [](const char* behavior, bool invert) {
    const nlohmann::json split_part = {
        {"type", "Split"}, {"pattern", {{"String", "-"}}}, {"behavior", behavior}, {"invert", invert}};
    const nlohmann::json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
    return split(Pretokenizer({{"type", "Sequence"}, {"pretokenizers", {split_part, byte_level}}}, "t"),
                 "the-final--countdown");
  };
  EXPECT_EQ(with("Removed", false), (Strings{"the", "final", "countdown"}));
  EXPECT_EQ(with("Removed", true), (Strings{"-", "-", "-"}));
  EXPECT_EQ(with("Isolated", false), (Strings{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(with("MergedWithPrevious", false), (Strings{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(with("MergedWithNext", false), (Strings{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(with("Contiguous", false), (Strings{"the", "-", "final", "--", "countdown"}));
}

TEST(Pretokenizer, PrefixSpace) {
  const Pretokenizer p({{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}}, "t");
  EXPECT_EQ(split(p, "ab cd"), (Strings{" ab", " cd"}));
  EXPECT_EQ(split(p, " ab"), (Strings{" ab"}));
}

TEST(Pretokenizer, RefusesWhatItDoesNotKnow) {
  const auto refused = [](const char* json) {
    try {
      Pretokenizer(nlohmann::json::parse(json), "here");
      return std::string();
    } catch (const UserError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_NE(refused(R"({"type": "Metaspace"})").find("Metaspace"), std::string::npos);
  EXPECT_NE(refused(R"({"type": "Digits"})").find("ByteLevel"), std::string::npos);
  EXPECT_NE(refused(R"({"type": "Sequence", "pretokenizers": 3})").find("here.pretokenizers"), std::string::npos);
  EXPECT_NE(refused(R"({"type": "Split", "behavior": "Odd"})").find("here.behavior"), std::string::npos);
  EXPECT_NE(refused(R"({"type": "Split", "behavior": "Isolated", "pattern": {}})").find("here.pattern"),
            std::string::npos);
  EXPECT_NE(refused(R"({"type": "ByteLevel", "use_regex": 1})").find("here.use_regex"), std::string::npos);
  EXPECT_THROW(pretokenizer_json("gpt9"), UserError);
}

}  // namespace
}  // namespace minke
