#include "sandbox/process_tree.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <string>

#include "core/system_files.h"

namespace minke {
namespace {

constexpr size_t kMostProcesses =
    4096;  // more than any limit on processes; a bound if the kernel's files change under us

}  // namespace

std::vector<pid_t> process_tree(pid_t first) {
  std::vector<pid_t> tree{first};
  for (size_t i = 0; i < tree.size() && tree.size() < kMostProcesses; ++i) {
    std::error_code error;
    const std::filesystem::path tasks = fmt::format("/proc/{}/task", tree[i]);
    for (auto task = std::filesystem::directory_iterator(tasks, error);
         !error && task != std::filesystem::directory_iterator(); task.increment(error)) {
      std::istringstream children(system_file(task->path() / "children"));
      for (pid_t child; children >> child && tree.size() < kMostProcesses;) tree.push_back(child);
    }
    if (i == 0 && error) return {};
  }
  return tree;
}

TreeUse use_of(const std::vector<pid_t>& tree) {
  static const double tick = 1.0 / double(sysconf(_SC_CLK_TCK));
  static const int64_t page = sysconf(_SC_PAGESIZE);
  TreeUse use;
  for (const pid_t process : tree) {
    const std::string stat = system_file(fmt::format("/proc/{}/stat", process));
    const size_t name_end = stat.rfind(')');  // the name before it may hold anything
    if (name_end == stat.npos) continue;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    for (int i = 3; i < 14; ++i) fields >> skipped;
    double own_user = 0, own_system = 0, children_user = 0, children_system = 0;
    fields >> own_user >> own_system >> children_user >> children_system;
    use.cpu_seconds += (own_user + own_system + children_user + children_system) * tick;
    std::istringstream memory(system_file(fmt::format("/proc/{}/statm", process)));
    int64_t all = 0, resident = 0;
    if (memory >> all >> resident) use.resident_bytes += resident * page;
    ++use.processes;
  }
  return use;
}

int64_t proportional_bytes(const std::vector<pid_t>& tree) {
  int64_t sum = 0;
  for (const pid_t process : tree) {
    const std::string text = system_file(fmt::format("/proc/{}/smaps_rollup", process));
    sum += int64_t(bytes_in_line(text, "Pss:").value_or(0)) + int64_t(bytes_in_line(text, "SwapPss:").value_or(0));
  }
  return sum;
}

int64_t files_in(pid_t process, const char* folder) {
  struct statvfs s {};
  if (statvfs(fmt::format("/proc/{}/root{}", process, folder).c_str(), &s) != 0) return 0;
  return int64_t(s.f_files) - int64_t(s.f_ffree);
}

}  // namespace minke
