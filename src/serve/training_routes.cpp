#include "serve/training_routes.h"

#include <fmt/format.h>

#include <charconv>

#include "core/error.h"
#include "serve/api_error.h"
#include "serve/json_text.h"

namespace minke {

bool TrainingRoutes::answer(const HttpRequest& request, const HttpReply& reply, const HttpHeaders& headers) {
  constexpr std::string_view kOne = "/training/";
  const bool all = request.path == "/training";
  if (!all && !request.path.starts_with(kOne)) return false;
  int64_t index = -1;
  if (!all) {
    const std::string_view number = std::string_view(request.path).substr(kOne.size());
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
    if (error != std::errc() || end != number.data() + number.size() || index < 0)
      throw ApiError(404, fmt::format("there is nothing at {}", printable(request.path)));
  }
  if (request.method != "GET" && request.method != "HEAD")
    throw ApiError(405, fmt::format("{} is not asked with {}", request.path, printable(request.method)));
  worker_.add(request.from, [this, index, reply, headers] {
    int status = 200;
    std::string text;
    try {
      text = index < 0 ? json_text(runs_.list()) : runs_.run(index);
      if (text == "null") status = 404, text = json_text(to_json(ApiError(404, "there is no such run")));
    } catch (const std::exception& e) {  // a folder that cannot be read
      status = 500, text = json_text(to_json(ApiError(500, e.what())));
    }
    reply.send(status, "application/json; charset=utf-8", std::move(text), headers);
  });
  return true;
}

}  // namespace minke
