#include "core/system_files.h"

#include <sys/resource.h>

#include <charconv>
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

std::vector<int> number_list(const std::string& text) {
  std::vector<int> all;
  const char *at = text.data(), *end = at + text.size();
  const auto number = [&](int& to) {
    const auto [next, error] = std::from_chars(at, end, to);
    at = next;
    return error == std::errc() && to >= 0 && to <= 65535;
  };
  while (at < end && (*at == ' ' || *at == '\t')) ++at;
  for (int first = 0; all.size() <= 65535 && number(first);) {
    int last = first;
    if (at < end && *at == '-' && (++at, !number(last))) break;
    for (int i = first; i <= last; ++i) all.push_back(i);
    if (at == end || *at++ != ',') break;
  }
  return all;
}

void allow_many_open_files() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace minke
