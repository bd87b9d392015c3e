// Pairs of answers as ids: what a reward model reads of a line, and what of a file is kept, held out or left out.
#include "data/pairs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "tokenize/train.h"

namespace minke {
namespace {

const std::string kEnd = "<｜end▁of▁sentence｜>", kBegin = "<｜begin▁of▁sentence｜>";

const Tokenizer& tokenizer() {
  static const std::vector<std::string_view> text{"The whale sings, and the sea is blue. 1 + 2 = 3"};
  static const Tokenizer t = train_bpe(text, {.vocab_size = 300});
  return t;
}

const ChatTemplate& chat_template() {
  static const ChatTemplate t({{"default", own_chat_template(false)}}, "test",
                              {{"bos_token", kBegin}, {"eos_token", kEnd}});
  return t;
}

const ConversationEncoder& encoder() {
  static const ConversationEncoder e(tokenizer(), chat_template());
  return e;
}

Json pair(const Json& prompt, const std::string& chosen, const std::string& rejected) {
  return {{"prompt", prompt}, {"chosen", chosen}, {"rejected", rejected}};
}

TEST(Pairs, AreThePromptTheAnswerAndItsEnd) {
  const PreferencePair p = encode_pair(encoder(), pair("1 + 2", "3", "4!"), "a.jsonl, line 3");
  EXPECT_EQ(tokenizer().decode(p.chosen), kBegin + "<｜User｜>1 + 2<｜Assistant｜>3" + kEnd);
  EXPECT_EQ(tokenizer().decode(p.rejected), kBegin + "<｜User｜>1 + 2<｜Assistant｜>4!" + kEnd);
}

// The turns before the answer are seen, and are not answers of their own.
TEST(Pairs, APromptMayBeAConversation) {
  const Json prompt = Json::array({{{"role", "system"}, {"content", "Be brief."}},
                                   {{"role", "user"}, {"content", "1 + 2"}},
                                   {{"role", "assistant"}, {"content", "3"}},
                                   {{"role", "user"}, {"content", "And 2?"}}});
  const PreferencePair p = encode_pair(encoder(), pair(prompt, "5", "6"), "a.jsonl, line 3");
  EXPECT_EQ(tokenizer().decode(p.chosen),
            kBegin + "Be brief.<｜User｜>1 + 2<｜Assistant｜>3" + kEnd + "<｜User｜>And 2?<｜Assistant｜>5" + kEnd);
}

TEST(Pairs, ATextIsThatOfATrainedTurn) {
  const Json messages =
      Json::array({{{"role", "user"}, {"content", "x"}}, {{"role", "assistant"}, {"content", "y z"}}});
  const PreferencePair p = encode_pair(encoder(), pair("x", "y z", "q"), "w");
  EXPECT_EQ(p.chosen, encoder().encode({{"messages", messages}}, "w").at(0).tokens);
  EXPECT_EQ(p.chosen, encoder().answer(messages).tokens);
}

TEST(Pairs, WhatIsNoneIsRefusedWithItsPlace) {
  const auto complaint = [](const Json& line) -> std::string {
    try {
      encode_pair(encoder(), line, "a.jsonl, line 3");
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const Json good = pair("x", "y", "z");
  EXPECT_EQ(complaint(good), "");
  for (const char* key : {"prompt", "chosen", "rejected"})
    for (const Json& bad : {Json(), Json(3), Json::array(), Json::object()}) {
      Json line = good;
      line[key] = bad;
      EXPECT_TRUE(complaint(line).starts_with("a.jsonl, line 3: ")) << line.dump();
      EXPECT_NE(complaint(line).find(fmt::format("\"{}\"", key)), std::string::npos) << complaint(line);
      line.erase(key);
      EXPECT_NE(complaint(line).find(fmt::format("\"{}\"", key)), std::string::npos) << complaint(line);
    }
  EXPECT_NE(complaint(pair("x", " \n", "z")).find("\"chosen\" is an answer without text"), std::string::npos);
  EXPECT_NE(complaint(pair(Json::array({{{"role", "user"}}}), "y", "z")).find("each message"), std::string::npos);
}

class PairFiles : public ::testing::Test {
 protected:
  fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-pairs-{}", ::getpid());
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }
  PairCounts tokenize(const std::vector<Json>& lines, int64_t length, double held_out) {
    std::string text;
    for (const Json& line : lines) text += line.dump() + "\n";
    write_file_atomic(folder / "p.jsonl", text);
    return tokenize_pairs({.sources = {(folder / "p.jsonl").string()},
                           .held_out = {.hash_fraction = held_out},
                           .sequence_length = length,
                           .tokenizer_hash = 7,
                           .vocab_size = tokenizer().vocab_size()},
                          encoder(), folder / "data");
  }
};

TEST_F(PairFiles, AllPairsOfAQuestionGoTheSameWay) {
  std::vector<Json> lines;
  for (int i = 0; i < 120; ++i) lines.push_back(pair(fmt::format("{}?", i % 30), fmt::format("{} yes", i), "no"));
  const PairCounts c = tokenize(lines, 64, 0.4);
  const PairData data = open_pairs(folder / "data");
  EXPECT_EQ(c.pairs, 120u);
  EXPECT_EQ(data.train.size() + data.held_out.size(), 120u);
  EXPECT_EQ(data.held_out.size(), c.held_out);
  EXPECT_GT(c.held_out, 12u);
  EXPECT_LT(c.held_out, 100u);
  std::set<std::string> questions[2];
  for (int out = 0; out < 2; ++out) {
    const PairSet& set = out ? data.held_out : data.train;
    for (uint64_t i = 0; i < set.size(); ++i) {
      const std::string text = tokenizer().decode(set.pair(i).chosen), other = tokenizer().decode(set.pair(i).rejected);
      const std::string question = text.substr(0, text.find("<｜Assistant｜>"));
      EXPECT_TRUE(other.starts_with(question)) << other;
      EXPECT_TRUE(text.ends_with(" yes" + kEnd)) << text;
      EXPECT_TRUE(other.ends_with("no" + kEnd)) << other;
      questions[out].insert(question);
    }
  }
  EXPECT_EQ(questions[0].size() + questions[1].size(), 30u);
}

TEST_F(PairFiles, WhatIsTooLongOrTheSameIsLeftOutAndCounted) {
  const int64_t most = int64_t(encode_pair(encoder(), pair("a", "bb", "c"), "").chosen.size());
  const PairCounts c = tokenize({pair("a", "bb", "c"), pair("a", "c", "dddd"), pair("a", "b", "b")}, most, 0);
  EXPECT_EQ(c.pairs, 1u);
  EXPECT_EQ(c.too_long, 1u);
  EXPECT_EQ(c.same, 1u);
  EXPECT_EQ(open_pairs(folder / "data").train.size(), 1u);
  fs::remove_all(folder / "data");
  EXPECT_THROW(tokenize({pair("a", "b", "b")}, 64, 0), UserError);
  EXPECT_FALSE(fs::exists(folder / "data"));
}

}  // namespace
}  // namespace minke
