// What is learned of a conversation, by decoding the targets back; and the shards that hold both.
#include "data/conversations.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "corpus/chats.h"
#include "tokenize/train.h"

namespace minke {
namespace {

constexpr const char* kEnd = "<｜end▁of▁sentence｜>";

const Tokenizer& tokenizer() {
  static const std::vector<std::string_view> text{"The whale sings, and the sea is blue. 1 + 2 = 3"};
  static const Tokenizer t = train_bpe(text, {.vocab_size = 300});
  return t;
}

ChatTemplate own(bool thinking) {
  return ChatTemplate({{"default", own_chat_template(thinking)}}, "test",
                      {{"bos_token", "<｜begin▁of▁sentence｜>"}, {"eos_token", kEnd}});
}

// The texts of the stretches of targets.
std::vector<std::string> learned(const TrainedConversation& c) {
  std::vector<std::string> all;
  for (size_t i = 0; i < c.tokens.size(); ++i) {
    if (!c.is_target[i]) continue;
    if (i == 0 || !c.is_target[i - 1]) all.emplace_back();
    all.back() += tokenizer().decode({&c.tokens[i], 1});
  }
  return all;
}
std::string whole(const TrainedConversation& c) { return tokenizer().decode(c.tokens); }

Json conversation(std::vector<std::pair<std::string, std::string>> messages) {
  Json list = Json::array();
  for (const auto& [role, content] : messages) list.push_back({{"role", role}, {"content", content}});
  return {{"messages", list}};
}

std::vector<TrainedConversation> encoded(const Json& line, const ChatTemplate& t) {
  return ConversationEncoder(tokenizer(), t).encode(line, "a.jsonl, line 3");
}

using Texts = std::vector<std::string>;

TEST(Conversations, ThePromptIsSeenAndTheAnswerWithItsEndIsLearned) {
  const ChatTemplate t = own(false);
  const auto all = encoded(conversation({{"system", "Be brief."}, {"user", "1 + 2"}, {"assistant", "3"}}), t);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(whole(all[0]), std::string("<｜begin▁of▁sentence｜>Be brief.<｜User｜>1 + 2<｜Assistant｜>3") + kEnd);
  EXPECT_EQ(learned(all[0]), Texts{std::string("3") + kEnd});
  EXPECT_EQ(marked_text(tokenizer(), all[0]),
            std::string("<｜begin▁of▁sentence｜>Be brief.<｜User｜>1 + 2<｜Assistant｜>⟦3") + kEnd + "⟧");
}

// Both ways to write a thought give the same, and what the prompt has opened is not learned once more.
TEST(Conversations, ThoughtsAreLearned) {
  Json apart = conversation({{"user", "1 + 2"}, {"assistant", "3"}});
  apart["messages"][1]["reasoning_content"] = "one and two";
  for (const Json& line :
       {apart, conversation({{"user", "1 + 2"}, {"assistant", "<think>\none and two\n</think>\n\n3"}}),
        conversation({{"user", "1 + 2"}, {"assistant", "\n <think>\none and two\n</think>\n\n3"}})}) {
    const auto with = encoded(line, own(true));
    ASSERT_EQ(with.size(), 1u);
    EXPECT_EQ(learned(with[0]), Texts{std::string("one and two\n</think>\n\n3") + kEnd});
    EXPECT_NE(whole(with[0]).find("<｜Assistant｜><think>\none and two"), std::string::npos);
  }
  const auto without = encoded(apart, own(false));  // the model opens it
  EXPECT_EQ(learned(without[0]), Texts{std::string("<think>\none and two\n</think>\n\n3") + kEnd});
  // An answer without a thought closes the one that the prompt has opened.
  EXPECT_EQ(learned(encoded(conversation({{"user", "1"}, {"assistant", "2"}}), own(true))[0]),
            Texts{std::string("\n</think>\n\n2") + kEnd});
}

// The template shows an old turn without its thought, so that turn is a sequence of its own: with its thought.
TEST(Conversations, OldTurnsAreLearnedAsTheyWereWritten) {
  const Json line = conversation({{"user", "1 + 2"},
                                  {"assistant", "<think>\none and two\n</think>\n\n3"},
                                  {"user", "and 1?"},
                                  {"assistant", "<think>\none more\n</think>\n\n4"}});
  const auto all = encoded(line, own(true));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(learned(all[0]), Texts{std::string("one and two\n</think>\n\n3") + kEnd});
  EXPECT_EQ(learned(all[1]), Texts{std::string("one more\n</think>\n\n4") + kEnd});
  EXPECT_EQ(whole(all[1]).find("one and two"), std::string::npos);
  // Without thoughts the past is the same, and one sequence has both turns.
  const auto plain = encoded(
      conversation({{"user", "1 + 2"}, {"assistant", "3"}, {"user", "and 1?"}, {"assistant", "4"}}), own(false));
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_EQ(learned(plain[0]), (Texts{std::string("3") + kEnd, std::string("4") + kEnd}));
}

// V3.1's and Qwen3's templates begin the answer behind the thought, unless they are told to think.
TEST(Conversations, ATemplateIsToldOfAThought) {
  const ChatTemplate v31(
      {{"default",
        "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}"
        "<｜Assistant｜>{% if thinking and enable_thinking %}<think>{% else %}</think>{% endif %}{% endif %}"}},
      "test", Json::object());
  const auto with = encoded(conversation({{"user", "1"}, {"assistant", "<think>a</think>b"}}), v31);
  EXPECT_EQ(whole(with[0]), std::string("1<｜Assistant｜><think>a</think>b") + kEnd);
  EXPECT_EQ(learned(with[0]), Texts{std::string("a</think>b") + kEnd});
  const auto without = encoded(conversation({{"user", "1"}, {"assistant", "b"}}), v31);
  EXPECT_EQ(whole(without[0]), std::string("1<｜Assistant｜></think>b") + kEnd);
}

TEST(Conversations, AMessageOfWeight0IsSeenOnly) {
  Json line = conversation({{"user", "1 + 2"}, {"assistant", "5"}, {"user", "no"}, {"assistant", "3"}});
  line["messages"][1]["weight"] = 0;
  const auto all = encoded(line, own(false));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(learned(all[0]), Texts{std::string("3") + kEnd});
  EXPECT_NE(whole(all[0]).find("5"), std::string::npos);
}

// The end of a turn is what the template puts there, here with a newline behind it that is not learned.
TEST(Conversations, TheEndIsTheTemplates) {
  const ChatTemplate chatml(
      {{"default",
        "{% for m in messages %}<｜User｜>{{ m['role'] }}\n{{ m['content'] }}<｜Assistant｜>\n{% endfor %}"
        "{% if add_generation_prompt %}<｜User｜>assistant\n{% endif %}"}},
      "test", Json::object());
  const auto all = encoded(conversation({{"user", "3"}, {"assistant", "the whale 3"}}), chatml);
  EXPECT_EQ(learned(all[0]), Texts{"the whale 3<｜Assistant｜>"});
  // Also where the end holds the answer.
  EXPECT_EQ(learned(encoded(conversation({{"user", "3"}, {"assistant", "sis"}}), chatml)[0]),
            Texts{"sis<｜Assistant｜>"});
}

void expect_error(const Json& line, const std::string& part) {
  try {
    encoded(line, own(true));
    ADD_FAILURE() << "no error: " << line.dump();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find("a.jsonl, line 3"), 0u) << e.what();
  }
}

TEST(Conversations, Mistakes) {
  expect_error({{"text", "x"}}, "\"messages\"");
  expect_error({{"messages", Json::array()}}, "\"messages\"");
  expect_error({{"messages", {1}}}, "messages[0]: an object with a \"role\"");
  expect_error({{"messages", {{{"role", "user"}}}}}, "messages[0]: \"content\" is a string");
  expect_error({{"messages", {{{"role", "user"}, {"content", 3}}}}}, "messages[0]: \"content\" is a string");
  expect_error(conversation({{"user", "1"}}), "nothing here is to be learned");
  expect_error(conversation({{"user", "1"}, {"tool", "2"}, {"assistant", "3"}}), "messages[2]: ");
  Json both = conversation({{"user", "1"}, {"assistant", "<think>a</think>b"}});
  both["messages"][1]["reasoning_content"] = "c";
  expect_error(both, "another one in \"reasoning_content\"");
  both["messages"][1]["reasoning_content"] = 3;
  expect_error(both, "\"reasoning_content\" is a string");
  Json weight = conversation({{"user", "1"}, {"assistant", "2"}});
  for (const Json& wrong : {Json("x"), Json(0.5), Json(true), Json(nullptr)}) {
    weight["messages"][1]["weight"] = wrong;
    expect_error(weight, "\"weight\" is 1, or 0");
  }
  expect_error(conversation({{"user", "1"}, {"assistant", " \n"}}), "messages[1]: an answer without text");
  Json called = conversation({{"user", "1"}, {"assistant", "2"}});
  called["messages"][1]["tool_calls"] = {{{"type", "function"}}};
  expect_error(called, "messages[1]: calls of tools");
}

TEST(Conversations, ShardsHoldTokensAndMarks) {
  const fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-conversations-{}", ::getpid());
  fs::create_directories(folder);
  std::string lines;
  for (int i = 0; i < 200; ++i)
    lines += conversation({{"user", fmt::format("{} + 1", i)}, {"assistant", std::to_string(i + 1)}}).dump() + "\n";
  lines += conversation({{"user", "long"}, {"assistant", std::string(500, '7')}}).dump() + "\n";
  write_file_atomic(folder / "c.jsonl", lines);
  const ChatTemplate t = own(false);
  const ConversationEncoder encoder(tokenizer(), t);
  ConversationOptions o{.sources = {(folder / "c.jsonl").string()},
                        .held_out = {.hash_fraction = 0.2},
                        .sequence_length = 64,
                        .tokenizer_hash = 5,
                        .vocab_size = tokenizer().vocab_size()};
  const ConversationCounts counts = tokenize_conversations(o, encoder, folder / "data");
  EXPECT_EQ(counts.conversations, 201u);
  EXPECT_EQ(counts.too_long, 1u);
  EXPECT_EQ(counts.sequences, 200u);
  const ConversationData data = open_conversations(folder / "data");
  EXPECT_EQ(data.train.tokens.num_documents() + data.held_out.tokens.num_documents(), 200u);
  EXPECT_GT(data.held_out.tokens.num_documents(), 20u);
  EXPECT_LT(data.held_out.tokens.num_documents(), 60u);
  uint64_t targets = 0;
  for (const ConversationSet* set : {&data.train, &data.held_out})
    for (uint64_t d = 0; d < set->tokens.num_documents(); ++d) {
      const TrainedConversation c = set->conversation(d);
      const std::string text = whole(c), answer = learned(c).at(0);
      const int64_t asked = std::stoll(text.substr(text.find("<｜User｜>") + std::string("<｜User｜>").size()));
      EXPECT_EQ(answer, std::to_string(asked + 1) + kEnd);
      for (const uint8_t m : c.is_target) targets += m;
    }
  EXPECT_EQ(targets, counts.targets);
  // T inputs and the last target are T + 1 tokens: just not too long, and one too many.
  uint64_t longest = 0;
  for (uint64_t d = 0; d < data.train.tokens.num_documents(); ++d)
    longest = std::max(longest, data.train.tokens.document_length(d));
  o.held_out = {};
  o.sequence_length = int64_t(longest) - 1;
  EXPECT_EQ(tokenize_conversations(o, encoder, folder / "all").too_long, 1u);
  o.sequence_length = int64_t(longest) - 2;
  EXPECT_GT(tokenize_conversations(o, encoder, folder / "less").too_long, 1u);
  o.vocab_size = tokenizer().id_of("<｜User｜>").value();
  try {
    tokenize_conversations(o, encoder, folder / "none");
    ADD_FAILURE();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("c.jsonl, line 1: "), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("do not belong together"), std::string::npos) << e.what();
  }
  o.vocab_size = tokenizer().vocab_size();
  o.sequence_length = 3;
  try {
    tokenize_conversations(o, encoder, folder / "none");
    ADD_FAILURE();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("no conversation to train on: 201 were read, 201 are longer"),
              std::string::npos)
        << e.what();
  }
  EXPECT_FALSE(fs::exists(folder / "none"));
  fs::remove_all(folder);
}

TEST(Conversations, BuiltInChatsAreASource) {
  const fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-chats-{}", ::getpid());
  const ChatTemplate t = own(false);
  const ConversationEncoder encoder(tokenizer(), t);
  const ConversationOptions o{.sources = {"builtin:chats:zh,en*40"},
                              .builtin_seed = 3,
                              .sequence_length = 1000,
                              .vocab_size = tokenizer().vocab_size()};
  EXPECT_EQ(tokenize_conversations(o, encoder, folder / "data").conversations, 40u);
  const ConversationData data = open_conversations(folder / "data");
  ASSERT_EQ(data.train.tokens.num_documents(), 40u);
  for (uint64_t d = 0; d < 40; ++d) {
    const Chat chat = make_chat(3, d, d % 2 ? Language::english : Language::chinese, TaskSplit::train);
    const TrainedConversation c = data.train.conversation(d);
    EXPECT_EQ(learned(c).at(0), chat.answer + kEnd);
    EXPECT_NE(whole(c).find("<｜User｜>" + chat.question + "<｜Assistant｜>"), std::string::npos) << whole(c);
  }
  fs::remove_all(folder);
}

// Another system prompt, another answer, other keys beside: what is held out is asked nowhere else.
TEST(Conversations, AllAnswersToAQuestionGoTheSameWay) {
  const fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-held-out-{}", ::getpid());
  fs::create_directories(folder);
  std::string lines;
  for (int i = 0; i < 60; ++i)
    for (int k = 0; k < 4; ++k) {
      Json line = conversation({{"system", std::string(size_t(k / 2 + 1), 's')},
                                {"user", fmt::format("{}?", i)},
                                {"assistant", std::to_string(k)}});
      if (k == 3) line["messages"].erase(0);
      line["id"] = 4 * i + k;
      lines += line.dump() + "\n";
    }
  write_file_atomic(folder / "c.jsonl", lines);
  const ChatTemplate t = own(false);
  const ConversationEncoder encoder(tokenizer(), t);
  const ConversationCounts counts = tokenize_conversations({.sources = {(folder / "c.jsonl").string()},
                                                            .held_out = {.hash_fraction = 0.3},
                                                            .sequence_length = 64,
                                                            .vocab_size = tokenizer().vocab_size()},
                                                           encoder, folder / "data");
  EXPECT_GT(counts.held_out, 20u);
  EXPECT_LT(counts.held_out, 140u);
  const ConversationData data = open_conversations(folder / "data");
  const auto questions = [](const ConversationSet& set) {
    std::multiset<std::string> all;
    for (uint64_t d = 0; d < set.tokens.num_documents(); ++d) {
      std::vector<int32_t> ids(set.tokens.document_length(d));
      set.tokens.copy_document(d, 0, ids.size(), ids.data());
      const std::string text = tokenizer().decode(ids), user = "<｜User｜>";
      all.insert(text.substr(text.find(user) + user.size(), text.find('?') - text.find(user) - user.size()));
    }
    return all;
  };
  for (const auto& all : {questions(data.train), questions(data.held_out)})
    for (const std::string& q : all) EXPECT_EQ(all.count(q), 4u) << q;
  fs::remove_all(folder);
}

// Files of problems and built-in tasks, as the conversations that worked_tasks.h makes of them.
TEST(Conversations, ProblemsWithTheirSolutions) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("minke_problems_test_{}", ::getpid());
  fs::remove_all(folder);
  fs::create_directory(folder);
  write_file_atomic(folder / "p.jsonl", "{\"question\": \"1 + 2?\", \"answer\": \"One and two.\\n#### 3\"}\n");
  for (const bool thinking : {true, false}) {
    const ChatTemplate t = own(thinking);
    const ConversationEncoder encoder(tokenizer(), t);
    EXPECT_EQ(encoder.opens_thoughts(), thinking);
    const fs::path made = folder / (thinking ? "a" : "b");
    const auto counts = tokenize_conversations({.sources = {(folder / "p.jsonl").string(), "builtin:tasks:chains:2*20"},
                                                .held_out = {},
                                                .sequence_length = 1000,
                                                .vocab_size = tokenizer().vocab_size()},
                                               encoder, made);
    EXPECT_EQ(counts.conversations, 21u);
    const ConversationData data = open_conversations(made);
    EXPECT_EQ(learned(data.train.conversation(0)),
              Texts{std::string(thinking ? "One and two.\n</think>\n\n" : "One and two.\n\n") +
                    "The answer is \\boxed{3}." + kEnd});
    EXPECT_NE(whole(data.train.conversation(1)).find("<｜User｜>Compute "), std::string::npos);
  }
  EXPECT_NO_THROW(check_conversations("builtin:tasks:chains", "sft: data.train"));
  EXPECT_THROW(check_conversations("builtin:tasks:whales", "sft: data.train"), UserError);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace minke
