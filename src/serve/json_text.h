// JSON as it is sent.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "core/json.h"

namespace minke {

// Text may end within a character where an answer is cut off: U+FFFD stands for that.
inline std::string json_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace minke
