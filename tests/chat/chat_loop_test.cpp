// What people see: a script of lines in, text out.
#include "chat/chat_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "chat/fixture.h"

namespace minke {
namespace {

using namespace test;

struct Shown {
  std::string answers, notes;
  int64_t errors = 0;
};

Shown run(ChatSession& session, std::vector<std::string> lines, ChatScreen screen = {}) {
  Shown shown;
  size_t at = 0;
  screen.read_line = [&](const char*) -> std::optional<std::string> {
    if (at == lines.size()) return {};
    return lines[at++];
  };
  screen.write = [&](std::string_view text) { shown.answers += text; };
  screen.note = [&](std::string_view text) { shown.notes += text; };
  if (!screen.interrupted) screen.interrupted = [] { return false; };
  shown.errors = run_chat(session, screen);
  return shown;
}

TEST(ChatLoop, QuestionsOfOneAndOfSeveralLines) {
  ChatFixture f(256);
  ChatSession session(f.ctx, f.source, f.engine, f.only("ab", 3));
  const Shown shown = run(session, {"a b", "", "a \\", "b\\", "c", "\"\"\"one", "/two", "three\"\"\" rest", "//x"});
  const Json& m = session.conversation().messages();
  ASSERT_EQ(m.size(), 8u);
  EXPECT_EQ(m[0]["content"], "a b");
  EXPECT_EQ(m[2]["content"], "a \nb\nc");
  EXPECT_EQ(m[4]["content"], "one\n/two\nthree rest");
  EXPECT_EQ(m[6]["content"], "/x");
  EXPECT_EQ(shown.answers.size(), 4u * (3 + 1));  // each with the end of its line
  EXPECT_EQ(shown.errors, 0);
}

TEST(ChatLoop, Commands) {
  const fs::path folder = fs::temp_directory_path() / ("minke-chat-loop-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const std::string file = (folder / "c.jsonl").string();
  ChatFixture f(256);
  ChatSession session(f.ctx, f.source, f.engine, f.only("ab", 3));
  EXPECT_NE(run(session, {"/stats"}).notes.find("no answer yet"), std::string::npos);
  EXPECT_EQ(run(session, {"/save " + file}).errors, 1);
  run(session, {"/system Be brief.", "a", "b", "/save " + file});
  const Json before = session.conversation().messages();
  EXPECT_EQ(before.size(), 5u);
  EXPECT_NE(run(session, {"/trim"}).notes.find("3 messages are left"), std::string::npos);
  EXPECT_EQ(run(session, {"/trim"}).errors, 1);
  run(session, {"/reset"});
  EXPECT_EQ(session.conversation().messages().size(), 1u);
  EXPECT_NE(run(session, {"/system"}).notes.find("Be brief."), std::string::npos);
  run(session, {"/system \"\""});
  EXPECT_TRUE(session.conversation().empty());
  run(session, {"/load " + file});
  EXPECT_EQ(session.conversation().messages(), before);
  EXPECT_NE(run(session, {"/stats"}).notes.find("3 new tokens"), std::string::npos);
  const Shown wrong = run(session, {"/lod x", "/load", "/load none", "/think maybe", "/help", "/quit", "never asked"});
  EXPECT_EQ(wrong.errors, 4);
  EXPECT_NE(wrong.notes.find("did you mean /load?"), std::string::npos);
  EXPECT_NE(wrong.notes.find("/reset"), std::string::npos);
  EXPECT_EQ(session.conversation().messages(), before);
  fs::remove_all(folder);
}

TEST(ChatLoop, ThoughtsAreFoldedInATerminalAndLeftOutOfPipes) {
  ChatFixture f(256);
  ChatSettings settings = f.only("ab", 4);
  settings.thinking = true;
  ChatSession session(f.ctx, f.source, f.engine, settings);
  EXPECT_EQ(run(session, {"a"}).answers, "");
  const Shown folded = run(session, {"a", "/think"}, {.is_terminal = true, .has_colours = true});
  EXPECT_NE(folded.notes.find("\033[2mthought for 0."), std::string::npos);
  EXPECT_NE(folded.notes.find(session.last_thought()), std::string::npos);
  const Shown whole = run(session, {"a"}, {.shows_thoughts = true});
  EXPECT_EQ(whole.answers, "<think>" + session.last_thought() + "</think>\n\n");
  EXPECT_EQ(run(session, {"/think off", "a"}).answers.size(), 5u);
}

TEST(ChatLoop, AnOutputThatFailsEndsIt) {
  ChatFixture f(256);
  ChatSession session(f.ctx, f.source, f.engine, f.only("ab", 3));
  int asked = 0;
  const ChatScreen screen{
      .read_line = [&](const char*) { return ++asked < 5 ? std::optional<std::string>("a") : std::nullopt; },
      .write = [](std::string_view) { user_error("cannot write"); },
      .note = [](std::string_view) {},
      .interrupted = [] { return false; }};
  EXPECT_THROW(run_chat(session, screen), UserError);
  EXPECT_EQ(asked, 1);
}

TEST(ChatLoop, WhatAModelWritesDoesNotCommandATerminal) {
  ChatFixture f(256);
  ChatSession session(f.ctx, f.source, f.engine, f.only("\033", 3));
  EXPECT_EQ(run(session, {"a"}, {.is_terminal = true}).answers, "\uFFFD\uFFFD\uFFFD\n");
  EXPECT_EQ(run(session, {"a"}).answers, "\033\033\033\n");
}

TEST(ChatLoop, AnInterruptStopsTheAnswerOnly) {
  ChatFixture f(256);
  ChatSession session(f.ctx, f.source, f.engine, f.only("ab", 50));
  int asked = 0;
  const Shown shown = run(session, {"a", "b"}, {.interrupted = [&] { return ++asked == 3 || asked == 5; }});
  EXPECT_EQ(session.conversation().messages()[1]["content"].get<std::string>().size(), 2u);
  EXPECT_EQ(session.conversation().messages().size(), 4u);
  EXPECT_NE(shown.notes.find("stopped"), std::string::npos);
}

}  // namespace
}  // namespace minke
