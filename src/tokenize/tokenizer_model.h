// What a Tokenizer holds, and how it is read (tokenizer_model.cpp) and used (tokenizer.cpp).
#pragma once
#include <initializer_list>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tokenize/added_tokens.h"
#include "tokenize/bpe.h"
#include "tokenize/normalizer.h"
#include "tokenize/pretokenizer.h"
#include "tokenize/tokenizer.h"

namespace minke {

struct TokenizerFile;

// What one call of encode() works with; kept for the next call, because the word cache pays over many texts.
struct EncodeWorkspace {
  Bpe::Scratch scratch;
  WordCache cache;
  Pieces pieces;
  std::vector<Segment> segments, inner;
  std::string normalized;
};

class TokenBytes {  // one array for all tokens: begin_[id] … begin_[id + 1]
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

struct Tokenizer::Model {
  TokenBytes bytes;
  std::vector<std::string> model_bytes;  // backs bpe.whole
  std::vector<AddedToken> added;         // never resized once the matchers point into it
  std::unordered_map<std::string_view, const AddedToken*> added_by_content;
  std::vector<bool> special;
  AddedTokenMatcher raw_matcher, normalized_matcher;
  Normalizer normalizer;
  std::unique_ptr<Pretokenizer> pretokenizer;
  Bpe bpe;
  int32_t bos = -1, eos = -1;
  bool begins_with_bos = true;  // if there is one
  std::string json_text, config_text, where, note;

  std::mutex mutex;
  std::vector<std::unique_ptr<EncodeWorkspace>> idle;

  void read(std::string_view text, std::string_view where, std::string_view config);
  void read_model(const nlohmann::json& model, TokenizerFile& file, std::string_view where);
  void read_added(const TokenizerFile& file, std::unordered_map<std::string_view, int32_t>& ids,
                  std::string_view where);
  void read_config(std::string_view where);
  int32_t known_id(std::initializer_list<std::string_view> names) const;

  std::unique_ptr<EncodeWorkspace> lease() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<EncodeWorkspace>();
    auto taken = std::move(idle.back());
    idle.pop_back();
    return taken;
  }
  void give_back(std::unique_ptr<EncodeWorkspace> workspace) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(workspace));
  }
  void encode_piece(std::string_view piece, size_t readable, size_t offset, EncodeWorkspace& w,
                    std::vector<int32_t>& out) const;
  void encode_text(std::string_view text, size_t offset, EncodeWorkspace& w, std::vector<int32_t>& out) const;
  void encode(std::string_view text, EncodeOptions options, EncodeWorkspace& w, std::vector<int32_t>& out) const;
};

}  // namespace minke
