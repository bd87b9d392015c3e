#include "tokenize/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "tokenize/byte_alphabet.h"
#include "tokenize/chat_template.h"
#include "tokenize/learn_merges.h"
#include "tokenize/normalizer.h"
#include "tokenize/pretokenizer.h"
#include "tokenize/tokenizer_json.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

using Json = nlohmann::ordered_json;

// A vocabulary in the order of its ids.
struct Vocabulary {
  std::vector<std::string> tokens;  // as text in the byte alphabet; special tokens as they are
  std::vector<std::pair<std::string, std::string>> merges;
};

nlohmann::json normalizer_json(const TrainOptions& options) {
  return options.pretokenizer == "qwen2" ? nlohmann::json{{"type", "NFC"}} : nlohmann::json();
}

// Tokens of their own, but a part of the answer, which a decoder does not leave out: as in DeepSeek-R1's tokenizer.
bool is_thought(std::string_view token) { return token == "<think>" || token == "</think>"; }

std::vector<std::string> added_tokens(const TrainOptions& options) {
  std::vector<std::string> added = options.special_tokens;
  added.insert(added.end(), options.tags.begin(), options.tags.end());
  return added;
}

std::string write_json(const Vocabulary& vocabulary, const TrainOptions& options, bool ignore_merges) {
  TokenizerParts parts{.normalizer = normalizer_json(options),
                       .pretokenizer = pretokenizer_json(options.pretokenizer),
                       .ignore_merges = ignore_merges};
  const std::vector<std::string> added = added_tokens(options);
  for (size_t i = 0; i < added.size(); ++i)
    parts.added.push_back(
        {.id = int32_t(i), .content = added[i], .special = i < options.special_tokens.size() && !is_thought(added[i])});
  for (const std::string& token : vocabulary.tokens) parts.vocabulary.emplace_back(token, parts.vocabulary.size());
  for (const auto& [left, right] : vocabulary.merges) parts.merges.emplace_back(left, right);
  return tokenizer_json(parts);
}

Vocabulary character_vocabulary(std::span<const std::string_view> texts, const TrainOptions& options) {
  std::vector<bool> seen(0x110000);
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t at = 0; at < texts[i].size();) {
      const unicode::CodePoint c = unicode::decode_at(texts[i], at);
      if (!c.valid)
        user_error(
            "Text {} has no valid UTF-8 at byte {} (0x{:02X}): a vocabulary of characters cannot be made from it. "
            "Repair the text, or train a BPE vocabulary, which takes any bytes.",
            i, at, uint8_t(texts[i][at]));
      seen[c.value] = true;
      at += c.length;
    }
  }
  Vocabulary out{added_tokens(options), {}};
  for (char32_t c = 0; c < seen.size(); ++c) {
    if (!seen[c]) continue;
    std::string bytes;
    unicode::append_utf8(bytes, c);
    out.tokens.push_back(text_of_bytes(bytes));
  }
  if (options.vocab_size > 0 && out.tokens.size() > size_t(options.vocab_size))
    user_error(
        "The text has {} distinct characters, which with {} special tokens do not fit a vocabulary of {}. Ask for "
        "{} or more.",
        out.tokens.size() - added_tokens(options).size(), added_tokens(options).size(), options.vocab_size,
        out.tokens.size());
  return out;
}

Vocabulary bpe_vocabulary(std::span<const std::string_view> texts, const TrainOptions& options) {
  const std::vector<std::string> added = added_tokens(options);
  const size_t special = added.size();
  if (options.vocab_size < int64_t(special) + 256)
    user_error("A vocabulary of {} is too small: {} special tokens and 256 bytes need {}.", options.vocab_size, special,
               special + 256);
  const Pretokenizer pretokenizer(pretokenizer_json(options.pretokenizer), "pre-tokenizer");
  const Normalizer normalizer(normalizer_json(options), "normalizer");
  std::vector<std::string> normalized(texts.size());  // those that change
  std::vector<std::string_view> counted;
  for (size_t i = 0; i < texts.size(); ++i) counted.push_back(normalizer.apply(texts[i], normalized[i]));
  const auto order = bytes_in_alphabet_order();
  const std::set<std::string, std::less<>> reserved(added.begin(), added.end());
  const std::vector<CountedPiece> pieces = count_pieces(counted, pretokenizer.fast(), options.threads);
  const Learned learned = learn_merges(
      pieces, {.alphabet_order = {order.begin(), order.end()},
               .max_tokens = options.vocab_size - int32_t(special),
               .min_frequency = options.min_frequency,
               .forbidden = [&](std::string_view bytes) { return reserved.count(text_of_bytes(bytes)) > 0; }});
  Vocabulary out{added_tokens(options), {}};
  for (const std::string& token : learned.tokens) out.tokens.push_back(text_of_bytes(token));
  for (const auto& [left, right] : learned.merges)
    out.merges.emplace_back(out.tokens[special + left], out.tokens[special + right]);
  return out;
}

void check_options(const TrainOptions& options) {
  std::set<std::string> seen;
  for (const std::string& token : added_tokens(options)) {
    if (token.empty() || !unicode::is_valid_utf8(token)) user_error("A special token is empty or no valid UTF-8.");
    if (!seen.insert(token).second) user_error("The special token \"{}\" is given twice.", token);
    std::string bytes;
    if (bytes_of_text(token, bytes) && bytes.size() == 1)
      user_error("The special token \"{}\" is also the symbol of a byte. Use a longer string.", token);
  }
  if (options.min_frequency < 1) user_error("min_frequency is {}; it must be at least 1.", options.min_frequency);
}

}  // namespace

std::vector<std::string> default_special_tokens() {
  return {"<｜begin▁of▁sentence｜>",
          "<｜end▁of▁sentence｜>",
          "<｜▁pad▁｜>",
          "<｜fim▁hole｜>",
          "<｜fim▁begin｜>",
          "<｜fim▁end｜>",
          "<｜User｜>",
          "<｜Assistant｜>",
          "<think>",
          "</think>"};
}

Tokenizer train_bpe(std::span<const std::string_view> texts, const TrainOptions& options) {
  check_options(options);
  const bool characters = options.pretokenizer == "characters";
  const Vocabulary vocabulary = characters ? character_vocabulary(texts, options) : bpe_vocabulary(texts, options);
  if (vocabulary.tokens.empty()) user_error("The text is empty, and so would be its vocabulary.");
  Json config = {{"add_bos_token", false},
                 {"add_eos_token", false},
                 {"bos_token", nullptr},
                 {"eos_token", nullptr},
                 {"pad_token", nullptr},
                 {"clean_up_tokenization_spaces", false},
                 {"tokenizer_class", options.pretokenizer == "qwen2" ? "Qwen2Tokenizer" : "PreTrainedTokenizerFast"}};
  const char* const roles[] = {"bos_token", "eos_token", "pad_token"};
  for (size_t i = 0; i < std::min<size_t>(3, options.special_tokens.size()); ++i)
    config[roles[i]] = options.special_tokens[i];
  const auto has = [&](std::string_view token) {
    return std::find(options.special_tokens.begin(), options.special_tokens.end(), token) !=
           options.special_tokens.end();
  };
  if (has("<｜User｜>") && has("<｜Assistant｜>")) config["chat_template"] = own_chat_template(false);
  return Tokenizer::from_json_text(write_json(vocabulary, options, characters), "trained tokenizer",
                                   config.dump(2) + "\n");
}

}  // namespace minke
