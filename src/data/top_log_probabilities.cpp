#include "data/top_log_probabilities.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/hash.h"

namespace minke {
namespace {

// A token that cannot be drawn has −∞, which JSON does not have.
constexpr double kLeast = -1e4;
// Of rounding to five digits: K logarithms, each up to 5·10⁻⁵ of itself too large, and −p log p is below 1/e.
constexpr double kRounding = 0x1p-7;

// In five digits; read and written again it is the same text.
double rounded(float x) { return std::strtod(fmt::format("{:.5g}", x == 0 ? 0.0F : x).c_str(), nullptr); }

const Json& list_at(const Json& json, const char* key, std::string_view where) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) user_error("{}: \"top_logprobs\" lacks the list \"{}\"", where, key);
  return *found;
}

int32_t id_of(const Json& value, std::string_view where) {
  if (!value.is_number_integer() || value.get<double>() < 0 || value.get<double>() > INT32_MAX)
    user_error("{}: \"top_logprobs\": {} is not the id of a token", where,
               value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 40));
  return value.get<int32_t>();
}

}  // namespace

void TopLogProbabilities::add(int32_t token, std::span<const std::pair<int32_t, double>> top) {
  check(!top.empty() && (tokens.empty() || top.size() == k()), "TopLogProbabilities::add: as many as before");
  tokens.push_back(token);
  for (const auto& [id, log] : top) ids.push_back(id), log_probabilities.push_back(float(std::max(log, kLeast)));
}

Json to_json(const TopLogProbabilities& top) {
  Json ids = Json::array(), logs = Json::array();
  for (size_t i = 0; i < top.tokens.size(); ++i) {
    Json &row = ids.emplace_back(Json::array()), &log = logs.emplace_back(Json::array());
    for (size_t k = i * top.k(); k < (i + 1) * top.k(); ++k)
      row.push_back(top.ids[k]), log.push_back(rounded(top.log_probabilities[k]));
  }
  return {{"vocabulary", top.vocabulary}, {"tokens", top.tokens}, {"ids", ids}, {"logprobs", logs}};
}

TopLogProbabilities top_log_probabilities(const Json& json, std::string_view where) {
  if (!json.is_object()) user_error("{}: \"top_logprobs\" is an object", where);
  TopLogProbabilities top;
  const auto vocabulary = json.find("vocabulary");
  if (vocabulary == json.end() || !vocabulary->is_string())
    user_error("{}: \"top_logprobs\" lacks \"vocabulary\", which says what its ids mean", where);
  top.vocabulary = *vocabulary;
  const Json &tokens = list_at(json, "tokens", where), &ids = list_at(json, "ids", where),
             &logs = list_at(json, "logprobs", where);
  if (tokens.empty() || ids.size() != tokens.size() || logs.size() != tokens.size())
    user_error("{}: \"top_logprobs\": {} tokens, {} rows of ids and {} of logprobs: as many of each are expected",
               where, tokens.size(), ids.size(), logs.size());
  const size_t k = ids[0].is_array() ? ids[0].size() : 0;
  if (k < 1 || k > size_t(kMostTopLogProbabilities))
    user_error("{}: \"top_logprobs\": a token has from 1 to {} ids", where, kMostTopLogProbabilities);
  for (size_t i = 0; i < tokens.size(); ++i) {
    top.tokens.push_back(id_of(tokens[i], where));
    if (!ids[i].is_array() || !logs[i].is_array() || ids[i].size() != k || logs[i].size() != k)
      user_error("{}: \"top_logprobs\": token {} has not {} ids and logprobs, as the first one has", where, i, k);
    double mass = 0;
    for (size_t j = 0; j < k; ++j) {
      const int32_t id = id_of(ids[i][j], where);
      if (std::find(top.ids.end() - ptrdiff_t(j), top.ids.end(), id) != top.ids.end())
        user_error("{}: \"top_logprobs\": token {} has the id {} twice", where, i, id);
      const double log = logs[i][j].is_number() ? logs[i][j].get<double>() : 1;
      if (!(log <= 0))
        user_error("{}: \"top_logprobs\": token {}: a logarithm of a probability is at most 0", where, i);
      mass += std::exp(log);
      top.ids.push_back(id), top.log_probabilities.push_back(float(std::max(log, kLeast)));
    }
    if (mass > 1 + kRounding)
      user_error("{}: \"top_logprobs\": token {}: its probabilities sum to {:.4f}", where, i, mass);
  }
  return top;
}

std::string vocabulary_hash(const Tokenizer& tokenizer) {
  std::string all;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string_view bytes = tokenizer.token_bytes(id);
    all += fmt::format("{}:", bytes.size());  // so that no two lists of tokens are one text
    all += bytes;
  }
  return fmt::format("{:016x}", hash64(all));
}

}  // namespace minke
