#include "tokenize/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "tokenize/from_gguf.h"
#include "tokenize/tokenizer_model.h"
#include "tokenize/transformers.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

constexpr size_t kMaxFileBytes = size_t(1) << 28;  // the largest published tokenizer.json is below 40 MB

}  // namespace

void Tokenizer::Model::encode_piece(std::string_view piece, size_t readable, size_t offset, EncodeWorkspace& w,
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

void Tokenizer::Model::encode_text(std::string_view text, size_t offset, EncodeWorkspace& w,
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

void Tokenizer::Model::encode(std::string_view text, EncodeOptions options, EncodeWorkspace& w,
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

Tokenizer Tokenizer::load_gguf(const fs::path& path) {
  const Gguf file = Gguf::open(path);
  const TokenizerTexts texts = tokenizer_texts(read_tokenizer(file.metadata()), path.string());
  Tokenizer tokenizer = from_json_text(texts.tokenizer_json, path.string(), texts.tokenizer_config_json);
  tokenizer.model_->begins_with_bos = texts.adds_bos;
  tokenizer.model_->note = texts.note;
  return tokenizer;
}

Tokenizer Tokenizer::load(const fs::path& path) {
  if (is_gguf(path)) return load_gguf(path);
  std::error_code ignored;  // what cannot be looked at is reported by read_file
  const bool is_folder = fs::is_directory(path, ignored);
  if (is_folder) refuse_folder_of_gguf(path, "tokenizer.json");
  const fs::path file = is_folder ? path / "tokenizer.json" : path;
  const fs::path config = file.parent_path() / "tokenizer_config.json";
  const std::string text = read_file(file, kMaxFileBytes);
  const bool has_settings = fs::exists(config, ignored);
  const std::string config_text = has_settings ? read_file(config, kMaxFileBytes) : std::string();
  if (has_settings && config_text.empty())
    user_error("{} is empty: copy it again, or remove it (then the usual tokens are bos and eos)", config.string());
  Tokenizer tokenizer = from_json_text(text, file.string(), config_text);
  const fs::path model_config = file.parent_path() / "config.json";
  const bool has_config = fs::exists(model_config, ignored);
  tokenizer.model_->note = tokenizer.note_beside(has_config ? read_file(model_config, kMaxFileBytes) : std::string());
  return tokenizer;
}

Tokenizer Tokenizer::from_json_text(std::string_view json, std::string_view where, std::string_view config_json) {
  auto model = std::make_unique<Model>();
  model->where = where;
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
bool Tokenizer::begins_with_bos() const { return model_->bos >= 0 && model_->begins_with_bos; }
const std::vector<AddedToken>& Tokenizer::added_tokens() const { return model_->added; }
std::string_view Tokenizer::pretokenizer_name() const { return model_->pretokenizer->name(); }
const std::string& Tokenizer::note() const { return model_->note; }
std::string Tokenizer::note_beside(std::string_view model_config) const {
  return transformers_note({.model_config = model_config,
                            .tokenizer_config = model_->config_text,
                            .pretokenizer = pretokenizer_name(),
                            .normalizer = model_->normalizer.name(),
                            .file = model_->where});
}
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
