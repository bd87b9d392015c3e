#include "app/bench_sheet.h"

#include <fmt/core.h>

#include <cstdio>

#include "core/files.h"

namespace minke {

Sheet::Sheet(std::string path) : path_(std::move(path)) {
  std::error_code ignored;
  const fs::file_type type = fs::status(path_, ignored).type();
  const bool is_stream =
      type != fs::file_type::not_found && type != fs::file_type::regular && type != fs::file_type::directory;
  if (!path_.empty() && !is_stream) const AtomicFile can_be_written(path_);
}

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

void Sheet::save() const {
  if (!path_.empty()) write_file_atomic(path_, document_.dump(2) + "\n");
}

}  // namespace minke
