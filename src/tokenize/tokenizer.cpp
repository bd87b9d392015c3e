#include "tokenize/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <unordered_map>

#include "core/error.h"
#include "tokenize/bpe.h"
#include "tokenize/byte_alphabet.h"
#include "tokenize/normalizer.h"
#include "tokenize/pretokenizer.h"
#include "tokenize/tokenizer_file.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = size_t(1) << 28;  // the largest published tokenizer.json is below 40 MB

// What one call of encode() works with; kept for the next call, because the word cache pays over many texts.
struct Workspace {
  Bpe::Scratch scratch;
  WordCache cache;
  Pieces pieces;
  std::vector<Segment> segments, inner;
  std::string normalized;
};

class Bytes {  // one array for all tokens: begin_[id] … begin_[id + 1]
 public:
  void build(const std::vector<std::pair<int32_t, std::string>>& sorted) {
    begin_.assign(sorted.empty() ? 1 : size_t(sorted.back().first) + 2, 0);
    size_t total = 0;
    for (const auto& [id, bytes] : sorted) total += bytes.size();
    check(total < (size_t(1) << 32), "token bytes fit 32-bit offsets");
    all_.reserve(total);
    size_t next = 0;
    for (const auto& [id, bytes] : sorted) {
      for (; next <= size_t(id); ++next) begin_[next] = uint32_t(all_.size());
      all_ += bytes;
    }
    for (; next < begin_.size(); ++next) begin_[next] = uint32_t(all_.size());
  }
  size_t size() const { return begin_.size() - 1; }
  std::string_view operator[](int32_t id) const {
    if (id < 0 || size_t(id) >= size()) return {};
    return std::string_view(all_).substr(begin_[id], begin_[id + 1] - begin_[id]);
  }

 private:
  std::string all_;
  std::vector<uint32_t> begin_ = {0};
};

}  // namespace

struct Tokenizer::Model {
  Bytes bytes;
  std::vector<std::string> model_bytes;  // backs bpe.whole
  std::vector<AddedToken> added;         // never resized once the matchers point into it
  std::unordered_map<std::string_view, const AddedToken*> added_by_content;
  std::vector<bool> special;
  AddedTokenMatcher raw_matcher, normalized_matcher;
  Normalizer normalizer;
  std::unique_ptr<Pretokenizer> pretokenizer;
  Bpe bpe;
  int32_t bos = -1, eos = -1;
  std::string json_text, config_text;

  std::mutex mutex;
  std::vector<std::unique_ptr<Workspace>> idle;

  void read(std::string_view text, std::string_view where, std::string_view config);
  void read_model(const json& model, TokenizerFile& file, std::string_view where);
  void read_added(const TokenizerFile& file, std::unordered_map<std::string_view, int32_t>& ids,
                  std::string_view where);
  void read_config(std::string_view where);
  int32_t known_id(std::initializer_list<std::string_view> names) const;

  std::unique_ptr<Workspace> lease() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<Workspace>();
    auto taken = std::move(idle.back());
    idle.pop_back();
    return taken;
  }
  void give_back(std::unique_ptr<Workspace> workspace) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(workspace));
  }
  void encode_piece(std::string_view piece, size_t readable, size_t offset, Workspace& w,
                    std::vector<int32_t>& out) const;
  void encode_text(std::string_view text, size_t offset, Workspace& w, std::vector<int32_t>& out) const;
  void encode(std::string_view text, EncodeOptions options, Workspace& w, std::vector<int32_t>& out) const;
};

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
    if (!ids.emplace(text, id).second) user_error("{}: model.vocab: \"{}\" stands there twice", where, text);
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
  Bytes merged;  // without added tokens, which merges do not name
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
      user_error("{}: added_tokens[{}]: \"{}\" stands there twice", where, i, token.content);
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

void Tokenizer::Model::encode_piece(std::string_view piece, size_t readable, size_t offset, Workspace& w,
                                    std::vector<int32_t>& out) const {
  const bool cached = piece.size() <= WordCache::kMaxBytes;
  WordCache::Key key{};
  if (cached) {
    key = WordCache::key_of(piece, readable);
    if (w.cache.find(key, out)) return;
  }
  const size_t before = out.size();
  const size_t missing = bpe.encode(piece, out, w.scratch);
  if (missing != std::string_view::npos) {
    // The piece may be one character of several bytes: the message names the character.
    const unicode::CodePoint c = unicode::decode_at(piece, 0);
    const bool whole = c.valid && c.length == piece.size();
    user_error(
        "Cannot encode {} at byte {} of the text: the tokenizer's vocabulary of {} tokens has no symbol for it. "
        "Train the tokenizer on text that has it, or take it out.",
        whole ? fmt::format("\"{}\" (U+{:04X})", piece, uint32_t(c.value))
              : fmt::format("byte 0x{:02X}", uint8_t(piece[missing])),
        offset + (whole ? 0 : missing), bytes.size());
  }
  if (cached) w.cache.insert(key, out.data() + before, out.size() - before);
}

void Tokenizer::Model::encode_text(std::string_view text, size_t offset, Workspace& w,
                                   std::vector<int32_t>& out) const {
  if (const NextPiece next = pretokenizer->fast()) {
    const unicode::Tables& tables = unicode::tables();
    for (size_t at = 0; at < text.size();) {
      const size_t end = next(tables, text, at);
      encode_piece(text.substr(at, end - at), text.size() - at, offset + at, w, out);
      at = end;
    }
    return;
  }
  pretokenizer->split(text, w.pieces);
  const std::string_view all = w.pieces.text;
  for (const Match& span : w.pieces.spans)
    encode_piece(all.substr(span.first, span.end - span.first), all.size() - span.first, offset + span.first, w, out);
}

void Tokenizer::Model::encode(std::string_view text, EncodeOptions options, Workspace& w,
                              std::vector<int32_t>& out) const {
  if (options.add_bos && bos >= 0) out.push_back(bos);
  w.segments.clear();
  raw_matcher.split(text, options.parse_special, w.segments);
  for (const Segment& segment : w.segments) {
    if (segment.token) {
      out.push_back(segment.token->id);
      continue;
    }
    const std::string_view part =
        normalizer.apply(text.substr(segment.first, segment.end - segment.first), w.normalized);
    if (normalized_matcher.empty()) {
      encode_text(part, segment.first, w, out);
      continue;
    }
    w.inner.clear();
    normalized_matcher.split(part, options.parse_special, w.inner);
    for (const Segment& inner : w.inner) {
      if (inner.token) out.push_back(inner.token->id);
      else encode_text(part.substr(inner.first, inner.end - inner.first), segment.first + inner.first, w, out);
    }
  }
  if (options.add_eos && eos >= 0) out.push_back(eos);
}

Tokenizer::Tokenizer(std::unique_ptr<Model> model) : model_(std::move(model)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const fs::path& path) {
  std::error_code ignored;  // what cannot be looked at is reported by read_file
  const fs::path file = fs::is_directory(path, ignored) ? path / "tokenizer.json" : path;
  const fs::path config = file.parent_path() / "tokenizer_config.json";
  const std::string text = read_file(file, kMaxFileBytes);
  const std::string config_text = fs::exists(config, ignored) ? read_file(config, kMaxFileBytes) : std::string();
  return from_json_text(text, file.string(), config_text);
}

Tokenizer Tokenizer::from_json_text(std::string_view json, std::string_view where, std::string_view config_json) {
  auto model = std::make_unique<Model>();
  model->read(json, where, config_json);
  return Tokenizer(std::move(model));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 2);
  auto workspace = model_->lease();
  model_->encode(text, options, *workspace, ids);
  model_->give_back(std::move(workspace));
  return ids;
}

std::vector<std::vector<int32_t>> Tokenizer::encode_all(std::span<const std::string_view> texts, int threads,
                                                        EncodeOptions options) const {
  std::vector<std::vector<int32_t>> out(texts.size());
  std::atomic<size_t> next = 0;
  std::mutex failed_mutex;
  size_t failed_at = texts.size();  // the first text that failed is reported, whatever the threads' order
  std::exception_ptr failure;
  const auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < texts.size();) {
      try {
        out[i] = encode(texts[i], options);
      } catch (...) {
        const std::lock_guard lock(failed_mutex);
        if (i < failed_at) failed_at = i, failure = std::current_exception();
        next = texts.size();
      }
    }
  };
  std::vector<std::thread> helpers;
  for (int i = 1; i < threads && size_t(i) < texts.size(); ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
  return out;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  for (int32_t id : ids)
    if (!(skip_special && is_special(id))) text += model_->bytes[id];
  return text;
}

int32_t Tokenizer::vocab_size() const { return int32_t(model_->bytes.size()); }
std::string_view Tokenizer::token_bytes(int32_t id) const { return model_->bytes[id]; }
bool Tokenizer::has_token(int32_t id) const { return !model_->bytes[id].empty(); }
bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && size_t(id) < model_->special.size() && model_->special[id];
}
std::optional<int32_t> Tokenizer::id_of(std::string_view token) const {
  const int32_t id = model_->known_id({token});
  return id < 0 ? std::nullopt : std::optional(id);
}
int32_t Tokenizer::bos_id() const { return model_->bos; }
int32_t Tokenizer::eos_id() const { return model_->eos; }
const std::vector<AddedToken>& Tokenizer::added_tokens() const { return model_->added; }
std::string_view Tokenizer::pretokenizer_name() const { return model_->pretokenizer->name(); }
size_t Tokenizer::num_merges() const { return model_->bpe.merges.size(); }
const std::string& Tokenizer::json_text() const { return model_->json_text; }

void Tokenizer::save(const fs::path& folder) const {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) user_error("{}: cannot make the folder: {}", folder.string(), error.message());
  std::string config = model_->config_text;
  if (config.empty()) {
    nlohmann::ordered_json made = {{"add_bos_token", false}, {"add_eos_token", false}};
    made["bos_token"] = nullptr;
    made["eos_token"] = nullptr;
    if (bos_id() >= 0) made["bos_token"] = token_bytes(bos_id());
    if (eos_id() >= 0) made["eos_token"] = token_bytes(eos_id());
    made["clean_up_tokenization_spaces"] = false;
    made["tokenizer_class"] = "PreTrainedTokenizerFast";
    config = made.dump(2) + "\n";
  }
  write_file_atomic(folder / "tokenizer_config.json", config);
  write_file_atomic(folder / "tokenizer.json", model_->json_text);
}

std::string StreamDecoder::push(int32_t id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  held_ += tokenizer_->token_bytes(id);
  // Holds back at most 3 bytes: those that with some continuation would be a code point.
  size_t keep = 0;
  for (size_t n = 1; n <= 3 && n <= held_.size(); ++n) {
    const std::string_view tail = std::string_view(held_).substr(held_.size() - n);
    const uint8_t lead = uint8_t(tail[0]);
    if ((lead & 0xC0) == 0x80) continue;
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (length <= n) break;
    // The lowest and the highest completion: one of them is valid if any is.
    for (const char fill : {'\x80', '\xBF'}) {
      std::string whole(tail);
      whole.resize(length, fill);
      if (unicode::decode_at(whole, 0).valid) keep = n;
    }
    break;
  }
  std::string ready = held_.substr(0, held_.size() - keep);
  held_.erase(0, ready.size());
  return ready;
}

std::string StreamDecoder::finish() { return std::exchange(held_, {}); }

}  // namespace minke
