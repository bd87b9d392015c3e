#include "tokenize/train.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "fixtures.h"
#include "support/shared_files.h"
#include "tokenize/learn_merges.h"

namespace minke {
namespace {

// Training by the definition: count all pairs anew before every merge.
Learned naive(std::span<const CountedPiece> pieces, const LearnOptions& options) {
  Learned out;
  std::map<std::string, uint32_t> known;
  std::vector<uint32_t> symbol_of(256);
  for (uint32_t i = 0; i < 256; ++i) {
    symbol_of[options.alphabet_order[i]] = i;
    out.tokens.emplace_back(1, char(options.alphabet_order[i]));
    known[out.tokens.back()] = i;
  }
  std::vector<std::vector<uint32_t>> words;
  for (const auto& p : pieces) {
    words.emplace_back();
    for (char c : p.bytes) words.back().push_back(symbol_of[uint8_t(c)]);
  }
  while (int64_t(out.tokens.size()) < options.max_tokens) {
    std::map<std::pair<uint32_t, uint32_t>, int64_t> counts;
    for (size_t w = 0; w < words.size(); ++w)
      for (size_t i = 0; i + 1 < words[w].size(); ++i) counts[{words[w][i], words[w][i + 1]}] += pieces[w].count;
    std::pair<uint32_t, uint32_t> best;
    int64_t most = 0;
    for (const auto& [pair, count] : counts)
      if (count > most) most = count, best = pair;
    if (most < options.min_frequency) break;
    const std::string token = out.tokens[best.first] + out.tokens[best.second];
    const auto [at, fresh] = known.try_emplace(token, uint32_t(out.tokens.size()));
    if (fresh) out.tokens.push_back(token);
    out.merges.push_back(best);
    for (auto& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == best.first && word[i + 1] == best.second) {
          word[i] = at->second;
          word.erase(word.begin() + ptrdiff_t(i) + 1);
        }
  }
  return out;
}

LearnOptions plain_options(int32_t max_tokens, int64_t min_frequency) {
  LearnOptions options{.alphabet_order = {}, .max_tokens = max_tokens, .min_frequency = min_frequency, .forbidden = {}};
  for (int i = 0; i < 256; ++i) options.alphabet_order.push_back(uint8_t(255 - i));
  return options;
}

// Without runs of one symbol ("aaa"), where a pair overlaps itself and a count by merging differs from one by counting.
TEST(Train, MergesAreThoseOfTheDefinition) {
  Rng rng{{13, 0}};
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> words(1 + rng.below(30));
    std::vector<CountedPiece> pieces;
    for (std::string& word : words) {
      const size_t n = 1 + rng.below(12);
      while (word.size() < n) {
        const char c = char('a' + rng.below(5));
        if (word.empty() || word.back() != c) word += c;
      }
    }
    for (const std::string& word : words) pieces.push_back({word, int64_t(1 + rng.below(5))});
    // Few merges: later ones may make doubled symbols again.
    const LearnOptions options = plain_options(256 + 6, 2);
    const Learned expected = naive(pieces, options), got = learn_merges(pieces, options);
    bool doubled = false;
    for (const auto& [a, b] : expected.merges) doubled |= a == b;
    if (doubled) continue;
    ASSERT_EQ(got.merges, expected.merges) << "round " << round;
    ASSERT_EQ(got.tokens, expected.tokens);
  }
}

TEST(Train, RunsOfOneSymbol) {
  const std::vector<CountedPiece> pieces = {{"aaaaaaa", 3}};
  const Learned got = learn_merges(pieces, plain_options(256 + 3, 1));
  ASSERT_EQ(got.tokens.size(), 259u);
  EXPECT_EQ(got.tokens[256], "aa");    // aa aa aa a
  EXPECT_EQ(got.tokens[257], "aaaa");  // aaaa aa a
}

TEST(Train, StopsAtTheLeastFrequency) {
  const std::vector<CountedPiece> pieces = {{"ab", 5}, {"cd", 2}, {"ef", 1}};
  EXPECT_EQ(learn_merges(pieces, plain_options(1000, 2)).merges.size(), 2u);
  EXPECT_EQ(learn_merges(pieces, plain_options(1000, 3)).merges.size(), 1u);
  LearnOptions options = plain_options(1000, 1);
  options.forbidden = [](std::string_view token) { return token == "cd"; };
  EXPECT_EQ(learn_merges(pieces, options).merges.size(), 2u);
}

TEST(Train, SameForAnyNumberOfThreads) {
  Rng rng{{14, 0}};
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) texts.push_back(test::random_text(rng, 60, true));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::string one = train_bpe(views, {.vocab_size = 700, .threads = 1}).json_text();
  EXPECT_EQ(one, train_bpe(views, {.vocab_size = 700, .threads = 4}).json_text());
}

TEST(Train, IdsInOrder) {
  const Tokenizer t = test::small_tokenizer(380);
  EXPECT_EQ(t.vocab_size(), 380);
  EXPECT_EQ(t.token_bytes(0), "<｜begin▁of▁sentence｜>");
  EXPECT_EQ(t.token_bytes(10), "!");  // the bytes follow the 10 special tokens, in the order of V3
  EXPECT_EQ(t.num_merges(), 380u - 10 - 256);
  const std::string text = test::training_text();
  EXPECT_LT(t.encode(text).size() * 3, text.size());
  const std::string_view views[] = {text};
  EXPECT_EQ(train_bpe(views, {.vocab_size = 300, .special_tokens = {}}).token_bytes(0), "!");
}

TEST(Train, EveryPretokenizer) {
  const std::string text = test::training_text();
  const std::string_view views[] = {text};
  for (const char* name : {"deepseek_v3", "llama3", "qwen2", "gpt2", "smollm", "single_signs"}) {
    const Tokenizer t = train_bpe(views, {.vocab_size = 320, .pretokenizer = name});
    EXPECT_EQ(t.pretokenizer_name(), name);
    EXPECT_EQ(t.vocab_size(), 320);
    EXPECT_EQ(t.decode(t.encode(text)), text);
  }
}

// Tags are tokens of their own wherever they stand, and a part of the text; the ids follow the special tokens.
TEST(Train, TagsStayWhole) {
  const std::string text = "<answer>3+4</answer> <answer>3+4</answer> <answer>3+4</answer>";
  const std::string_view views[] = {text};
  const Tokenizer t =
      train_bpe(views, {.vocab_size = 290, .pretokenizer = "single_signs", .tags = {"<answer>", "</answer>"}});
  EXPECT_EQ(t.vocab_size(), 12 + 256 + int32_t(t.num_merges()));
  EXPECT_EQ(t.token_bytes(10), "<answer>");
  EXPECT_FALSE(t.is_special(10));
  const std::vector<int32_t> ids = t.encode("<answer>3</answer>", {.parse_special = false});
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[0], 10);
  EXPECT_EQ(ids[2], 11);
  EXPECT_EQ(t.decode(ids, true), "<answer>3</answer>");
  EXPECT_THROW(train_bpe(views, {.tags = {"<think>"}}), UserError);  // it is there already
  EXPECT_THROW(train_bpe(views, {.vocab_size = 267, .tags = {"<answer>", "</answer>"}}), UserError);
  EXPECT_EQ(train_bpe(views, {.vocab_size = 290}).json_text().find("answer>\",\"special"), std::string::npos);
}

// As Qwen's own tokenizers have it, and as transformers reads any tokenizer of a qwen2 model: composed before it is split.
TEST(Train, QwenComposesText) {
  const std::string text = "re\u0301sume\u0301 re\u0301sume\u0301 345\n";
  const std::string_view views[] = {text, text};
  const Tokenizer t = train_bpe(views, {.vocab_size = 300, .pretokenizer = "qwen2"});
  EXPECT_EQ(t.pretokenizer_name(), "qwen2");
  EXPECT_EQ(t.encode("re\u0301sume\u0301"), t.encode("r\u00E9sum\u00E9"));
  EXPECT_EQ(t.decode(t.encode("e\u0301")), "\u00E9");
  EXPECT_EQ(t.note_beside(R"({"model_type": "qwen2"})"), "");
  EXPECT_EQ(t.encode(" r\u00E9sum\u00E9").size(), 1u);  // learnt from the composed form
  const Tokenizer other = train_bpe(views, {.vocab_size = 300});
  EXPECT_NE(other.encode("e\u0301"), other.encode("\u00E9"));
  EXPECT_NE(other.note_beside(R"({"model_type": "qwen2"})"), "");
}

TEST(Train, CharactersAreTokens) {
  const std::string_view views[] = {"hello\nworld", "中é"};
  const Tokenizer t = train_bpe(views, {.vocab_size = 0, .pretokenizer = "characters", .special_tokens = {}});
  EXPECT_EQ(t.vocab_size(), 10);  // \n d e h l o r w é 中
  EXPECT_EQ(t.pretokenizer_name(), "characters");
  EXPECT_EQ(t.encode("中\nhe"), (std::vector<int32_t>{9, 0, 3, 2}));
  EXPECT_EQ(t.decode(t.encode("hello中world")), "hello中world");
  try {
    t.encode("hexe");
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("\"x\" (U+0078) at byte 2"), std::string::npos) << e.what();
  }
  try {
    t.encode("he\u4E2E");
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("(U+4E2E) at byte 2"), std::string::npos) << e.what();
  }
  const Tokenizer with =
      train_bpe(views, {.vocab_size = 12, .pretokenizer = "characters", .special_tokens = {"<b>", "<e>"}});
  EXPECT_EQ(with.vocab_size(), 12);
  EXPECT_EQ(with.eos_id(), 1);
}

TEST(Train, OneTokenForEveryCharacterOfAText) {
  std::string text = "The whale, and the sea.\nSo much for 1 of 64!\n";
  int32_t characters = int32_t(std::set<char>(text.begin(), text.end()).size());
  if (const auto shared = test::shared_file("data/tinyshakespeare/input.txt")) {
    text = read_file(*shared);
    characters = 65;
  }
  const std::string_view views[] = {text};
  const Tokenizer t = train_bpe(views, {.vocab_size = characters, .pretokenizer = "characters", .special_tokens = {}});
  EXPECT_EQ(t.vocab_size(), characters);
  EXPECT_EQ(t.encode(text).size(), text.size());
}

TEST(Train, RefusesContradictions) {
  const std::string_view views[] = {"abc \xFF"};
  EXPECT_THROW(train_bpe(views, {.vocab_size = 265}), UserError);  // 10 special + 256 bytes
  EXPECT_THROW(train_bpe(views, {.pretokenizer = "none"}), UserError);
  EXPECT_THROW(train_bpe(views, {.special_tokens = {"<a>", "<a>"}}), UserError);
  EXPECT_THROW(train_bpe(views, {.special_tokens = {""}}), UserError);
  EXPECT_THROW(train_bpe(views, {.special_tokens = {"!"}}), UserError);
  EXPECT_THROW(train_bpe(views, {.min_frequency = 0}), UserError);
  EXPECT_THROW(train_bpe(views, {.pretokenizer = "characters"}), UserError);  // no valid UTF-8
  const std::string_view valid[] = {"abc"};
  EXPECT_THROW(train_bpe(valid, {.vocab_size = 2, .pretokenizer = "characters", .special_tokens = {}}), UserError);
  EXPECT_THROW(train_bpe({}, {.vocab_size = 0, .pretokenizer = "characters", .special_tokens = {}}), UserError);
}

}  // namespace
}  // namespace minke
