#include "serve/api_error.h"

namespace minke {

Json to_json(const ApiError& e) {
  const char* type = e.status == 401   ? "authentication_error"
                     : e.status == 404 ? "not_found_error"
                     : e.status == 429 ? "rate_limit_error"
                     : e.status >= 500 ? "server_error"
                                       : "invalid_request_error";
  Json error{{"message", e.what()},
             {"type", type},
             {"param", e.param.empty() ? Json() : Json(e.param)},
             {"code", e.code.empty() ? Json() : Json(e.code)}};
  error.update(e.more);
  return {{"error", error}};
}

}  // namespace minke
