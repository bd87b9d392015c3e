#include "core/machine_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string>

#include "core/files.h"
#include "core/system_files.h"

namespace minke {
namespace {

// "max" (v2) is no number, and v1's "no limit" is larger than any machine.
size_t limit_in(const fs::path& file) {
  const std::string text = system_file(file);
  size_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  return error == std::errc() && end != text.data() ? bytes : SIZE_MAX;
}

// A group is bound by its own limit and by those of all groups around it.
size_t limit_along(const fs::path& hierarchy, fs::path group, const char* name) {
  size_t limit = SIZE_MAX;
  for (group = group.relative_path();; group = group.parent_path()) {
    limit = std::min(limit, limit_in(hierarchy / group / name));
    if (group.empty()) return limit;
  }
}

}  // namespace

size_t machine_memory(const fs::path& root) {
  size_t bytes = size_t(::sysconf(_SC_PHYS_PAGES)) * size_t(::sysconf(_SC_PAGESIZE));
  const fs::path groups = root / "sys/fs/cgroup";
  // Inside a container the group's path may be one of the host's, that is not there: its root is the container's own.
  bytes = std::min({bytes, limit_in(groups / "memory.max"), limit_in(groups / "memory/memory.limit_in_bytes")});
  // "0::/user.slice/…" (v2), "4:memory:/docker/…" (v1)
  std::istringstream lines(system_file(root / "proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = first == line.npos ? first : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) bytes = std::min(bytes, limit_along(groups, path, "memory.max"));
    else if (controllers == "memory")
      bytes = std::min(bytes, limit_along(groups / "memory", path, "memory.limit_in_bytes"));
  }
  return bytes;
}

size_t free_memory(const fs::path& root) {
  const size_t all = machine_memory(root), held = process_memory().now;
  const size_t left = all > held ? all - held : 0;  // of a group's limit
  return std::min(left, bytes_in_line(system_file(root / "proc/meminfo"), "MemAvailable:").value_or(left));
}

ProcessMemory process_memory() {
  ::malloc_trim(0);
  const std::string status = system_file("/proc/self/status");
  return {bytes_in_line(status, "VmRSS:").value_or(0), bytes_in_line(status, "VmHWM:").value_or(0)};
}

}  // namespace minke
