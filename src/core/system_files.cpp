#include "core/system_files.h"

#include <cstdlib>
#include <sstream>

#include "core/error.h"
#include "core/files.h"

namespace minke {

std::string system_file(const fs::path& file) {
  try {
    return read_file(file, 1 << 24);
  } catch (const UserError&) {
    return "";
  }
}

std::optional<size_t> bytes_in_line(const std::string& text, std::string_view name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name)) return std::strtoull(line.c_str() + name.size(), nullptr, 10) << 10;
  return {};
}

}  // namespace minke
