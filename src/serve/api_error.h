// What a client did wrong, or what could not be done for it, in OpenAI's form: {"error": {"message", "type", "param", "code"}}.
#pragma once
#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/json.h"

namespace minke {

struct ApiError : std::runtime_error {
  ApiError(int http_status, const std::string& message, std::string_view of_param = "", std::string_view of_code = "")
      : std::runtime_error(message), status(http_status), param(of_param), code(of_code) {}
  int status;                  // of HTTP
  std::string param, code;     // the field of the request, a name for programs; may be empty
  Json more = Json::object();  // further members of "error"
};

// A 400. `param`: the field that is wrong.
template <class... Args>
[[noreturn]] void bad_request(std::string_view param, fmt::format_string<Args...> format, Args&&... args) {
  throw ApiError(400, fmt::format(format, std::forward<Args>(args)...), param);
}

Json to_json(const ApiError& error);

}  // namespace minke
