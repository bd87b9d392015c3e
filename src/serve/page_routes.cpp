#include "serve/page_routes.h"

#include <fmt/format.h>

#include <map>

#include "report/event_file.h"
#include "serve/page_files.h"

namespace minke {
namespace {

// Images: only those that the page makes itself, of the figures of a training run.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

struct Served {
  const PageFile* file;
  std::string etag;
};

const std::map<std::string, Served, std::less<>>& table() {
  static const auto all = [] {
    std::map<std::string, Served, std::less<>> t;
    for (const PageFile& f : page_files()) {
      const Served served{&f, fmt::format("\"{:08x}-{:x}\"", crc32c(f.bytes), f.bytes.size())};
      if (f.name == "index.html") t["/"] = t["/index.html"] = served;
      else t[fmt::format("/page/{}", f.name)] = served;
    }
    return t;
  }();
  return all;
}

// If-None-Match: a list of tags, weak ones as good, or "*".
bool is_known(std::string_view tags, std::string_view etag) {
  while (!tags.empty()) {
    std::string_view tag = tags.substr(0, tags.find(','));
    tags.remove_prefix(std::min(tags.size(), tag.size() + 1));
    while (tag.starts_with(' ')) tag.remove_prefix(1);
    while (tag.ends_with(' ')) tag.remove_suffix(1);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == "*" || tag == etag) return true;
  }
  return false;
}

}  // namespace

bool answer_page(const HttpRequest& request, const HttpReply& reply) {
  const auto found = table().find(request.path);
  if (found == table().end()) return false;
  const auto& [file, etag] = found->second;
  if (request.method != "GET" && request.method != "HEAD") {
    reply.send(405, "text/plain; charset=utf-8", "A page is asked for with GET.\n", {{"Allow", "GET, HEAD"}});
    return true;
  }
  // A browser keeps the files, and asks each time whether they are still the same: another minke may be at this address tomorrow.
  HttpHeaders headers{{"ETag", etag},
                      {"Cache-Control", "no-cache"},
                      {"Content-Security-Policy", kPolicy},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Cross-Origin-Resource-Policy", "same-origin"}};
  const bool same = is_known(request.header("if-none-match"), etag);
  reply.send(same ? 304 : 200, file->type, std::string(same ? std::string_view() : file->bytes), std::move(headers));
  return true;
}

}  // namespace minke
