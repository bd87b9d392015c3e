#include "app/bench_sheet.h"

#include <fmt/core.h>

#include <cstdio>

#include "core/files.h"

namespace minke {

void Sheet::line(std::string_view label, std::string_view text, const Json& fields) {
  fmt::print("{:<20}{}\n", label, text);
  std::fflush(stdout);
  document_.update(fields);
}

void Sheet::row(const char* list, std::string_view text, const Json& fields) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
  document_[list].push_back(fields);
}

void Sheet::save(const std::string& path) const {
  if (!path.empty()) write_file_atomic(path, document_.dump(2) + "\n");
}

}  // namespace minke
