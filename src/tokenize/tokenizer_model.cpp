// From the parts of a tokenizer.json to what encoding and decoding need; every mistake of the file is named.
#include "tokenize/tokenizer_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tokenize/byte_alphabet.h"
#include "tokenize/tokenizer_file.h"
#include "tokenize/unicode.h"

namespace minke {

using nlohmann::json;

namespace {

// decode() gives the bytes that the characters of the byte alphabet stand for, as the decoder of all byte-level files does.
void check_decoder(const json& decoder, const std::string& where) {
  if (decoder.is_null()) return;
  const json type = decoder.is_object() ? decoder.value("type", json()) : json();
  if (type == "Sequence" && decoder.value("decoders", json()).is_array()) {
    for (const json& part : decoder["decoders"]) check_decoder(part, where);
    return;
  }
  const bool changes_nothing =
      type == "Fuse" || type == "ByteFallback";  // after ByteLevel, or where all bytes are there
  if (type != "ByteLevel" && !changes_nothing)
    user_error("{}.type: {} is not supported: only \"ByteLevel\" is", where, type.dump(-1, ' ', true).substr(0, 60));
}

}  // namespace

void Tokenizer::Model::read(std::string_view text, std::string_view where, std::string_view config) {
  json_text = text;
  config_text = config;
  TokenizerFile file;
  json rest;
  read_tokenizer_json(text, where, file, rest);
  const auto part = [&](const char* key) -> const json& {
    static const json null;
    const auto found = rest.find(key);
    return found == rest.end() ? null : *found;
  };
  const json& model = part("model");
  if (!model.is_object()) user_error("{}: model: must be an object, is {}", where, model.type_name());
  if (part("pre_tokenizer").is_null())
    user_error("{}: pre_tokenizer: is missing. Only byte-level BPE is supported (DeepSeek, Llama-3, Qwen, GPT-2 …).",
               where);
  normalizer = Normalizer(part("normalizer"), fmt::format("{}: normalizer", where));
  check_decoder(part("decoder"), fmt::format("{}: decoder", where));
  pretokenizer = std::make_unique<Pretokenizer>(part("pre_tokenizer"), fmt::format("{}: pre_tokenizer", where));
  read_model(model, file, where);
  read_config(where);
}

void Tokenizer::Model::read_model(const json& model, TokenizerFile& file, std::string_view where) {
  const auto get = [&](const char* key) -> const json& {
    static const json null;
    const auto found = model.find(key);
    return found == model.end() ? null : *found;
  };
  const auto refuse = [&](const char* key, std::string_view why) {
    user_error("{}: model.{}: {} is not supported: {}", where, key, get(key).dump(-1, ' ', true).substr(0, 60), why);
  };
  if (!get("type").is_null() && get("type") != "BPE") refuse("type", "only \"BPE\" is");
  if (get("dropout").is_number() && get("dropout") != 0) refuse("dropout", "encoding must be deterministic");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!get(key).is_null() && get(key) != "") refuse(key, "byte-level BPE has none");
  for (const char* key : {"fuse_unk", "byte_fallback", "ignore_merges"})
    if (!get(key).is_null() && !get(key).is_boolean()) refuse(key, "it must be true or false");
  if (file.vocabulary.empty()) user_error("{}: model.vocab: is missing or empty", where);

  std::unordered_map<std::string_view, int32_t> ids;
  ids.reserve(file.vocabulary.size() * 2);
  std::sort(file.vocabulary.begin(), file.vocabulary.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (size_t i = 0; i < file.vocabulary.size(); ++i) {
    const auto& [text, id] = file.vocabulary[i];
    if (i > 0 && file.vocabulary[i - 1].id == id)
      user_error("{}: model.vocab: \"{}\" and \"{}\" both have id {}", where, file.vocabulary[i - 1].text, text, id);
    if (!ids.emplace(text, id).second) user_error("{}: model.vocab: \"{}\" appears twice", where, text);
  }
  bpe.merges.reserve(file.merges.size());
  std::string joined;
  for (size_t i = 0; i < file.merges.size(); ++i) {
    const std::string &left = file.merges[i].first, &right = file.merges[i].second;
    const auto need = [&](const std::string& token) {
      const auto found = ids.find(token);
      if (found == ids.end())
        user_error("{}: model.merges[{}]: \"{}\" is not in model.vocab (merge \"{}\" + \"{}\")", where, i, token, left,
                   right);
      return found->second;
    };
    joined = left + right;
    const int32_t a = need(left), b = need(right);
    bpe.merges.set(a, b, {uint32_t(i), uint32_t(need(joined))});
  }
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    unicode::append_utf8(text, char_of_byte(uint8_t(byte)));
    const auto found = ids.find(text);
    bpe.id_of_byte[byte] = found == ids.end() ? -1 : found->second;
  }
  const bool all_bytes = std::none_of(bpe.id_of_byte.begin(), bpe.id_of_byte.end(), [](int32_t id) { return id < 0; });
  if (get("byte_fallback") == true && !all_bytes) refuse("byte_fallback", "the vocabulary must have all 256 bytes");
  if (get("unk_token").is_string()) {
    const auto found = ids.find(get("unk_token").get_ref<const std::string&>());
    if (found == ids.end()) refuse("unk_token", "it is not in model.vocab");
    bpe.unknown_id = found->second;
  }
  bpe.fuse_unknown = get("fuse_unk") == true;
  bpe.index_byte_pairs();

  std::vector<std::pair<int32_t, std::string>> by_id;
  by_id.reserve(file.vocabulary.size() + file.added.size());
  for (auto& [text, id] : file.vocabulary) {
    std::string bytes;
    by_id.emplace_back(id, bytes_of_text(text, bytes) ? bytes : text);
  }
  TokenBytes merged;  // without added tokens, which merges do not name
  merged.build(by_id);
  bpe.index_characters(int32_t(merged.size()), [&](int32_t id) { return merged[id]; });
  if (get("ignore_merges") == true) {
    model_bytes.reserve(file.vocabulary.size());
    for (auto& [text, id] : file.vocabulary) {
      std::string bytes;
      if (!bytes_of_text(text, bytes)) continue;
      model_bytes.push_back(std::move(bytes));
      bpe.whole.emplace(model_bytes.back(), id);
    }
  }
  read_added(file, ids, where);
  // An added token decodes to its content, even where that looks like characters of the byte alphabet.
  for (const AddedToken& token : added) by_id.emplace_back(token.id, token.content);
  std::stable_sort(by_id.begin(), by_id.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto last =
      std::unique(by_id.rbegin(), by_id.rend(), [](const auto& a, const auto& b) { return a.first == b.first; });
  by_id.erase(by_id.begin(), last.base());
  bytes.build(by_id);
  special.assign(bytes.size(), false);
  for (const AddedToken& token : added) special[token.id] = token.special;
}

void Tokenizer::Model::read_added(const TokenizerFile& file, std::unordered_map<std::string_view, int32_t>& ids,
                                  std::string_view where) {
  std::unordered_map<int32_t, std::string_view> taken;
  for (const auto& [text, id] : file.vocabulary) taken.emplace(id, text);
  added = file.added;
  size_t total = 0;
  for (size_t i = 0; i < added.size(); ++i) {
    const AddedToken& token = added[i];
    if (const auto in_model = ids.find(token.content); in_model != ids.end() && in_model->second != token.id)
      user_error("{}: added_tokens[{}]: \"{}\" has id {} here and {} in model.vocab", where, i, token.content, token.id,
                 in_model->second);
    if (const auto other = taken.find(token.id); other != taken.end() && other->second != token.content)
      user_error("{}: added_tokens[{}]: id {} of \"{}\" belongs to \"{}\" already", where, i, token.id, token.content,
                 other->second);
    taken.emplace(token.id, token.content);
    if (!added_by_content.emplace(token.content, &token).second)
      user_error("{}: added_tokens[{}]: \"{}\" appears twice", where, i, token.content);
    total += token.content.size();
    if (total > (16u << 20)) user_error("{}: added_tokens: more than 16 MB of text", where);
    std::string storage;
    if (token.normalized) normalized_matcher.add(&token, normalizer.apply(token.content, storage));
    else raw_matcher.add(&token, token.content);
  }
}

int32_t Tokenizer::Model::known_id(std::initializer_list<std::string_view> names) const {
  for (std::string_view name : names)
    if (const auto found = added_by_content.find(name); found != added_by_content.end()) return found->second->id;
  return -1;
}

void Tokenizer::Model::read_config(std::string_view where) {
  if (config_text.empty()) {
    bos = known_id({"<｜begin▁of▁sentence｜>", "<|begin_of_text|>", "<s>"});
    eos = known_id({"<｜end▁of▁sentence｜>", "<|end_of_text|>", "<|endoftext|>", "</s>"});
    return;
  }
  const std::string file = fmt::format("{}: tokenizer_config.json", where);
  json config;
  TokenizerFile ignored;
  read_tokenizer_json(config_text, file, ignored, config);
  const auto id_of = [&](const char* key) -> int32_t {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return -1;
    const json* name = &*found;
    if (name->is_object() && name->contains("content")) name = &(*name)["content"];
    if (!name->is_string()) user_error("{}: {}: must be a string or an object with \"content\"", file, key);
    const int32_t id = known_id({name->get_ref<const std::string&>()});
    if (id < 0)
      user_error("{}: {}: \"{}\" is none of the added tokens of the tokenizer.json", file, key,
                 name->get<std::string>());
    return id;
  };
  bos = id_of("bos_token");
  eos = id_of("eos_token");
}

}  // namespace minke
