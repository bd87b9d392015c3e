#include "tokenize/tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "fixtures.h"
#include "support/shared_files.h"
#include "tokenize/byte_alphabet.h"
#include "tokenize/fast_split.h"

namespace minke {
namespace {

using nlohmann::json;

TEST(ByteAlphabet, IsGpt2s) {
  EXPECT_EQ(text_of_bytes(" \n\ta!\x7F\xFF\xAD"), "ĠĊĉa!ġÿŃ");
  std::string bytes;
  for (int b = 0; b < 256; ++b) {
    ASSERT_TRUE(bytes_of_text(text_of_bytes(std::string(1, char(b))), bytes));
    ASSERT_EQ(bytes, std::string(1, char(b)));
  }
  EXPECT_FALSE(bytes_of_text(" ", bytes));
  EXPECT_FALSE(bytes_of_text("中", bytes));
  EXPECT_EQ(bytes_in_alphabet_order()[0], '!');
}

TEST(Tokenizer, RoundTripsAnyBytes) {
  const Tokenizer t = test::small_tokenizer();
  Rng rng{{9, 0}};
  for (int i = 0; i < 3000; ++i) {
    const std::string text = i % 2 ? test::random_bytes(rng, 200) : test::random_text(rng, 30, true);
    ASSERT_EQ(t.decode(t.encode(text)), text);
    ASSERT_EQ(t.decode(t.encode(text, {.parse_special = false})), text);
  }
}

// A text at once, where words come out of the cache, and its pieces one by one.
TEST(Tokenizer, PiecesAreIndependent) {
  const std::string text = test::training_text();
  const Tokenizer t = test::small_tokenizer();
  std::vector<int32_t> parts;
  for (size_t at = 0, end; at < text.size(); at = end) {
    end = next_deepseek_v3(unicode::tables(), text, at);
    const auto part = t.encode(std::string_view(text).substr(at, end - at));
    parts.insert(parts.end(), part.begin(), part.end());
    if (parts.size() > 400) break;
  }
  std::vector<int32_t> all = test::small_tokenizer().encode(text);
  all.resize(parts.size());
  EXPECT_EQ(all, parts);
}

TEST(Tokenizer, SpecialTokens) {
  const Tokenizer t = test::small_tokenizer();
  EXPECT_EQ(t.bos_id(), 0);
  EXPECT_EQ(t.eos_id(), 1);
  EXPECT_EQ(t.id_of("<｜User｜>"), 6);
  EXPECT_EQ(t.id_of("nonsense"), std::nullopt);
  EXPECT_TRUE(t.is_special(0));
  EXPECT_FALSE(t.is_special(100));
  EXPECT_FALSE(t.is_special(-1));
  const std::string text = "<｜User｜>x";
  EXPECT_EQ(t.encode(text).size(), 2u);
  EXPECT_EQ(t.encode(text)[0], 6);
  const auto plain = t.encode(text, {.parse_special = false});
  EXPECT_EQ(std::count(plain.begin(), plain.end(), 6), 0);
  EXPECT_EQ(t.decode(plain), text);
  const auto framed = t.encode("x", {.add_bos = true, .add_eos = true});
  ASSERT_EQ(framed.size(), 3u);
  EXPECT_EQ(framed.front(), 0);
  EXPECT_EQ(framed.back(), 1);
  EXPECT_EQ(t.decode(framed), "<｜begin▁of▁sentence｜>x<｜end▁of▁sentence｜>");
  EXPECT_EQ(t.decode(framed, true), "x");
  const std::vector<int32_t> strangers = {-5, 1 << 30, t.vocab_size()};
  EXPECT_EQ(t.decode(strangers), "");
  EXPECT_FALSE(t.has_token(-5));
}

TEST(Tokenizer, SavesAndLoads) {
  const fs::path folder = fs::temp_directory_path() / ("minke_tokenizer_test_" + std::to_string(::getpid()));
  const Tokenizer t = test::small_tokenizer();
  t.save(folder);
  for (const fs::path& path : {folder, folder / "tokenizer.json"}) {
    const Tokenizer again = Tokenizer::load(path);
    EXPECT_EQ(again.vocab_size(), t.vocab_size());
    EXPECT_EQ(again.eos_id(), 1);
    EXPECT_EQ(again.json_text(), t.json_text());
    const std::string text = test::training_text();
    EXPECT_EQ(again.encode(text), t.encode(text));
  }
  write_file_atomic(folder / "tokenizer_config.json", "");
  EXPECT_THROW(Tokenizer::load(folder), UserError);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder)) ++files;
  EXPECT_EQ(files, 2u);  // and no temporary ones
  fs::remove_all(folder);
  EXPECT_THROW(Tokenizer::load(folder), UserError);
}

TEST(Tokenizer, SeveralThreadsGiveTheSame) {
  const Tokenizer t = test::small_tokenizer();
  Rng rng{{10, 0}};
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) texts.push_back(test::random_text(rng, 40, true));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto all = t.encode_all(views, 4);
  ASSERT_EQ(all.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_EQ(all[i], t.encode(texts[i]));
  EXPECT_TRUE(t.encode_all({}, 4).empty());
}

TEST(Tokenizer, ErrorsInThreadsAreReported) {
  const std::string_view sample[] = {"abc"};
  const Tokenizer t = train_bpe(sample, {.vocab_size = 0, .pretokenizer = "characters", .special_tokens = {}});
  const std::vector<std::string_view> texts = {"abc", "a", "abx", "cba"};
  EXPECT_THROW(t.encode_all(texts, 3), UserError);
}

json as_json(const Tokenizer& t) { return json::parse(t.json_text()); }

TEST(Tokenizer, DecodersOtherThanByteLevelAreRefused) {
  json file = as_json(test::small_tokenizer());
  const auto complaint = [&](const json& decoder) -> std::string {
    file["decoder"] = decoder;
    try {
      Tokenizer::from_json_text(file.dump(), "x");
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const json byte_level = {{"type", "ByteLevel"}}, metaspace = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
  for (const json& good :
       {json(), byte_level, json{{"type", "Sequence"}, {"decoders", {byte_level, {{"type", "Fuse"}}}}}})
    EXPECT_EQ(complaint(good), "") << good;
  const std::string expected = "x: decoder.type: \"Metaspace\" is not supported: only \"ByteLevel\" is";
  EXPECT_EQ(complaint(metaspace), expected);
  EXPECT_EQ(complaint({{"type", "Sequence"}, {"decoders", {byte_level, metaspace}}}), expected);
  EXPECT_NE(complaint("ByteLevel"), "");
  EXPECT_NE(complaint({{"type", "Sequence"}}), "");
}

TEST(Tokenizer, NormalizerNfc) {
  json file = as_json(test::small_tokenizer());
  file["normalizer"] = {{"type", "NFC"}};
  file["added_tokens"].push_back({{"id", 400}, {"content", "<caf\u00E9>"}, {"normalized", true}, {"special", false}});
  const Tokenizer t = Tokenizer::from_json_text(file.dump(), "nfc");
  EXPECT_EQ(t.decode(t.encode("cafe\u0301 \u212B")), "caf\u00E9 \u00C5");
  EXPECT_EQ(t.decode(t.encode("e\u0301\xFF"
                              "e\u0301")),
            "\u00E9\xFF\u00E9");                                     // invalid bytes pass through
  EXPECT_EQ(t.encode("<cafe\u0301>"), (std::vector<int32_t>{400}));  // looked for in the normalised text
  // The library's normalisation is that of Unicode 9: U+11938 (Unicode 13) is not composed, U+08D3 (11) not reordered.
  for (const char* newer : {"\U00011935\U00011930", "a\u0301\u08D3\u0316"})
    EXPECT_EQ(t.decode(t.encode(newer)),
              newer == std::string_view("a\u0301\u08D3\u0316") ? "\u00E1\u08D3\u0316" : newer);
  file["normalizer"] = {{"type", "NFKC"}};
  EXPECT_EQ(t.decode(Tokenizer::from_json_text(file.dump(), "nfkc").encode("\u3300\u32FF")),
            "\u30A2\u30D1\u30FC\u30C8\u32FF");
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  const Tokenizer none = Tokenizer::from_json_text(file.dump(), "none");
  EXPECT_EQ(none.decode(none.encode("e\u0301")), "e\u0301");
}

TEST(Tokenizer, IgnoreMergesTakesWholePieces) {
  json file = as_json(test::small_tokenizer());
  file["model"]["vocab"]["zzqq"] = 400;
  const std::vector<int32_t> merged = Tokenizer::from_json_text(file.dump(), "f").encode("zzqq");
  EXPECT_EQ(std::count(merged.begin(), merged.end(), 400), 0);  // no merge leads there
  file["model"]["ignore_merges"] = true;
  EXPECT_EQ(Tokenizer::from_json_text(file.dump(), "f").encode("zzqq"), (std::vector<int32_t>{400}));
}

TEST(Tokenizer, MergesAsStringsOrPairs) {
  const Tokenizer t = test::small_tokenizer();
  json file = as_json(t);
  for (json& merge : file["model"]["merges"]) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  EXPECT_EQ(Tokenizer::from_json_text(file.dump(), "f").encode(test::training_text()), t.encode(test::training_text()));
}

TEST(Tokenizer, ConfigNamesBosAndEos) {
  const std::string file = test::small_tokenizer().json_text();
  const Tokenizer t =
      Tokenizer::from_json_text(file, "f", R"({"bos_token": null, "eos_token": {"content": "<｜User｜>"}})");
  EXPECT_EQ(t.bos_id(), -1);
  EXPECT_EQ(t.eos_id(), 6);
  EXPECT_EQ(t.encode("x", {.add_bos = true}), t.encode("x"));
  EXPECT_THROW(Tokenizer::from_json_text(file, "f", R"({"eos_token": "<none>"})"), UserError);
  EXPECT_THROW(Tokenizer::from_json_text(file, "f", R"({"eos_token": 4})"), UserError);
}

TEST(StreamDecoder, NeverCutsACodePoint) {
  const Tokenizer t = test::small_tokenizer();
  Rng rng{{11, 0}};
  for (int i = 0; i < 500; ++i) {
    const std::string text = test::random_text(rng, 30, false);
    StreamDecoder stream(t);
    std::string all;
    for (int32_t id : t.encode(text)) {
      const std::string part = stream.push(id);
      ASSERT_TRUE(unicode::is_valid_utf8(part));
      all += part;
    }
    ASSERT_EQ(stream.finish(), "");
    ASSERT_EQ(all, text);
  }
}

TEST(StreamDecoder, PassesInvalidBytesOnAndHoldsBackLittle) {
  const Tokenizer t = test::small_tokenizer();
  Rng rng{{12, 0}};
  for (int i = 0; i < 500; ++i) {
    const std::string text = test::random_bytes(rng, 60);
    StreamDecoder stream(t);
    std::string all, whole;
    for (int32_t id : t.encode(text)) {
      all += stream.push(id);
      whole += t.token_bytes(id);
      ASSERT_LE(whole.size() - all.size(), 3u);
      ASSERT_EQ(whole.compare(0, all.size(), all), 0);
    }
    all += stream.finish();
    ASSERT_EQ(all, text);
  }
  StreamDecoder skipping(t, true);
  EXPECT_EQ(skipping.push(0), "");
}

// Texts with the ids of the Hugging Face library.
void expect_golden_ids(const Tokenizer& t, const fs::path& golden, size_t count) {
  EXPECT_EQ(t.pretokenizer_name(), "deepseek_v3");
  std::ifstream lines(golden);
  size_t cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const json one = json::parse(line);
    const std::string text = one["text"];
    const auto ids = t.encode(text);
    ASSERT_EQ(ids, one["ids"].get<std::vector<int32_t>>()) << line;
    ASSERT_EQ(t.decode(ids), text);
  }
  EXPECT_EQ(cases, count);
}

// A small tokenizer of ours with DeepSeek-V3's pre-tokenizer (tools/make_tokenizer_golden.py), and the published one.
TEST(Tokenizer, DeepSeekV3Goldens) {
  const fs::path own = test::source_file("tests/golden/tokenizer-deepseek-v3");
  const Tokenizer small = Tokenizer::load(own);
  EXPECT_EQ(small.vocab_size(), 705);
  expect_golden_ids(small, own / "cases.jsonl", 200);
  const auto folder = test::shared_file("data/tokenizer-deepseek-v3");
  if (!folder) return;
  const Tokenizer published = Tokenizer::load(*folder);
  EXPECT_EQ(published.vocab_size(), 129280);
  EXPECT_EQ(published.bos_id(), 0);
  EXPECT_EQ(published.eos_id(), 1);
  expect_golden_ids(published, test::shared_file("goldens/tokenizer-deepseek-v3.jsonl").value(), 300);
}

}  // namespace
}  // namespace minke
