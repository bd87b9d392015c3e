// Broken and hostile tokenizer.json files: each ends in a UserError that names the file and the field, and none in a
// crash, a hang or gigabytes of memory.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "fixtures.h"

namespace minke {
namespace {

using nlohmann::json;

const json& good() {
  static const json file = json::parse(test::small_tokenizer(300).json_text());
  return file;
}

void expect_refused(const std::string& text, std::string_view field) {
  try {
    Tokenizer::from_json_text(text, "file.json");
    ADD_FAILURE() << "accepted; should complain about " << field;
  } catch (const UserError& e) {
    const std::string message = e.what();
    EXPECT_EQ(message.rfind("file.json: ", 0), 0u) << message;
    EXPECT_NE(message.find(field), std::string::npos) << message;
    EXPECT_LT(message.size(), 1000u);
  }
}
template <class Edit> void expect_refused_after(Edit edit, std::string_view field) {
  json file = good();
  edit(file);
  expect_refused(file.dump(), field);
}

TEST(HostileTokenizer, TheGoodOneIsAccepted) { Tokenizer::from_json_text(good().dump(), "file.json"); }

TEST(HostileTokenizer, NotEvenJson) {
  expect_refused("", "not valid JSON");
  expect_refused("{\"model\": {", "not valid JSON");
  expect_refused("\xFF\xFE", "not valid JSON");
  expect_refused(good().dump() + std::string("\0{}", 3), "is a NUL");
  expect_refused("[]", "top level");
  expect_refused("null", "top level");
  expect_refused(std::string(1'000'000, '['), "nested deeper");
  std::string deep = "{\"normalizer\": ";
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  expect_refused(deep, "nested deeper");
  const std::string whole = good().dump();
  for (size_t n = 0; n < whole.size(); n += 997) expect_refused(whole.substr(0, n), "not valid JSON");
}

TEST(HostileTokenizer, Vocabulary) {
  expect_refused_after([](json& f) { f["model"]["vocab"]["zz"] = 20; }, "both have id 20");
  expect_refused_after([](json& f) { f["model"]["vocab"]["zz"] = -1; }, "model.vocab[\"zz\"]");
  expect_refused_after([](json& f) { f["model"]["vocab"]["zz"] = 2'000'000'000; }, "model.vocab[\"zz\"]");
  expect_refused_after([](json& f) { f["model"]["vocab"]["zz"] = UINT64_MAX; }, "model.vocab[\"zz\"]");
  expect_refused_after([](json& f) { f["model"]["vocab"]["zz"] = 1.5; }, "model.vocab[\"zz\"]");
  expect_refused_after([](json& f) { f["model"]["vocab"]["zz"] = "3"; }, "model.vocab[\"zz\"]");
  expect_refused_after([](json& f) { f["model"]["vocab"]["zz"] = json::array({1}); }, "model.vocab[\"zz\"]");
  expect_refused_after([](json& f) { f["model"]["vocab"] = json::object(); }, "model.vocab");
  expect_refused_after([](json& f) { f["model"]["vocab"] = json::array({1, 2}); }, "model.vocab");
  expect_refused_after([](json& f) { f["model"].erase("vocab"); }, "model.vocab");
  std::string twice = good().dump();
  twice.replace(twice.find("\"vocab\":{"), 9, "\"vocab\":{\"!\":299,");
  expect_refused(twice, "model.vocab");
}

TEST(HostileTokenizer, Merges) {
  expect_refused_after(
      [](json& f) {
        f["model"]["merges"].push_back({"nowhere", "!"});
      },
      "\"nowhere\" is not in model.vocab");
  expect_refused_after(
      [](json& f) {
        f["model"]["merges"].push_back({"!", "nowhere"});
      },
      "\"nowhere\" is not in model.vocab");
  expect_refused_after(
      [](json& f) {
        f["model"]["merges"].push_back({"!", "\""});
      },
      "is not in model.vocab");  // the result
  expect_refused_after([](json& f) { f["model"]["merges"].push_back({"!", "!", "!"}); }, "model.merges[");
  expect_refused_after([](json& f) { f["model"]["merges"].push_back(json::array()); }, "model.merges[");
  expect_refused_after([](json& f) { f["model"]["merges"].push_back("one"); }, "model.merges[");
  expect_refused_after([](json& f) { f["model"]["merges"].push_back("one two three"); }, "model.merges[");
  expect_refused_after([](json& f) { f["model"]["merges"].push_back(7); }, "model.merges[");
  expect_refused_after([](json& f) { f["model"]["merges"].push_back(json::object()); }, "model.merges[");
  expect_refused_after(
      [](json& f) {
        f["model"]["merges"].push_back({json::array({json::array()}), "!"});
      },
      "model.merges[");
}

TEST(HostileTokenizer, AddedTokens) {
  const auto added = [](json token) { return [token](json& f) { f["added_tokens"].push_back(token); }; };
  expect_refused_after(added({{"id", 3}, {"content", "other"}}), "id 3");
  expect_refused_after(added({{"id", 50}, {"content", "other"}}), "id 50");
  expect_refused_after(added({{"id", 900}, {"content", "<think>"}}), "added_tokens[10]");
  expect_refused_after(added({{"id", 900}, {"content", "!"}}), "added_tokens[10]");
  expect_refused_after(added({{"id", -4}, {"content", "x"}}), "added_tokens[10].id");
  expect_refused_after(added({{"id", UINT64_MAX}, {"content", "x"}}), "added_tokens[10].id");
  expect_refused_after(added({{"id", 900}, {"content", ""}}), "added_tokens[10].content");
  expect_refused_after(added({{"id", 900}}), "added_tokens[10].content");
  expect_refused_after(added({{"id", "900"}, {"content", "x"}}), "added_tokens[10].id");
  expect_refused_after(added({{"id", 900}, {"content", "xyz"}, {"special", "yes"}}), "added_tokens[10].special");
  expect_refused_after(added(5), "added_tokens[10]");
  expect_refused_after([](json& f) { f["added_tokens"] = "none"; }, "added_tokens");
}

TEST(HostileTokenizer, OtherFields) {
  expect_refused_after([](json& f) { f["model"]["type"] = "Unigram"; }, "model.type");
  expect_refused_after([](json& f) { f["model"]["dropout"] = 0.1; }, "model.dropout");
  expect_refused_after([](json& f) { f["model"]["end_of_word_suffix"] = "</w>"; }, "model.end_of_word_suffix");
  expect_refused_after([](json& f) { f["model"]["continuing_subword_prefix"] = "##"; },
                       "model.continuing_subword_prefix: \"##\"");
  expect_refused_after(
      [](json& f) {
        f["model"]["byte_fallback"] = true;
        f["model"]["vocab"].erase("\u0100");  // byte 0
      },
      "model.byte_fallback: true");
  for (const char* type : {"Lowercase", "Prepend", "Replace", "StripAccents", "Precompiled"})
    expect_refused_after(
        [&](json& f) {
          f["normalizer"] = {{"type", type}};
        },
        fmt::format("normalizer.type: \"{}\"", type));
  for (const char* type : {"Whitespace", "Punctuation", "Metaspace", "BertPreTokenizer"})
    expect_refused_after(
        [&](json& f) {
          f["pre_tokenizer"]["pretokenizers"][0] = {{"type", type}};
        },
        fmt::format("pre_tokenizer.pretokenizers[0].type: \"{}\"", type));
  expect_refused_after([](json& f) { f["model"]["ignore_merges"] = "yes"; }, "model.ignore_merges");
  expect_refused_after([](json& f) { f["model"] = json::array(); }, "model");
  expect_refused_after([](json& f) { f.erase("model"); }, "model");
  expect_refused_after([](json& f) { f["pre_tokenizer"] = nullptr; }, "pre_tokenizer");
  expect_refused_after([](json& f) { f["pre_tokenizer"] = 3; }, "pre_tokenizer");
  expect_refused_after([](json& f) { f["pre_tokenizer"] = {{"type", "Whitespace"}}; }, "pre_tokenizer.type");
  expect_refused_after([](json& f) { f["normalizer"] = {{"type", "Lowercase"}}; }, "normalizer.type");
  expect_refused_after([](json& f) { f["normalizer"] = "NFC"; }, "normalizer");
  expect_refused_after([](json& f) { f["model"]["unk_token"] = "nowhere"; }, "model.unk_token");
}

TEST(HostileTokenizer, Regexes) {
  const auto regex = [](std::string pattern) {
    return [pattern](json& f) { f["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = pattern; };
  };
  const char* const field = "pre_tokenizer.pretokenizers[0].pattern";
  expect_refused_after(regex("(unclosed"), field);
  expect_refused_after(regex(std::string(1'000'000, 'x')), field);
  expect_refused_after(regex(std::string(10'000, '(') + std::string(10'000, ')')), field);
  expect_refused_after(regex("(?:a{1,60000}){1,60000}"), field);
  expect_refused_after(regex(""), field);
  std::string words;  // 0.5 GB if every one were spelled out
  for (int i = 0; i < 30'000; ++i) words += "\\w";
  expect_refused_after(regex(words), field);
  json many = good();
  json& parts = many["pre_tokenizer"]["pretokenizers"];
  for (int i = 0; i < 100; ++i) parts.insert(parts.begin(), parts[0]);
  expect_refused(many.dump(), "pre_tokenizer.pretokenizers");
}

// One changed byte anywhere: an error or a tokenizer that still works, never anything else.
TEST(HostileTokenizer, MutatedFiles) {
  const std::string whole = good().dump();
  Rng rng{{15, 0}};
  for (int i = 0; i < 300; ++i) {
    std::string text = whole;
    for (uint64_t n = 1 + rng.below(3); n > 0; --n) text[rng.below(text.size())] = char(rng.below(256));
    try {
      const Tokenizer t = Tokenizer::from_json_text(text, "file.json");
      t.encode("The whale sings 123 中文\xFF\n");
    } catch (const UserError&) {
    }
  }
}

}  // namespace
}  // namespace minke
