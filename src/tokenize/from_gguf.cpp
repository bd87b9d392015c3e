#include "tokenize/from_gguf.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/json.h"
#include "formats/gguf_own_keys.h"
#include "tokenize/pretokenizer.h"
#include "tokenize/tokenizer_json.h"

namespace minke {
namespace {

using nlohmann::json;

struct Rule {
  std::string_view pre, pretokenizer;  // the second as in pretokenizer.h
};
// Of several names for one rule the first is written.
constexpr Rule kRules[] = {{"deepseek-v3", "deepseek_v3"},
                           {"deepseek-llm", "deepseek_llm"},
                           {"deepseek-coder", "deepseek_coder"},
                           {"qwen2", "qwen2"},
                           {"deepseek-r1-qwen", "qwen2"},
                           {"llama-bpe", "llama3"},
                           {"llama3", "llama3"},
                           {"llama-v3", "llama3"},
                           {"smollm", "smollm"},
                           {"gpt-2", "gpt2"},
                           {"characters", "characters"},  // minke's; llama.cpp refuses it
                           {"default", ""}};

// The pre-tokenizer; "" for llama.cpp's default, and where the file has a whole tokenizer.json.
std::string_view pretokenizer_of(const GgufTokenizer& t, std::string_view where) {
  if (t.own_json) return "";
  if (t.model != "gpt2")
    user_error(
        "{}: tokenizer.ggml.model is \"{}\"{}; minke reads \"gpt2\", byte-level BPE, which DeepSeek, Llama-3, Qwen and "
        "SmolLM have",
        where, printable(t.model), t.model == "llama" ? " (SentencePiece)" : "");
  std::string known;
  for (const Rule& rule : kRules) {
    if (rule.pre == t.pre) return rule.pretokenizer;
    known += (known.empty() ? "" : ", ") + std::string(rule.pre);
  }
  user_error("{}: tokenizer.ggml.pre is \"{}\", a rule of splitting text that minke does not know; known are {}", where,
             printable(t.pre), known);
}

// Text begins with bos where the file says so; of Llama 3 unless it says otherwise.
bool adds_bos(const GgufTokenizer& t, std::string_view pretokenizer) {
  return t.bos && t.add_bos.value_or(pretokenizer == "llama3");
}

void add_templates(const GgufTokenizer& t, nlohmann::ordered_json& config) {
  if (t.named_templates.empty()) {
    if (t.chat_template) config["chat_template"] = *t.chat_template;
    return;
  }
  auto& list = config["chat_template"] = json::array();
  if (t.chat_template) list.push_back({{"name", "default"}, {"template", *t.chat_template}});
  for (const auto& [name, text] : t.named_templates) list.push_back({{"name", name}, {"template", text}});
}

// What llama.cpp does where a file has no "pre".
json default_splits() {
  json parts = json::array();
  for (const char* regex :
       {R"([\p{P}\$\+<=>\^~\|]+)", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))",
        R"(\p{N}+)", "[0-9][0-9][0-9]"})
    parts.push_back({{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}});
  parts.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", parts}};
}

// Tokens that are never split: those of control, which are special, and the user's own, which are not. The ids that end a
// text or a turn are of control even where the file calls them normal, as old files do.
class Tokens {
 public:
  explicit Tokens(const GgufTokenizer& t) : t_(t), types_(t.types) {
    for (const auto& id : {t.bos, t.eos, t.eot, t.eom})
      if (id) types_[size_t(*id)] = GgufTokenType::control;
  }
  void sort_into(TokenizerParts& parts) const {
    bool in_a_row = true;  // so far every id has a token, and those behind the last normal one are added
    const size_t last = last_normal();
    for (size_t id = 0; id < t_.tokens.size(); ++id) {
      const std::string_view text = t_.tokens[id];
      if (types_[id] == GgufTokenType::unused || text.empty()) {
        in_a_row = false;
        continue;
      }
      const bool added = is_added(id);
      if (added)
        parts.added.push_back(
            {.id = int32_t(id), .content = std::string(text), .special = types_[id] == GgufTokenType::control});
      // The library numbers added tokens that are not in the vocabulary itself, from its size on.
      if (!added || !in_a_row || id < last) parts.vocabulary.emplace_back(text, int64_t(id));
    }
  }

 private:
  bool is_added(size_t id) const {
    return types_[id] == GgufTokenType::control || types_[id] == GgufTokenType::user_defined;
  }
  size_t last_normal() const {
    for (size_t id = types_.size(); id-- > 0;)
      if (types_[id] != GgufTokenType::unused && !is_added(id)) return id;
    return 0;
  }

  const GgufTokenizer& t_;
  std::vector<GgufTokenType> types_;
};

}  // namespace

std::string_view gguf_pre_of(std::string_view pretokenizer) {
  for (const Rule& rule : kRules)
    if (!pretokenizer.empty() && rule.pretokenizer == pretokenizer) return rule.pre;
  return "";
}
std::string_view normalizer_beside(std::string_view pretokenizer) { return pretokenizer == "qwen2" ? "NFC" : ""; }
bool ignores_merges(std::string_view pretokenizer) { return pretokenizer == "llama3"; }

std::string tokenizer_config_json(const GgufTokenizer& t, std::string_view where) {
  if (t.own_config) {
    const std::string key = fmt::format("{}: {}", where, gguf_own::kTokenizerConfig);
    Json config = parse_json(*t.own_config, key);
    if (!config.is_object()) user_error("{}: must be an object, is {}", key, config.type_name());
    add_templates(t, config);
    return config.dump(2) + "\n";
  }
  const std::string_view pretokenizer = pretokenizer_of(t, where);
  nlohmann::ordered_json config = {{"add_bos_token", adds_bos(t, pretokenizer)},
                                   {"add_eos_token", t.add_eos.value_or(false)}};
  const auto token = [&](const char* key, const std::optional<int64_t>& id) {
    config[key] = id ? json(t.tokens[size_t(*id)]) : json();
  };
  token("bos_token", t.bos);
  token("eos_token", t.eos);
  token("pad_token", t.padding);
  token("unk_token", t.unknown);
  config["clean_up_tokenization_spaces"] = false;
  config["tokenizer_class"] = pretokenizer == "qwen2" ? "Qwen2Tokenizer" : "PreTrainedTokenizerFast";
  add_templates(t, config);
  return config.dump(2) + "\n";
}

TokenizerTexts tokenizer_texts(const GgufTokenizer& t, std::string_view where) {
  if (t.own_json)
    return {.tokenizer_json = std::string(*t.own_json),
            .tokenizer_config_json = tokenizer_config_json(t, where),
            .adds_bos = adds_bos(t, "")};
  const std::string_view pretokenizer = pretokenizer_of(t, where);
  TokenizerTexts texts{.adds_bos = adds_bos(t, pretokenizer)};
  if (pretokenizer.empty())
    texts.note = fmt::format(
        "note: {} does not say by which rule its tokenizer splits text (tokenizer.ggml.pre); it is split by "
        "llama.cpp's default, which is the rule of few models: get a newer file if answers are poor",
        where);
  const std::string_view normalizer = normalizer_beside(pretokenizer);
  TokenizerParts parts{.normalizer = normalizer.empty() ? json() : json{{"type", normalizer}},
                       .pretokenizer = pretokenizer.empty() ? default_splits() : pretokenizer_json(pretokenizer),
                       .ignore_merges = ignores_merges(pretokenizer)};
  Tokens(t).sort_into(parts);
  for (std::string_view merge : t.merges) {
    const size_t space = merge.find(' ', 1);
    parts.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  texts.tokenizer_json = tokenizer_json(parts);
  texts.tokenizer_config_json = tokenizer_config_json(t, where);
  return texts;
}

}  // namespace minke
