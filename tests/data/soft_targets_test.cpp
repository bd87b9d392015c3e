// Which of a teacher's distributions speaks of which target, and the shards that hold them.
#include "data/soft_targets.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/conversations.h"
#include "tokenize/train.h"

namespace minke {
namespace {

const Tokenizer& tokenizer() {
  static const std::vector<std::string_view> text{"The whale sings, and the sea is blue. 1 + 2 = 3"};
  static const Tokenizer t = train_bpe(text, {.vocab_size = 300});
  return t;
}

ChatTemplate own(bool thinking) {
  return ChatTemplate({{"default", own_chat_template(thinking)}}, "test",
                      {{"bos_token", "<｜begin▁of▁sentence｜>"}, {"eos_token", "<｜end▁of▁sentence｜>"}});
}

// A teacher that has drawn this text, and the end if `ended`; each of its tokens with 0.7, the next id with 0.2.
TopLogProbabilities drawn(const std::string& text, bool ended) {
  TopLogProbabilities top{.vocabulary = vocabulary_hash(tokenizer())};
  std::vector<int32_t> ids = tokenizer().encode(text);
  if (ended) ids.push_back(tokenizer().eos_id());
  for (const int32_t id : ids) {
    const std::vector<std::pair<int32_t, double>> pairs{{id, std::log(0.7)}, {id == 0 ? 1 : id - 1, std::log(0.2)}};
    top.add(id, pairs);
  }
  return top;
}

Json line_of(const std::string& question, const std::string& answer) {
  return {{"messages", Json::array({Json{{"role", "user"}, {"content", question}},
                                    Json{{"role", "assistant"}, {"content", answer}}})}};
}

// The rows of the targets, "0 1 2 -".
std::string rows_of(const std::string& answer, const TopLogProbabilities& top, bool thinking, bool whole) {
  const ChatTemplate t = own(thinking);
  const auto all = ConversationEncoder(tokenizer(), t).encode(line_of("1 + 2", answer), "test");
  EXPECT_EQ(all.size(), 1u);
  const SoftRows rows = soft_rows(tokenizer(), all[0], top);
  EXPECT_EQ(rows.whole, whole) << answer;
  EXPECT_EQ(rows.row.size(), all[0].tokens.size());
  std::string text;
  for (size_t i = 0; i < rows.row.size(); ++i) {
    if (all[0].is_target[i]) text += (text.empty() ? "" : " ") + (rows.row[i] < 0 ? "-" : std::to_string(rows.row[i]));
    else {
      EXPECT_EQ(rows.row[i], -1);
    }
    if (rows.row[i] >= 0) {
      EXPECT_EQ(top.tokens[size_t(rows.row[i])], all[0].tokens[i]);
    }
  }
  return text;
}

TEST(SoftRows, SpeakOfTheTokensThatTheTeacherHasDrawn) {
  EXPECT_EQ(rows_of("3 2 1", drawn("3 2 1", true), false, true), "0 1 2 3 4 5");
  EXPECT_EQ(rows_of("3 2 1", drawn("3 2 1", false), false, true), "0 1 2 3 4 -");   // it was ended by a text
  EXPECT_EQ(rows_of("3 2 1", drawn("3 2 1\n", true), false, true), "0 1 2 3 4 -");  // what was drawn behind is cut off
  EXPECT_EQ(rows_of("3 2 1", drawn("3 7 1", true), false, false), "0 1 - - - -");   // up to the first other token
  EXPECT_EQ(rows_of("3 2 1", drawn("7", true), false, false), "- - - - - -");
  EXPECT_EQ(rows_of("3 2 1", TopLogProbabilities{}, false, false), "- - - - - -");
}

// Whichever of the two prompts has opened the thought.
TEST(SoftRows, FindTheThoughtsBeginning) {
  const std::string answer = "<think>\n1\n</think>\n\n3";
  const size_t opening = tokenizer().encode("<think>\n").size();
  ASSERT_EQ(opening, 2u);
  const auto last = [](const std::string& rows) { return rows.substr(rows.rfind(' ') + 1); };
  const int64_t tokens = int64_t(tokenizer().encode(answer).size());
  // Neither, or both.
  EXPECT_EQ(last(rows_of(answer, drawn(answer, true), false, true)), std::to_string(tokens));
  EXPECT_EQ(last(rows_of(answer, drawn("1\n</think>\n\n3", true), true, true)), std::to_string(tokens - 2));
  // The teacher's alone; the student's alone, behind a blank, too.
  EXPECT_TRUE(rows_of(answer, drawn("1\n</think>\n\n3", true), false, true).starts_with("- - 0 1 "));
  EXPECT_TRUE(rows_of(answer, drawn(answer, true), true, true).starts_with("2 3 "));
  EXPECT_TRUE(rows_of(" " + answer, drawn(" " + answer, true), true, true).starts_with("3 4 "));
}

class SoftShards : public ::testing::Test {
 protected:
  fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-soft-{}", ::getpid());
  ChatTemplate chat_template = own(false);
  ConversationEncoder encoder{tokenizer(), chat_template};
  ConversationOptions options{.sources = {(folder / "c.jsonl").string()},
                              .held_out = {.hash_fraction = 0.2},
                              .sequence_length = 64,
                              .tokenizer_hash = 5,
                              .vocab_size = tokenizer().vocab_size(),
                              .soft_targets = true};
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }
  void write(const std::vector<Json>& lines) {
    std::string text;
    for (const Json& line : lines) text += line.dump() + "\n";
    write_file_atomic(folder / "c.jsonl", text);
  }
  ConversationCounts tokenize(const std::string& name) {
    return tokenize_conversations(options, encoder, folder / name);
  }
  void refused(const std::string& said) {
    try {
      tokenize("none");
      ADD_FAILURE() << said;
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find(said), std::string::npos) << e.what();
    }
    EXPECT_FALSE(fs::exists(folder / "none"));
  }
};

TEST_F(SoftShards, HoldTheRowsOfTheTokensTheyAreOf) {
  std::vector<Json> lines;
  for (int i = 0; i < 100; ++i) {
    lines.push_back(line_of(fmt::format("{} + 1", i), std::to_string(i + 1)));
    // Every tenth one was written otherwise.
    lines.back()["top_logprobs"] = to_json(drawn(i % 10 == 3 ? "x" : std::to_string(i + 1), true));
  }
  write(lines);
  const ConversationCounts counts = tokenize("data");
  EXPECT_EQ(counts.otherwise, 10u);
  const ConversationData data = open_conversations(folder / "data");
  uint64_t soft = 0, without = 0;
  for (const ConversationSet* set : {&data.train, &data.held_out}) {
    ASSERT_TRUE(set->soft);
    EXPECT_EQ(set->soft.k(), 2);
    for (uint64_t d = 0; d < set->tokens.num_documents(); ++d) {
      const TrainedConversation c = set->conversation(d);
      std::vector<int32_t> row(c.tokens.size());
      set->soft.row_of_token().copy_document(d, 0, row.size(), row.data());
      uint64_t here = 0;
      for (size_t i = 0; i < row.size(); ++i) {
        if (row[i] == 0) continue;
        EXPECT_TRUE(c.is_target[i]);
        int32_t ids[3];
        float p[3];
        set->soft.copy(row[i], 3, ids, p);
        EXPECT_EQ(ids[0], c.tokens[i]);
        EXPECT_EQ(ids[1], c.tokens[i] == 0 ? 1 : c.tokens[i] - 1);
        EXPECT_EQ(ids[2], -1);
        EXPECT_NEAR(p[0], 0.7, 1e-4);
        EXPECT_NEAR(p[1], 0.2, 1e-4);
        ++here;
      }
      soft += here, without += here == 0;
    }
  }
  EXPECT_EQ(soft, counts.soft_targets);
  EXPECT_EQ(soft, counts.targets - 9 * 3 - 2);  // of the ten, each of two digits and its end, but for "4"
  EXPECT_EQ(without, 10u);
  // Without them nothing else differs, nor does a line's size count that has them.
  options.soft_targets = false;
  tokenize("plain");
  EXPECT_EQ(read_file(folder / "data" / "train-tokens-00000.bin"),
            read_file(folder / "plain" / "train-tokens-00000.bin"));
  for (Json& line : lines) line.erase("top_logprobs");
  write(lines);
  tokenize("bare");
  EXPECT_EQ(read_file(folder / "bare" / "train-tokens-00000.bin"),
            read_file(folder / "plain" / "train-tokens-00000.bin"));
  EXPECT_FALSE(open_conversations(folder / "plain").train.soft);
}

// Tokens that the student's model does not have are among those that are not listed; probabilities that were rounded up are one in all.
TEST_F(SoftShards, ProbabilitiesAreOfTheStudentsTokens) {
  Json line = line_of("1 + 2", "3");
  TopLogProbabilities top = drawn("3", true);
  top.ids[1] = tokenizer().vocab_size() + 7;
  top.log_probabilities[2] = float(std::log(0.8)), top.log_probabilities[3] = float(std::log(0.2003));
  line["top_logprobs"] = to_json(top);
  write({line});
  options.held_out = {};
  tokenize("data");
  const ConversationSet set = open_conversations(folder / "data").train;
  int32_t ids[2];
  float p[2];
  set.soft.copy(1, 2, ids, p);
  EXPECT_EQ(ids[0], top.tokens[0]);
  EXPECT_EQ(ids[1], -1);
  EXPECT_NEAR(p[0], 0.7, 1e-4);
  set.soft.copy(2, 2, ids, p);
  EXPECT_NEAR(p[0], 0.8 / 1.0003, 1e-4);
  EXPECT_NEAR(double(p[0]) + double(p[1]), 1, 1e-6);
  EXPECT_THROW(set.soft.copy(3, 2, ids, p), UserError);
  EXPECT_THROW(set.soft.copy(0, 2, ids, p), UserError);
}

TEST_F(SoftShards, MistakesAreNamed) {
  Json line = line_of("1 + 2", "3"), other = line, otherwise = line, good = line;
  good["top_logprobs"] = to_json(drawn("3", true));
  write({good, line});
  refused("c.jsonl, line 2: no \"top_logprobs\", which sft.soft_targets learns from");
  TopLogProbabilities top = drawn("3", true);
  top.vocabulary = "0123456789abcdef";
  other["top_logprobs"] = to_json(top);
  write({other});
  refused("c.jsonl, line 1: the teacher has another vocabulary (0123456789abcdef) than the student");
  otherwise["top_logprobs"] = to_json(drawn("4", true));
  write({otherwise});
  refused("in none of 1 conversations is the answer made of the tokens that the teacher has drawn");
  EXPECT_NO_THROW(check_conversations("builtin:chats", "data.train"));
  EXPECT_THROW(check_conversations("builtin:chats", "data.train", true), UserError);
  // Shards of another run.
  options.held_out = {};
  write({good}), tokenize("a");
  write({good, good}), tokenize("b");
  fs::copy_file(folder / "b" / "train-soft-00000.bin", folder / "a" / "train-soft-00000.bin",
                fs::copy_options::overwrite_existing);
  EXPECT_THROW(open_conversations(folder / "a"), UserError);
}

}  // namespace
}  // namespace minke
