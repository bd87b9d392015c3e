#include "report/text.h"

#include <nlohmann/json.hpp>

#include "core/json.h"

namespace minke {

std::string valid_utf8(std::string_view text) {
  return parse_json(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace), "text").get<std::string>();
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : valid_utf8(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      case '\n':
      case '\t': out += c; break;
      case '\x7f': out += "\ufffd"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? std::string("\ufffd") : std::string(1, c);
    }
  }
  return out;
}

}  // namespace minke
