#include "core/error.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace minke {

void bug(std::string_view what, SourceLocation where) {
  throw BugError(fmt::format("{}:{} {}: {}", where.file_name(), where.line(), where.function_name(), what));
}

std::string printable(std::string_view text) {
  const bool cut = text.size() > 200;
  const auto replace = nlohmann::json::error_handler_t::replace;  // the cut may split a character
  const std::string quoted = nlohmann::json(text.substr(0, 200)).dump(-1, ' ', false, replace);
  return quoted.substr(1, quoted.size() - 2) + (cut ? "…" : "");
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t up = row[j];
      row[j] = std::min({up + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

}  // namespace minke
