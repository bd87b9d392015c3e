#include "tokenize/to_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "formats/gguf_own_keys.h"
#include "formats/gguf_tokenizer.h"
#include "tokenize/chat_template.h"
#include "tokenize/from_gguf.h"
#include "tokenize/normalizer.h"
#include "tokenize/tokenizer.h"
#include "tokenize/tokenizer_file.h"

namespace minke {
namespace {

constexpr size_t kMaxConfigBytes = size_t(64) << 20;

class TokenizerKeys {
 public:
  TokenizerKeys(GgufMetadataToWrite& keys, const fs::path& folder, const ModelTokens& model)
      : keys_(keys), folder_(folder), model_(model), tokenizer_(Tokenizer::load(folder)) {
    if (tokenizer_.vocab_size() > model.vocab_size)
      user_error("the tokenizer of {} has {} tokens, the model only {}: they do not belong together", folder.string(),
                 tokenizer_.vocab_size(), model.vocab_size);
    read_tokenizer_json(tokenizer_.json_text(), (folder / "tokenizer.json").string(), file_, rest_);
    const fs::path config = folder / "tokenizer_config.json";
    if (fs::exists(config)) config_ = parse_json(read_file(config, kMaxConfigBytes), config.string());
  }

  std::vector<std::string> write() {
    const std::string_view pre = gguf_pre_of(tokenizer_.pretokenizer_name());
    keys_.add_text("tokenizer.ggml.model", "gpt2");
    keys_.add_text("tokenizer.ggml.pre", pre.empty() ? "unknown" : pre);
    tokens();
    merges();
    token_ids();
    templates();
    own(pre);
    return std::move(warnings_);
  }

 private:
  void tokens() {
    const size_t count = size_t(model_.vocab_size);
    std::vector<std::string> texts(count);
    types_.assign(count, int32_t(GgufTokenType::unused));
    const auto set = [&](int32_t id, const std::string& text, GgufTokenType type) {
      texts[size_t(id)] = text;
      types_[size_t(id)] = int32_t(type);
      if (text.empty()) unsaid_.insert("has a token without text");
    };
    for (const TokenizerFile::Entry& e : file_.vocabulary) set(e.id, e.text, GgufTokenType::normal);
    for (const AddedToken& t : file_.added) {
      set(t.id, t.content, t.special ? GgufTokenType::control : GgufTokenType::user_defined);
      if (t.single_word || t.lstrip || t.rstrip)
        unsaid_.insert(fmt::format("looks at what stands beside {}", printable(t.content)));
      if (t.normalized && !part("normalizer").is_null() && !normalizer().empty())
        unsaid_.insert(fmt::format("normalises text before it looks for {}", printable(t.content)));
    }
    for (size_t id = 0; id < count; ++id)
      if (types_[id] == int32_t(GgufTokenType::unused)) texts[id] = fmt::format("[PAD{}]", id);
    keys_.add_texts("tokenizer.ggml.tokens", std::vector<std::string_view>(texts.begin(), texts.end()));
    keys_.add_i32s("tokenizer.ggml.token_type", types_);
  }

  void merges() {
    std::vector<std::string> joined;
    joined.reserve(file_.merges.size());
    for (const auto& [left, right] : file_.merges) {
      if (left.find(' ') != left.npos || right.find(' ') != right.npos) unsaid_.insert("merges tokens with a space");
      joined.push_back(left + " " + right);
    }
    keys_.add_texts("tokenizer.ggml.merges", std::vector<std::string_view>(joined.begin(), joined.end()));
  }

  // An id that the tokenizer does not call special stays out: readers would take it for special.
  void token_ids() {
    const auto add = [&](const char* key, int64_t id) {
      if (id < 0 || id >= model_.vocab_size || types_[size_t(id)] != int32_t(GgufTokenType::control)) return false;
      keys_.add_u32(fmt::format("tokenizer.ggml.{}_token_id", key), uint32_t(id));
      return true;
    };
    const bool has_bos = add("bos", tokenizer_.bos_id() >= 0 ? tokenizer_.bos_id() : model_.bos);
    std::vector<int64_t> ends;
    if (tokenizer_.eos_id() >= 0) ends.push_back(tokenizer_.eos_id());
    for (const int64_t id : model_.ends)
      if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
    const char* const names[] = {"eos", "eot", "eom"};
    size_t next = 0;
    for (const int64_t id : ends)
      if (next < std::size(names) && add(names[next], id)) ++next;
    const auto named = [&](const char* key) -> int64_t {
      const auto found = config_.find(key);
      if (found == config_.end()) return -1;
      const Json& text = found->is_object() && found->contains("content") ? (*found)["content"] : *found;
      return text.is_string() ? tokenizer_.id_of(text.get_ref<const std::string&>()).value_or(-1) : -1;
    };
    add("padding", named("pad_token"));
    add("unknown", named("unk_token"));
    keys_.add_flag("tokenizer.ggml.add_bos_token", has_bos && tokenizer_.begins_with_bos());
    for (const int32_t id : {tokenizer_.bos_id(), tokenizer_.eos_id()})
      if (id >= 0 && !tokenizer_.is_special(id))
        unsaid_.insert(fmt::format("has {} as a token that is not special", printable(tokenizer_.token_bytes(id))));
  }

  void templates() {
    const auto chat = ChatTemplate::load(folder_);
    if (!chat) return;
    std::set<std::string_view> written;
    for (const auto& [name, text] : chat->sources())
      if (written.insert(name).second)
        keys_.add_text(name == "default" ? "tokenizer.chat_template" : "tokenizer.chat_template." + name, text);
  }

  void own(std::string_view pre) {
    const std::string_view splitter = tokenizer_.pretokenizer_name();
    const auto ignores = part("model").find("ignore_merges");
    const bool ignored = ignores != part("model").end() && *ignores == true;
    if (!pre.empty() && normalizer().name() != normalizer_beside(splitter))
      unsaid_.insert(fmt::format("normalises text by {}", normalizer().empty() ? "nothing" : normalizer().name()));
    if (!pre.empty() && ignored != ignores_merges(splitter))
      unsaid_.insert(ignored ? "looks whole pieces up before it merges" : "merges before it looks whole pieces up");
    if (pre.empty()) {
      warnings_.push_back(fmt::format(
          "its tokenizer splits text by a rule that has no name in GGUF files ({}): llama.cpp refuses the file; minke "
          "reads the tokenizer.json that is kept in it",
          printable(splitter)));
    } else if (splitter == "characters") {
      warnings_.push_back(
          "its tokenizer splits text into characters, a rule that llama.cpp does not have: it refuses the file");
    }
    if (!unsaid_.empty())
      warnings_.push_back(
          fmt::format("its tokenizer {}, which GGUF files cannot say: other programs may give other ids; minke reads "
                      "the tokenizer.json that is kept in the file",
                      fmt::join(unsaid_, ", ")));
    if (pre.empty() || !unsaid_.empty()) keys_.add_text(gguf_own::kTokenizer, tokenizer_.json_text());
    if (config_.empty()) return;
    config_.erase("chat_template");
    keys_.add_text(gguf_own::kTokenizerConfig, config_.dump());
  }

  const nlohmann::json& part(const char* key) const {
    static const nlohmann::json null;
    const auto found = rest_.find(key);
    return found == rest_.end() ? null : *found;
  }
  Normalizer normalizer() const { return Normalizer(part("normalizer"), "normalizer"); }

  GgufMetadataToWrite& keys_;
  const fs::path& folder_;
  const ModelTokens& model_;
  Tokenizer tokenizer_;
  TokenizerFile file_;
  nlohmann::json rest_;
  Json config_ = Json::object();
  std::vector<int32_t> types_;
  std::set<std::string> unsaid_;  // "its tokenizer …"
  std::vector<std::string> warnings_;
};

}  // namespace

std::vector<std::string> add_tokenizer(GgufMetadataToWrite& keys, const fs::path& folder, const ModelTokens& model) {
  return TokenizerKeys(keys, folder, model).write();
}

}  // namespace minke
