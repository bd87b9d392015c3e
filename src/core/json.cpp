#include "core/json.h"

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {

Json parse_json(std::string_view text, std::string_view where) {
  constexpr int kMaxDepth = 256;
  int depth = 0;
  bool in_string = false, escaped = false;
  for (char c : text) {
    if (in_string) {
      if (escaped) escaped = false;
      else if (c == '\\') escaped = true;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) user_error("{}: JSON is nested deeper than {} levels", where, kMaxDepth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    std::string_view reason = e.what();
    if (const size_t bracket = reason.find("] "); bracket != reason.npos) reason.remove_prefix(bracket + 2);
    user_error("{}: not valid JSON: {}", where, reason);
  }
}

}  // namespace minke
