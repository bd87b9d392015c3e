#include "tokenize/tokenizer_file.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

using nlohmann::json;

std::string shown(std::string_view text) {  // for messages: short, and without what could disturb a terminal
  std::string out;
  for (char c : text.substr(0, 60)) out += uint8_t(c) < 0x20 || c == 0x7F ? '?' : c;
  return text.size() > 60 ? out + "…" : out;
}

class Reader final : public nlohmann::json_sax<json> {
 public:
  Reader(std::string_view where, TokenizerFile& file, json& rest) : where_(where), file_(file), rest_(rest) {}

  bool null() override { return value(nullptr, "null"); }
  bool boolean(bool v) override { return value(v, "a boolean"); }
  bool number_integer(number_integer_t v) override { return in_vocab_ ? token_id(v) : value(v, "a number"); }
  bool number_unsigned(number_unsigned_t v) override {
    if (!in_vocab_) return value(v, "a number");
    return token_id(int64_t(std::min<uint64_t>(v, std::numeric_limits<int64_t>::max())));
  }
  bool number_float(number_float_t v, const string_t&) override { return value(v, "a fraction"); }
  bool binary(binary_t&) override { return false; }
  bool string(string_t& v) override {
    if (!in_merges_) return value(std::move(v), "a string");
    if (pair_open_) {
      if (pair_.size() == 2) merge_error("has more than two parts");
      pair_.push_back(std::move(v));
      return true;
    }
    if (v.starts_with("#version")) return true;
    const size_t space = v.find(' ');
    if (space == v.npos || v.find(' ', space + 1) != v.npos)
      merge_error(fmt::format("\"{}\" is not two tokens with a space between", shown(v)));
    file_.merges.emplace_back(v.substr(0, space), v.substr(space + 1));
    return true;
  }
  bool key(string_t& k) override {
    key_ = std::move(k);
    if (depth() == 1) top_key_ = key_;
    return true;
  }
  bool start_object(size_t) override {
    if (at_model("vocab")) {
      if (!file_.vocabulary.empty()) user_error("{}: model.vocab: appears twice", where_);
      in_vocab_ = true;
      return true;
    }
    return open(json::object(), "an object");
  }
  bool end_object() override {
    if (in_vocab_) in_vocab_ = false;
    else open_.pop_back();
    return true;
  }
  bool start_array(size_t) override {
    if (in_merges_ && !pair_open_) {
      pair_open_ = true;
      pair_.clear();
      return true;
    }
    if (at_model("merges")) {
      if (!file_.merges.empty()) user_error("{}: model.merges: appears twice", where_);
      in_merges_ = true;
      return true;
    }
    return open(json::array(), "a list");
  }
  bool end_array() override {
    if (pair_open_) {
      if (pair_.size() != 2) merge_error("has fewer than two parts");
      file_.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
      pair_open_ = false;
    } else if (in_merges_) {
      in_merges_ = false;
    } else {
      open_.pop_back();
    }
    return true;
  }
  bool parse_error(size_t position, const std::string&, const json::exception& e) override {
    std::string_view reason = e.what();
    if (const size_t bracket = reason.find("] "); bracket != reason.npos) reason.remove_prefix(bracket + 2);
    user_error("{}: not valid JSON at byte {}: {}", where_, position, reason);
  }

 private:
  size_t depth() const { return open_.size(); }
  bool at_model(std::string_view name) const {
    return depth() == 2 && !in_vocab_ && !in_merges_ && top_key_ == "model" && key_ == name;
  }
  [[noreturn]] void merge_error(std::string_view what) const {
    user_error("{}: model.merges[{}]: {}", where_, file_.merges.size(), what);
  }
  json* add(json v) {
    if (open_.empty()) {
      rest_ = std::move(v);
      return &rest_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(v));
      return &parent.back();
    }
    json& slot = parent[key_];
    slot = std::move(v);
    return &slot;
  }
  bool value(json v, std::string_view kind) {
    if (in_vocab_) user_error("{}: model.vocab[\"{}\"]: must be an integer, is {}", where_, shown(key_), kind);
    if (in_merges_) merge_error(fmt::format("must be \"left right\" or [\"left\", \"right\"], is {}", kind));
    add(std::move(v));
    return true;
  }
  bool open(json v, std::string_view kind) {
    if (in_vocab_ || in_merges_) return value(nullptr, kind);
    if (depth() >= 64) user_error("{}: nested deeper than 64 levels", where_);
    open_.push_back(add(std::move(v)));
    return true;
  }
  bool token_id(int64_t id) {
    if (id < 0 || id > kMaxTokenId)
      user_error("{}: model.vocab[\"{}\"]: id {} is outside of 0 … {}", where_, shown(key_), id, kMaxTokenId);
    file_.vocabulary.push_back({std::move(key_), int32_t(id)});
    return true;
  }

  std::string_view where_;
  TokenizerFile& file_;
  json& rest_;
  std::vector<json*> open_;  // a container never moves while it is open: its parent only grows behind it
  std::string key_, top_key_;
  bool in_vocab_ = false, in_merges_ = false, pair_open_ = false;
  std::vector<std::string> pair_;
};

bool flag(const json& token, const char* key, std::string_view where) {
  const auto found = token.find(key);
  if (found == token.end()) return false;
  if (!found->is_boolean()) user_error("{}.{}: must be true or false, is {}", where, key, found->type_name());
  return found->get<bool>();
}

}  // namespace

void read_tokenizer_json(std::string_view text, std::string_view where, TokenizerFile& file, json& rest) {
  Reader reader(where, file, rest);
  refuse_nul(text, where);
  json::sax_parse(text, &reader);
  if (!rest.is_object()) user_error("{}: not a tokenizer.json: the top level is no object", where);
  const auto added = rest.find("added_tokens");
  if (added == rest.end() || added->is_null()) return;
  if (!added->is_array()) user_error("{}: added_tokens: must be a list, is {}", where, added->type_name());
  for (size_t i = 0; i < added->size(); ++i) {
    const json& token = (*added)[i];
    const std::string field = fmt::format("{}: added_tokens[{}]", where, i);
    if (!token.is_object()) user_error("{}: must be an object, is {}", field, token.type_name());
    const auto id = token.find("id"), content = token.find("content");
    if (id == token.end() || !id->is_number_integer()) user_error("{}.id: must be an integer", field);
    if (content == token.end() || !content->is_string()) user_error("{}.content: must be a string", field);
    const int64_t value = id->is_number_unsigned() ? int64_t(std::min<uint64_t>(id->get<uint64_t>(), uint64_t(1) << 62))
                                                   : id->get<int64_t>();
    if (value < 0 || value > kMaxTokenId) user_error("{}.id: {} is outside of 0 … {}", field, value, kMaxTokenId);
    if (content->get_ref<const std::string&>().empty()) user_error("{}.content: is empty", field);
    file.added.push_back({int32_t(value), content->get<std::string>(), flag(token, "special", field),
                          flag(token, "single_word", field), flag(token, "lstrip", field), flag(token, "rstrip", field),
                          flag(token, "normalized", field)});
  }
}

}  // namespace minke
