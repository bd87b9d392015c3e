// A folder's tokenizer by way of a GGUF file: the same ids, settings and templates.
#include "convert/fixture.h"
#include "core/json.h"
#include "formats/gguf_own_keys.h"
#include "tokenize/chat_template.h"
#include "tokenize/fixtures.h"
#include "tokenize/from_gguf.h"
#include "tokenize/pretokenizer.h"
#include "tokenize/to_gguf.h"

namespace minke {
namespace {

using test::Converting;

class ToGguf : public Converting {
 protected:
  // Writes the keys, and the file's tokenizer into another folder. Returns what was said.
  std::string through(const fs::path& folder, ModelTokens model) {
    GgufMetadataToWrite keys;
    std::string said;
    for (const std::string& line : add_tokenizer(keys, folder, model)) said += line + "\n";
    write_gguf(file_, keys, {});
    const TokenizerTexts texts = tokenizer_texts(read_tokenizer(Gguf::open(file_).metadata()), "x");
    fs::create_directories(again_);
    write_file_atomic(again_ / "tokenizer.json", texts.tokenizer_json);
    write_file_atomic(again_ / "tokenizer_config.json", texts.tokenizer_config_json);
    return said;
  }
  void expect_same(const fs::path& folder) {
    const Tokenizer a = Tokenizer::load(folder);
    for (const fs::path& other : {file_, again_}) {
      SCOPED_TRACE(other);
      const Tokenizer b = Tokenizer::load(other);
      EXPECT_EQ(a.bos_id(), b.bos_id());
      EXPECT_EQ(a.eos_id(), b.eos_id());
      EXPECT_EQ(a.begins_with_bos(), b.begins_with_bos());
      EXPECT_EQ(a.pretokenizer_name(), b.pretokenizer_name());
      EXPECT_EQ(a.num_merges(), b.num_merges());
      ASSERT_EQ(a.vocab_size(), b.vocab_size());
      for (int32_t id = 0; id < a.vocab_size(); ++id) {
        ASSERT_EQ(a.token_bytes(id), b.token_bytes(id)) << id;
        ASSERT_EQ(a.is_special(id), b.is_special(id)) << id;
      }
      Rng rng{{15, 6}};
      for (int i = 0; i < 200; ++i) {
        const std::string text = test::random_text(rng, 40, false);
        std::vector<int32_t> ids;
        try {
          ids = a.encode(text);
        } catch (const UserError&) {
          continue;  // a tokenizer of characters lacks some
        }
        ASSERT_EQ(ids, b.encode(text)) << text;
      }
    }
    const auto x = ChatTemplate::load(folder), y = ChatTemplate::load(file_), z = ChatTemplate::load(again_);
    ASSERT_EQ(bool(x), bool(y));
    ASSERT_EQ(bool(x), bool(z));
    if (!x) return;
    EXPECT_EQ(x->sources(), y->sources());
    EXPECT_EQ(x->sources(), z->sources());
  }
  bool keeps_whole() const { return Gguf::open(file_).metadata().has(gguf_own::kTokenizer); }
  static Json parsed(const fs::path& file) { return parse_json(read_file(file), file.string()); }

  fs::path file_ = folder_ / "t.gguf", again_ = folder_ / "again";
};

TEST_F(ToGguf, EverySplitterComesBack) {
  const std::string text = test::training_text();
  const std::string_view views[] = {text};
  for (const std::string_view name : pretokenizer_names()) {
    SCOPED_TRACE(name);
    const fs::path folder = folder_ / name;
    train_bpe(views, {.vocab_size = 500, .pretokenizer = std::string(name)}).save(folder);
    const std::string said = through(folder, {.vocab_size = 520});
    expect_same(folder);
    if (name == "characters") expect_has(said, "a rule that llama.cpp does not have");
    if (name == "single_signs") expect_has(said, "a rule that has no name in GGUF files (single_signs)");
    EXPECT_EQ(gguf_pre_of(name).empty(), name == "single_signs");
    EXPECT_EQ(Gguf::open(file_).metadata().text("tokenizer.ggml.pre"),
              gguf_pre_of(name).empty() ? "unknown" : gguf_pre_of(name));
    EXPECT_EQ(parsed(folder / "tokenizer_config.json"), parsed(again_ / "tokenizer_config.json"));
  }
}

TEST_F(ToGguf, DeepSeekV3) {
  const fs::path own = golden("tokenizer-deepseek-v3");
  through(own, {.vocab_size = 800});
  expect_same(own);
  EXPECT_FALSE(keeps_whole());
  const auto folder = test::shared_file("data/tokenizer-deepseek-v3");
  if (!folder) return;
  EXPECT_EQ(through(*folder, {.vocab_size = 129280}), "");
  expect_same(*folder);
}

TEST_F(ToGguf, WhatTheKeysCannotSayIsKeptAndSaid) {
  const fs::path folder = folder_ / "a";
  test::small_tokenizer().save(folder);
  const Json plain = parsed(folder / "tokenizer.json");
  const auto changed = [&](auto change) {
    Json file = plain;
    change(file);
    write_file_atomic(folder / "tokenizer.json", file.dump());
    const std::string said = through(folder, {.vocab_size = 600});
    expect_same(folder);
    EXPECT_TRUE(keeps_whole());
    EXPECT_EQ(parsed(again_ / "tokenizer.json"), file);
    return said;
  };
  through(folder, {.vocab_size = 600});
  EXPECT_FALSE(keeps_whole());
  expect_has(changed([](Json& f) {
               Json& parts = f["pre_tokenizer"]["pretokenizers"];
               parts.insert(parts.begin(), Json{{"type", "Digits"}, {"individual_digits", false}});
             }),
             "has no name in GGUF files (Digits, Split");
  expect_has(changed([](Json& f) { f["normalizer"] = {{"type", "NFC"}}; }), "normalises text by NFC");
  expect_has(changed([](Json& f) { f["model"]["ignore_merges"] = true; }), "looks whole pieces up before it merges");
  expect_has(changed([](Json& f) { f["added_tokens"][0]["lstrip"] = true; }), "looks at what stands beside");
}

TEST_F(ToGguf, IdsAndTemplates) {
  const fs::path folder = folder_ / "a";
  test::small_tokenizer().save(folder);
  Json config = parsed(folder / "tokenizer_config.json");
  config["model_max_length"] = 4096;  // the templates come last
  config["chat_template"] = {{{"name", "default"}, {"template", "{{ bos_token }}a"}},
                             {{"name", "tool_use"}, {"template", "b"}}};
  write_file_atomic(folder / "tokenizer_config.json", config.dump());
  const Tokenizer t = Tokenizer::load(folder);
  std::vector<int64_t> special;
  for (int32_t id = 0; id < t.vocab_size(); ++id)
    if (t.is_special(id)) special.push_back(id);
  ASSERT_GE(special.size(), 3u);
  std::vector<int64_t> ends;
  for (const int64_t id : special)
    if (id != t.bos_id() && id != t.eos_id()) ends.push_back(id);
  through(folder, {.vocab_size = t.vocab_size(), .ends = ends});
  expect_same(folder);
  const GgufTokenizer read = read_tokenizer(Gguf::open(file_).metadata());
  EXPECT_EQ(read.eos.value_or(-1), t.eos_id());
  EXPECT_EQ(read.eot.value_or(-1), ends[0]);
  const auto sorted = [](const std::string& text) { return nlohmann::json::parse(text); };  // by key
  EXPECT_EQ(sorted(read_file(again_ / "tokenizer_config.json")), sorted(config.dump()));
  // A template in a file of its own comes first.
  write_file_atomic(folder / "chat_template.jinja", "{{ messages[0].content }}");
  through(folder, {.vocab_size = t.vocab_size()});
  expect_same(folder);
  expect_has(message([&] { through(folder, {.vocab_size = t.vocab_size() - 1}); }), "do not belong together");
}

}  // namespace
}  // namespace minke
