// The routes of the chat page: / and /page/FILE, out of a table in memory, without a key. What its headers forbid, no browser does,
// whatever a model says: no script, style, image, frame or address but the page's own. Test: tests/serve/page_routes_test.cpp.
#pragma once
#include "serve/http_server.h"

namespace minke {

// Whether the request is one for the page; then it is answered.
bool answer_page(const HttpRequest& request, const HttpReply& reply);

}  // namespace minke
