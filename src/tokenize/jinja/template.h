// Jinja templates as the chat templates of published models use them: an interpreter that gives what Jinja2 gives as the
// transformers library sets it up (sandbox, trim_blocks, lstrip_blocks, break and continue, {% generation %}, tojson as
// json.dumps without escaping, raise_exception, strftime_now). What it does not know (include, call, ** …) is an error with
// its name, never other text, but for two corners: `safe` marks nothing, and an input that the template sets after an inner
// block has read it is the input there, not undefined. A template may be hostile: its steps, memory and depth are bounded.
// tools/jinja_cases.py compares with Jinja2. Tested in tests/tokenize/jinja_test.cpp.
#pragma once
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "core/json.h"

namespace minke {

struct JinjaLimits {
  size_t steps = 10'000'000;         // a second or two at worst
  size_t bytes = size_t(128) << 20;  // of all texts and values that the rendering makes
};

class JinjaTemplate {
 public:
  // `where` (a file, or a field of one) begins every message. UserError for what is no template.
  JinjaTemplate(std::string_view source, std::string_view where);
  ~JinjaTemplate();
  JinjaTemplate(JinjaTemplate&&) noexcept;
  JinjaTemplate& operator=(JinjaTemplate&&) noexcept;

  // The inputs are the template's variables (an object); `now` is what strftime_now shows. UserError for whatever the
  // template does wrong or refuses by raise_exception. May be called from several threads at once.
  std::string render(const Json& inputs, const std::tm& now, const JinjaLimits& limits = {}) const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

// What the clock shows here, for `now`; and a time like "2025-01-20T12:00:00" (UserError if it is none).
std::tm local_time();
std::tm parse_time(std::string_view text);

}  // namespace minke
