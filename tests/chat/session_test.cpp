#include "chat/session.h"

#include <gtest/gtest.h>

#include "chat/fixture.h"

namespace minke {
namespace {

using namespace test;

TEST(ChatSession, AnAnswerIsStreamedAndKept) {
  ChatFixture f;
  ChatSession session(f.ctx, f.source, f.engine, f.only("abc", 6));
  std::string streamed;
  const AnswerStats& s = session.ask("cab", [&](const ThoughtSplitter::Piece& p) {
    EXPECT_EQ(p.thought, "");
    streamed += p.answer;
    return true;
  });
  EXPECT_EQ(s.new_tokens, 6);
  EXPECT_EQ(s.prompt_tokens, int64_t(f.source.tokenizer.encode("<bos>u:cab|a:").size()));
  EXPECT_EQ(s.ending, Ending::max_new);
  EXPECT_EQ(s.context_used, s.prompt_tokens + 6);
  EXPECT_EQ(streamed.size(), 6u);
  ASSERT_EQ(session.conversation().messages().size(), 2u);
  EXPECT_EQ(session.conversation().messages()[1]["content"], streamed);
  // The next question finds most of the first in the cache.
  session.ask("a", [](const ThoughtSplitter::Piece&) { return true; });
  EXPECT_GE(session.stats().known_tokens, 4);
  EXPECT_LT(session.stats().known_tokens, session.stats().prompt_tokens);
}

TEST(ChatSession, AThoughtThatTheTemplateHasOpened) {
  ChatFixture f;
  ChatSettings settings = f.only("ab", 4);
  settings.thinking = true;
  ChatSession session(f.ctx, f.source, f.engine, settings);
  std::string thought;
  session.ask("a", [&](const ThoughtSplitter::Piece& p) {
    EXPECT_EQ(p.answer, "");
    thought += p.thought;
    return true;
  });
  EXPECT_EQ(thought.size(), 4u);
  EXPECT_EQ(session.last_thought(), thought);
  EXPECT_GT(session.stats().thought_s, 0);
  EXPECT_EQ(session.conversation().messages()[1]["content"], "<think>\n" + thought);
}

TEST(ChatSession, IsStoppedByTheCallerAndByAStopToken) {
  ChatFixture f;
  ChatSession session(f.ctx, f.source, f.engine, f.only("abc", 30));
  int pieces = 0;
  session.ask("a", [&](const ThoughtSplitter::Piece&) { return ++pieces < 3; });
  EXPECT_TRUE(session.stats().stopped);
  EXPECT_EQ(session.stats().new_tokens, 3);
  EXPECT_EQ(session.conversation().messages()[1]["content"].get<std::string>().size(), 3u);
  session.settings() = f.only("<eos>", 30);
  session.ask("a", [](const ThoughtSplitter::Piece&) { return true; });
  EXPECT_EQ(session.stats().ending, Ending::stop_token);
  EXPECT_EQ(session.conversation().messages()[3]["content"], "");
  EXPECT_EQ(f.engine.pool().num_free(), f.engine.pool().num_pages());
}

TEST(ChatSession, AnAnswerThatFailsLeavesNothing) {
  ChatFixture f;
  ChatSession session(f.ctx, f.source, f.engine, f.only("abc", 6));
  session.ask("a", [](const ThoughtSplitter::Piece&) { return true; });
  const Json before = session.conversation().messages();
  EXPECT_THROW(session.ask("b", [](const ThoughtSplitter::Piece&) -> bool { user_error("no"); }), UserError);
  EXPECT_EQ(session.conversation().messages(), before);
  EXPECT_TRUE(f.engine.idle());
  EXPECT_EQ(f.engine.pool().num_free(), f.engine.pool().num_pages());
}

TEST(ChatSession, AFullContextIsSaidOrTrimmed) {
  ChatFixture f(24);
  ChatSession session(f.ctx, f.source, f.engine, f.only("abc", 0));
  const auto go_on = [](const ThoughtSplitter::Piece&) { return true; };
  session.ask("ab", go_on);
  EXPECT_EQ(session.stats().ending, Ending::max_new);
  EXPECT_EQ(session.stats().context_used, 24);
  try {
    session.ask("c", go_on);
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("the context holds 24: /trim"), std::string::npos) << e.what();
  }
  EXPECT_EQ(session.conversation().messages().size(), 2u);  // without the question
  session.settings().trim = true;
  session.ask("c", go_on);
  EXPECT_EQ(session.stats().trimmed, 1);
  ASSERT_EQ(session.conversation().messages().size(), 2u);
  EXPECT_EQ(session.conversation().messages()[0]["content"], "c");
  const Json before = session.conversation().messages();
  EXPECT_THROW(session.ask(std::string(30, 'a'), go_on), UserError);
  EXPECT_EQ(session.conversation().messages(), before);  // nothing is trimmed for a question that is refused
}

TEST(ChatSession, AModelWithoutATemplateNamesGenerate) {
  ChatFixture f(24, nullptr);
  try {
    ChatSession session(f.ctx, f.source, f.engine, {});
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("minke generate"), std::string::npos) << e.what();
  }
}

TEST(ChatSession, SamplesAsTheMakersRecommend) {
  const SamplingSettings none = chat_sampling({});
  EXPECT_EQ(none.temperature, 0.6);
  EXPECT_EQ(none.top_p, 0.95);
  const GenerationDefaults d = generation_defaults(
      R"({"temperature": 0.3, "top_p": 0.8, "top_k": 20, "min_p": 0.1, "repetition_penalty": 1.05,
          "eos_token_id": [5, 7], "do_sample": true})",
      "test");
  EXPECT_EQ(generation_defaults(R"({"temperature": 0.3, "do_sample": false})", "test").temperature, 0);
  const SamplingSettings s = chat_sampling(d);
  EXPECT_EQ(s.temperature, 0.3);
  EXPECT_EQ(s.top_p, 0.8);
  EXPECT_EQ(s.top_k, 20);
  EXPECT_EQ(s.min_p, 0.1);
  EXPECT_EQ(s.repetition_penalty, 1.05);
  EXPECT_EQ(d.stop_tokens, (std::vector<int32_t>{5, 7}));
  EXPECT_EQ(generation_defaults(R"({"eos_token_id": 3, "top_p": null})", "test").stop_tokens, std::vector<int32_t>{3});
  for (const char* bad :
       {"[]", R"({"temperature": "hot"})", R"({"top_k": 1.5})", R"({"temperature": -1})", R"({"top_p": 0})",
        R"({"eos_token_id": "x"})", R"({"eos_token_id": [-1]})", R"({"eos_token_id": 1e10})"})
    EXPECT_THROW(generation_defaults(bad, "test"), UserError) << bad;
}

}  // namespace
}  // namespace minke
