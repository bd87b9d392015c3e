#include "tokenize/jinja/template.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tokenize/jinja/machine.h"
#include "tokenize/unicode.h"

namespace minke {

struct JinjaTemplate::Compiled {
  std::string where;
  jinja::Node tree;
};

JinjaTemplate::JinjaTemplate(std::string_view source, std::string_view where) {
  constexpr size_t kMaxSource = size_t(1) << 18;
  if (source.size() > kMaxSource)
    user_error("{}: a template of {} bytes; the most are {}", where, source.size(), kMaxSource);
  if (!unicode::is_valid_utf8(source)) user_error("{}: the template is no valid UTF-8", where);
  auto compiled = std::make_unique<Compiled>();
  compiled->where = where;
  int line = 1;
  try {
    compiled->tree = jinja::parse(source, line);
  } catch (const jinja::Error& e) {
    user_error("{}: line {}: {}", where, line, printable(e.what()));
  }
  compiled_ = std::move(compiled);
}

JinjaTemplate::~JinjaTemplate() = default;
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;

std::string JinjaTemplate::render(const Json& inputs, const std::tm& now, const JinjaLimits& limits) const {
  if (!inputs.is_object()) user_error("the variables of a template must be an object, not {}", inputs.type_name());
  jinja::Heap heap(limits.steps, limits.bytes);
  int line = 1;
  try {
    return jinja::Machine(compiled_->tree, heap.from_json(inputs), now, heap, line).render();
  } catch (const jinja::Error& e) {
    user_error("{}: line {}: {}", compiled_->where, line, printable(e.what()));
  }
}

std::tm local_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm out{};
  localtime_r(&seconds, &out);
  return out;
}

std::tm parse_time(std::string_view text) {
  const std::string copy(text);
  std::tm out{};
  const char* const end = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &out);
  std::tm normal = out;  // the day of the week and of the year come in; what is no date becomes another
  timegm(&normal);
  if (!end || *end || normal.tm_mday != out.tm_mday || normal.tm_sec != out.tm_sec)
    user_error("\"{}\" is no time; it must be like 2025-01-20T12:00:00", printable(text));
  return normal;
}

}  // namespace minke
