// What a teacher says of its tokens, as JSON and back; whose ids they are.
#include "data/top_log_probabilities.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tokenize/train.h"

namespace minke {
namespace {

using Pairs = std::vector<std::pair<int32_t, double>>;

Tokenizer trained(std::string_view text) {
  const std::vector<std::string_view> texts{text};
  return train_bpe(texts, {.vocab_size = 300});
}

TopLogProbabilities some() {
  TopLogProbabilities top{.vocabulary = "abc"};
  top.add(7, Pairs{{7, std::log(0.9)}, {12, std::log(0.1)}});
  top.add(1, Pairs{{1, 0}, {7, -std::numeric_limits<double>::infinity()}});
  return top;
}

TEST(TopLogProbabilities, AreWrittenInFiveDigits) {
  EXPECT_EQ(
      to_json(some()).dump(),
      R"({"vocabulary":"abc","tokens":[7,1],"ids":[[7,12],[1,7]],"logprobs":[[-0.10536,-2.3026],[0.0,-10000.0]]})");
}

// What was read is written as it was: data of an evaluation that was stopped and resumed have the same bytes.
TEST(TopLogProbabilities, ReadAndWrittenAgainAreTheSame) {
  TopLogProbabilities top{.vocabulary = "abc"};
  for (int i = 0; i < 200; ++i) {
    const double p = std::exp(-0.1 * i) * 0.9;
    top.add(i, Pairs{{i, std::log(p)}, {i + 1, std::log((1 - p) / 3)}, {i + 2, -17.0 / 3 - i}});
  }
  const Json once = to_json(top);
  const TopLogProbabilities back = top_log_probabilities(parse_json(once.dump(), "test"), "test");
  EXPECT_EQ(back.k(), 3u);
  EXPECT_EQ(back.tokens, top.tokens);
  EXPECT_EQ(back.ids, top.ids);
  EXPECT_EQ(to_json(back).dump(), once.dump());
  for (size_t i = 0; i < top.log_probabilities.size(); ++i)
    EXPECT_NEAR(back.log_probabilities[i], top.log_probabilities[i], 5.1e-5 * std::abs(top.log_probabilities[i]));
}

TEST(TopLogProbabilities, MistakesAreNamed) {
  const Json good = to_json(some());
  EXPECT_NO_THROW(top_log_probabilities(good, "a.jsonl, line 3"));
  const auto expect = [&](const std::string& pointer, const Json& value, const std::string& said) {
    Json bad = good;
    if (value.is_discarded()) bad.erase(pointer.substr(1));
    else bad[Json::json_pointer(pointer)] = value;
    try {
      top_log_probabilities(bad, "a.jsonl, line 3");
      ADD_FAILURE() << bad;
    } catch (const UserError& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with("a.jsonl, line 3: \"top_logprobs\"")) << e.what();
      EXPECT_NE(std::string(e.what()).find(said), std::string::npos) << e.what();
    }
  };
  const Json gone(Json::value_t::discarded);
  expect("/vocabulary", gone, "lacks \"vocabulary\"");
  expect("/vocabulary", 3, "lacks \"vocabulary\"");
  expect("/tokens", gone, "lacks the list \"tokens\"");
  expect("/ids", "x", "lacks the list \"ids\"");
  expect("/logprobs", gone, "lacks the list \"logprobs\"");
  expect("/tokens", Json::array({7}), "1 tokens, 2 rows of ids and 2 of logprobs");
  expect("/tokens/0", -1, "-1 is not the id of a token");
  expect("/tokens/0", 1e30, "is not the id of a token");
  expect("/ids/1/0", "a", "is not the id of a token");
  expect("/ids/1/0", 3000000000, "is not the id of a token");
  expect("/ids/0/1", 7, "token 0 has the id 7 twice");
  expect("/ids/1", Json::array({1}), "token 1 has not 2 ids and logprobs");
  expect("/logprobs/1", Json::array({0, -1, -2}), "token 1 has not 2 ids and logprobs");
  expect("/ids/0", Json::array(), "from 1 to 64 ids");
  expect("/ids/0", 5, "from 1 to 64 ids");
  expect("/logprobs/0/1", 0.5, "at most 0");
  expect("/logprobs/0/1", nullptr, "at most 0");
  expect("/logprobs/0/1", -0.5, "its probabilities sum to 1.5065");
  EXPECT_THROW(top_log_probabilities(Json::array(), "test"), UserError);
}

TEST(VocabularyHash, IsOfTheTokensByTheirIds) {
  const Tokenizer a = trained("The whale sings, and the sea is blue."),
                  b = trained("The whale sings, and the sea is blue."),
                  c = trained("One two three four five six seven eight");
  EXPECT_EQ(vocabulary_hash(a), vocabulary_hash(b));
  EXPECT_NE(vocabulary_hash(a), vocabulary_hash(c));
  EXPECT_EQ(vocabulary_hash(a).size(), 16u);
}

}  // namespace
}  // namespace minke
