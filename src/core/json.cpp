#include "core/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {

void refuse_nul(std::string_view text, std::string_view where) {
  if (const size_t at = text.find('\0'); at != text.npos)
    user_error("{}: not valid JSON: byte {} of {} is a NUL: the file is damaged, or is not JSON in UTF-8", where, at,
               text.size());
}

Json parse_json(std::string_view text, std::string_view where) {
  refuse_nul(text, where);
  constexpr int kMaxDepth = 256;
  // Json keeps keys in order and looks each new one up among all before it: quadratic, so their number is bounded.
  constexpr int kMaxKeys = 4096;
  constexpr size_t kMaxValues = size_t(1) << 20;  // each costs 16 bytes and more, but only two in the text: "0,"
  int depth = 0;
  int keys[kMaxDepth + 1] = {};  // of the object open at each depth
  size_t values = 0;
  bool in_string = false, escaped = false;
  for (char c : text) {
    if (in_string) {
      if (escaped) escaped = false;
      else if (c == '\\') escaped = true;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) user_error("{}: the JSON is nested deeper than {} levels", where, kMaxDepth);
      keys[std::max(depth, 0)] = 0;
    } else if (c == ',') {
      if (++values > kMaxValues) user_error("{}: the JSON has more than {} values", where, kMaxValues);
    } else if (c == ':') {
      if (++keys[std::max(depth, 0)] > kMaxKeys) user_error("{}: a JSON object has more than {} keys", where, kMaxKeys);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    std::string_view reason = e.what();
    if (const size_t bracket = reason.find("] "); bracket != reason.npos) reason.remove_prefix(bracket + 2);
    user_error("{}: not valid JSON: {}", where, printable(reason));
  }
}

}  // namespace minke
