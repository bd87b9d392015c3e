// libFuzzer: any bytes are a log from which a page is made, or one without a step; no text of it becomes markup.
#include <cstdlib>

#include "report/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  minke::RunLog run = minke::parse_run_log(text);
  run.name = run.recipe = text;
  run.recipe_keys = minke::parse_recipe_keys(text);
  if (run.step.empty()) return 0;
  const std::vector<minke::RunLog> runs{std::move(run)};
  const std::string page = minke::report_html(runs);
  size_t scripts = 0;
  for (size_t at = 0; (at = page.find("<script", at)) != page.npos; ++at) ++scripts;
  if (scripts != 1 || page.size() > 4'000'000 + 20 * size) __builtin_trap();
  return 0;
}
