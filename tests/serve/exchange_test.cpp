// Answers on the way out: at once and as events, several at a time; and the pieces that they are made of.
#include "serve/exchange.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "chat/fixture.h"

namespace minke {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer t = test::chat_tokenizer();
  return t;
}
NewToken token(int32_t id, Ending ending = Ending::none, int64_t known = 0) {
  NewToken t{.token = id, .ending = ending, .known = known};
  t.log_probabilities.chosen = -1;
  return t;
}

// Two prompts with two answers each, whose tokens come mixed.
TEST(Exchanges, OfSeveralAnswers) {
  Exchange e(tokenizer(), {.is_chat = false, .id = "x", .model = "m"}, {5, 7}, 2, {"A", "A", "B", "B"});
  EXPECT_EQ(e.answers(), 4u);
  EXPECT_EQ(e.begin(), "");
  const std::string said[] = {"one", "two", "three", "four"};
  for (size_t n = 0; n < 6; ++n)
    for (size_t i = 0; i < 4; ++i) {
      const auto ids = tokenizer().encode(said[i]);
      if (n < ids.size()) {
        EXPECT_EQ(e.token(i, token(ids[n], n + 1 == ids.size() ? Ending::max_new : Ending::none, int64_t(i))), "");
      }
    }
  EXPECT_TRUE(e.is_over());
  const Json j = Json::parse(e.end());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(j["choices"][i]["text"], (i < 2 ? "A" : "B") + said[i]);
    EXPECT_EQ(j["choices"][i]["finish_reason"], "length");
  }
  EXPECT_EQ(j["usage"]["prompt_tokens"], 12);
  EXPECT_EQ(j["usage"]["prompt_tokens_details"]["cached_tokens"], 0 + 2);  // of the first answer to each prompt
  EXPECT_EQ(j["usage"]["completion_tokens"], 15);
}

TEST(Exchanges, CutInAThought) {
  Exchange e(tokenizer(), {.stream = true, .id = "x", .model = "m"}, {5}, 1);
  EXPECT_NE(e.begin().find("\"role\":\"assistant\""), std::string::npos);
  const auto ids = tokenizer().encode("<think>hm");
  std::string last;
  for (size_t n = 0; n < ids.size(); ++n)
    last = e.token(0, token(ids[n], n + 1 == ids.size() ? Ending::max_new : Ending::none));
  EXPECT_NE(last.find("\"finish_reason\":\"length\""), std::string::npos);
  EXPECT_EQ(e.token(0, token(ids[0])), "");
  EXPECT_EQ(e.end(), "data: [DONE]\n\n");
  EXPECT_GT(e.usage().reasoning, 0);
}

// Half a character, cut off: U+FFFD, since JSON has no half ones.
TEST(Exchanges, HalfCharacters) {
  Exchange e(tokenizer(), {.id = "x", .model = "m"}, {5}, 1);
  const auto ids = tokenizer().encode("鲸");
  ASSERT_EQ(ids.size(), 3u);
  e.token(0, token(ids[0]));
  e.token(0, token(ids[1], Ending::max_new));
  const Json j = Json::parse(e.end());
  EXPECT_NE(j["choices"][0]["message"]["content"].get<std::string>().find("\uFFFD"), std::string::npos);
}

}  // namespace
}  // namespace minke
