#include "formats/gguf_tokenizer.h"

#include "core/error.h"
#include "formats/gguf_own_keys.h"

namespace minke {
namespace {

constexpr size_t kMaxTokens = size_t(1) << 24;

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return i + k < text.size() ? uint8_t(text[i + k]) : uint8_t(0); };
    const uint8_t first = byte(0);
    const size_t length = first < 0x80   ? 1
                          : first < 0xc2 ? 0
                          : first < 0xe0 ? 2
                          : first < 0xf0 ? 3
                          : first < 0xf5 ? 4
                                         : 0;
    if (length == 0) return false;
    for (size_t k = 1; k < length; ++k)
      if ((byte(k) & 0xc0) != 0x80) return false;
    // overlong, a surrogate, or beyond U+10FFFF
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) || (first == 0xf0 && byte(1) < 0x90) ||
        (first == 0xf4 && byte(1) > 0x8f))
      return false;
    i += length;
  }
  return true;
}

class Reader {
 public:
  explicit Reader(const GgufMetadata& metadata) : metadata_(metadata) {}

  GgufTokenizer read() {
    GgufTokenizer t;
    const auto model = metadata_.text("tokenizer.ggml.model");
    t.tokens = metadata_.texts("tokenizer.ggml.tokens");
    if (!model || t.tokens.empty())
      user_error("{}: has no tokenizer (tokenizer.ggml.model and tokenizer.ggml.tokens)", metadata_.file());
    if (t.tokens.size() > kMaxTokens)
      user_error("{}: tokenizer.ggml.tokens has {} tokens; at most {} are supported", metadata_.file(), t.tokens.size(),
                 kMaxTokens);
    t.model = utf8("tokenizer.ggml.model", *model);
    t.pre = utf8("tokenizer.ggml.pre", metadata_.text("tokenizer.ggml.pre").value_or("default"));
    for (std::string_view token : t.tokens) utf8("tokenizer.ggml.tokens", token);
    t.types = types(t.tokens.size());
    t.merges = metadata_.texts("tokenizer.ggml.merges");
    for (std::string_view merge : t.merges) {
      utf8("tokenizer.ggml.merges", merge);
      const size_t space = merge.find(' ', 1);
      if (space == merge.npos || space + 1 == merge.size())
        user_error("{}: tokenizer.ggml.merges has \"{}\"; each must be two tokens with a space between",
                   metadata_.file(), printable(merge));
    }
    t.scores = metadata_.reals("tokenizer.ggml.scores");
    if (!t.scores.empty()) same_length("tokenizer.ggml.scores", t.scores.size(), t.tokens.size());

    const auto id = [&](const char* key) { return token_id(key, t.tokens.size()); };
    t.bos = id("tokenizer.ggml.bos_token_id");
    t.eos = id("tokenizer.ggml.eos_token_id");
    t.eot = id("tokenizer.ggml.eot_token_id");
    t.eom = id("tokenizer.ggml.eom_token_id");
    t.unknown = id("tokenizer.ggml.unknown_token_id");
    t.padding = id("tokenizer.ggml.padding_token_id");
    t.add_bos = metadata_.flag("tokenizer.ggml.add_bos_token");
    t.add_eos = metadata_.flag("tokenizer.ggml.add_eos_token");
    t.add_space_prefix = metadata_.flag("tokenizer.ggml.add_space_prefix");
    templates(t);
    t.own_json = metadata_.text(gguf_own::kTokenizer);
    t.own_config = metadata_.text(gguf_own::kTokenizerConfig);
    return t;
  }

 private:
  std::string_view utf8(std::string_view key, std::string_view text) const {
    if (!is_utf8(text)) user_error("{}: {} has \"{}\", which is not UTF-8", metadata_.file(), key, printable(text));
    return text;
  }
  void same_length(const char* key, size_t length, size_t tokens) const {
    if (length != tokens)
      user_error("{}: {} has {} elements, but there are {} tokens", metadata_.file(), key, length, tokens);
  }

  std::vector<GgufTokenType> types(size_t tokens) const {
    const std::vector<int64_t> numbers = metadata_.integers("tokenizer.ggml.token_type");
    if (numbers.empty()) return std::vector<GgufTokenType>(tokens, GgufTokenType::normal);
    same_length("tokenizer.ggml.token_type", numbers.size(), tokens);
    std::vector<GgufTokenType> result;
    result.reserve(tokens);
    for (int64_t n : numbers) {
      if (n < 1 || n > 6)
        user_error("{}: tokenizer.ggml.token_type has {}; it must be between 1 and 6", metadata_.file(), n);
      result.push_back(GgufTokenType(n));
    }
    return result;
  }

  std::optional<int64_t> token_id(const char* key, size_t tokens) const {
    const auto id = metadata_.integer(key);
    if (id && (*id < 0 || uint64_t(*id) >= tokens))
      user_error("{}: {} is {}, but there are {} tokens", metadata_.file(), key, *id, tokens);
    return id;
  }

  void templates(GgufTokenizer& t) const {
    constexpr std::string_view key = "tokenizer.chat_template";
    for (const auto& [name, value] : metadata_.entries()) {
      if (name == key) t.chat_template = utf8(name, *metadata_.text(name));
      else if (name.starts_with(key) && name[key.size()] == '.')
        t.named_templates.emplace_back(utf8(key, name.substr(key.size() + 1)), utf8(key, *metadata_.text(name)));
    }
  }

  const GgufMetadata& metadata_;
};

}  // namespace

GgufTokenizer read_tokenizer(const GgufMetadata& metadata) { return Reader(metadata).read(); }

}  // namespace minke
