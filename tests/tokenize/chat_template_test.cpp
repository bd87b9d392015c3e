#include "tokenize/chat_template.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "tokenize/train.h"

namespace minke {
namespace {

class Folder : public testing::Test {
 protected:
  Folder() : path(fs::temp_directory_path() / ("minke-chat-" + std::to_string(::getpid()))) {
    fs::create_directories(path);
  }
  ~Folder() override { fs::remove_all(path); }
  void write(const char* name, std::string_view text) const {
    fs::create_directories((path / name).parent_path());
    write_file_atomic(path / name, text);
  }
  std::string render(const ChatInputs& inputs) const { return ChatTemplate::load(path).value().render(inputs); }
  fs::path path;
};

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const UserError& e) {
    return e.what();
  }
  return "accepted";
}

const Json kHello = {{{"role", "user"}, {"content", "Hello"}}};

TEST_F(Folder, HasNoTemplateOrOneInOneOfTwoFiles) {
  EXPECT_FALSE(ChatTemplate::load(path));
  write("tokenizer_config.json", R"({"bos_token": "<b>", "chat_template": null})");
  EXPECT_FALSE(ChatTemplate::load(path));
  write(
      "tokenizer_config.json",
      R"({"bos_token": {"content": "<b>"}, "eos_token": null, "chat_template": "config {{ bos_token }}{{ eos_token }}"})");
  EXPECT_EQ(render({.messages = kHello}), "config <b>");
  write("chat_template.jinja", "file {{ bos_token }}");
  EXPECT_EQ(render({.messages = kHello}), "file <b>");
}

TEST_F(Folder, ChoosesAmongNamedTemplates) {
  write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools|length }} tools"},
                              {"name": "odd", "template": "\n{% odd %}"}]})");
  const Json tools = {{"tools", {1, 2}}};
  EXPECT_EQ(render({.messages = kHello}), "plain");
  EXPECT_EQ(render({.messages = kHello, .variables = tools}), "2 tools");
  EXPECT_EQ(render({.messages = kHello, .variables = tools, .name = "default"}), "plain");
  EXPECT_NE(refusal([&] { render({.messages = kHello, .name = "none"}); }).find("there are default, tool_use, odd"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              render({.messages = kHello, .name = "odd"});
            }).find("tokenizer_config.json: odd: line 2: the tag {% odd %} is not supported"),
            std::string::npos);
}

TEST_F(Folder, RefusesWhatIsNoTemplate) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "tokenizer_config.json: must be an object"},
      {R"({"chat_template": 3})", "chat_template: must be a string, or a list"},
      {R"({"chat_template": [{"name": "x"}]})", "chat_template: must be a string, or a list"},
      {R"({"chat_template": "x", "bos_token": 3})", "bos_token: must be a string"},
  };
  for (const auto& [config, message] : cases) {
    write("tokenizer_config.json", config);
    EXPECT_NE(refusal([&] { ChatTemplate::load(path); }).find(message), std::string::npos) << config;
  }
  const ChatTemplate chat({{"default", "x"}}, "file", Json::object());
  EXPECT_NE(refusal([&] { chat.render({}); }).find("the conversation is empty"), std::string::npos);
  EXPECT_NE(refusal([&] { chat.render({.messages = {1}}); }).find("a message must be an object"), std::string::npos);
}

// transformers 5.24 drops keys that are null. A content stays: DeepSeek V3's and R1's templates write calls where it is none.
TEST(ChatTemplate, HandsMessagesOverAsTransformersDoes) {
  const ChatTemplate chat({{"default",
                            "{{ messages|tojson }} {{ tools }} {{ documents }} {{ add_generation_prompt }} "
                            "{{ bos_token }}{{ x }}"}},
                          "t", {{"bos_token", "<b>"}});
  EXPECT_EQ(chat.render({.messages = {{{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {1}}}},
                         .add_generation_prompt = true,
                         .variables = {{"x", 3}, {"bos_token", "<B>"}}}),
            R"([{"role": "assistant", "content": null, "tool_calls": [1]}] None None True <B>3)");
}

TEST(ChatTemplate, SaysWhetherAThoughtIsOpen) {
  for (const char* open : {"<think>", "Hi<｜Assistant｜><think>\n", "<think> \n\n"})
    EXPECT_TRUE(opens_thought(open)) << open;
  for (const char* shut : {"", "\n", "<think></think>", "<think>\n\n</think>\n\n", "<think>x", "think>"})
    EXPECT_FALSE(opens_thought(shut)) << shut;
}

TEST(ChatTemplate, OfOurOwnModelsHasTheTurnsOfDeepSeek) {
  const Json tokens = {{"bos_token", "<B>"}, {"eos_token", "<E>"}};
  const Json messages = {{{"role", "system"}, {"content", "Be brief."}},
                         {{"role", "user"}, {"content", "1+1?"}},
                         {{"role", "assistant"}, {"content", "<think>\nOne and one.\n</think>\n\n2"}},
                         {{"role", "user"}, {"content", "and 2+2?"}}};
  const std::string turns = "<B>Be brief.<｜User｜>1+1?<｜Assistant｜>\n\n2<E><｜User｜>and 2+2?";
  const ChatTemplate plain = ChatTemplate({{"default", own_chat_template(false)}}, "own", tokens);
  EXPECT_EQ(plain.render({.messages = messages}), turns);
  EXPECT_EQ(plain.render({.messages = messages, .add_generation_prompt = true}), turns + "<｜Assistant｜>");
  const ChatTemplate thinking = ChatTemplate({{"default", own_chat_template(true)}}, "own", tokens);
  EXPECT_EQ(thinking.render({.messages = messages, .add_generation_prompt = true}), turns + "<｜Assistant｜><think>\n");
  EXPECT_TRUE(opens_thought(thinking.render({.messages = messages, .add_generation_prompt = true})));
  // The last answer, which is trained on, keeps its thought.
  Json answered = messages;
  answered.push_back({{"role", "assistant"}, {"content", "<think>\nTwo.\n</think>\n\n4"}});
  EXPECT_EQ(thinking.render({.messages = answered}), turns + "<｜Assistant｜><think>\nTwo.\n</think>\n\n4<E>");
  EXPECT_NE(refusal([&] {
              plain.render({.messages = {{{"role", "tool"}, {"content", "x"}}}});
            }).find("not tool"),
            std::string::npos);
}

TEST_F(Folder, OfATrainedTokenizerHasIt) {
  const std::string_view texts[] = {"the whale and the other whale sing"};
  const Tokenizer trained = train_bpe(texts, {.vocab_size = 300});
  trained.save(path);
  const std::vector<int32_t> thought = trained.encode("<think>x</think>");  // tokens, but a part of the answer
  EXPECT_EQ(thought.size(), 3u);
  EXPECT_EQ(trained.decode(thought, true), "<think>x</think>");
  EXPECT_EQ(render({.messages = kHello, .add_generation_prompt = true}),
            "<｜begin▁of▁sentence｜><｜User｜>Hello<｜Assistant｜>");
  fs::remove_all(path);
  train_bpe(texts, {.vocab_size = 300, .special_tokens = {"<b>", "<e>"}}).save(path);
  EXPECT_FALSE(ChatTemplate::load(path));
}

}  // namespace
}  // namespace minke
