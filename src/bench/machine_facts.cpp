#include "bench/machine_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>
#include <utility>

#include "core/files.h"
#include "core/machine_memory.h"
#include "core/system_files.h"
#include "core/threads.h"

namespace minke {
namespace {

std::string first_line(const fs::path& file) {
  const std::string text = system_file(file);
  return text.substr(0, text.find('\n'));
}

// "always [madvise] never" → "madvise".
std::string chosen(const std::string& text) {
  const size_t begin = text.find('['), end = text.find(']');
  return begin < end && end != text.npos ? text.substr(begin + 1, end - begin - 1) : "";
}

void read_processor(const fs::path& root, MachineFacts& f) {
  std::istringstream lines(system_file(root / "proc/cpuinfo"));
  std::set<std::pair<std::string, std::string>> cores;
  std::string package;
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    if (colon == line.npos || colon + 2 > line.size()) continue;
    const std::string value = line.substr(colon + 2);
    if (line.starts_with("model name") && f.processor.empty()) f.processor = value;
    else if (line.starts_with("physical id")) package = value;
    else if (line.starts_with("core id")) cores.emplace(package, value);
  }
  f.cores = int(cores.size());
}

double quota_of(const fs::path& root) {
  std::istringstream text(first_line(root / "sys/fs/cgroup/cpu.max"));  // "200000 100000" or "max 100000"
  std::string quota;
  double period = 0;
  text >> quota >> period;
  return quota.empty() || quota == "max" || period <= 0 ? 0 : std::atof(quota.c_str()) / period;
}

size_t swap_used(const fs::path& root) {
  const std::string text = system_file(root / "proc/meminfo");
  const size_t total = bytes_in_line(text, "SwapTotal:").value_or(0);
  return total - std::min(bytes_in_line(text, "SwapFree:").value_or(0), total);
}

}  // namespace

MachineFacts machine_facts(const fs::path& root, std::string_view path) {
  MachineFacts f;
  read_processor(root, f);
  f.cpus = int(number_list(system_file(root / "sys/devices/system/cpu/online")).size());
  f.allowed_cpus = hardware_threads();
  f.quota = quota_of(root);
  f.memory_nodes = std::max(1, int(number_list(system_file(root / "sys/devices/system/node/has_memory")).size()));
  f.memory = machine_memory(root), f.free_memory = free_memory(root);
  f.swap_used = swap_used(root);
  f.huge_pages = chosen(first_line(root / "sys/kernel/mm/transparent_hugepage/enabled"));
  f.governor = first_line(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  const std::string most = first_line(root / "proc/sys/user/max_user_namespaces");
  if (!most.empty())
    f.namespaces = most != "0" && first_line(root / "proc/sys/kernel/unprivileged_userns_clone") != "0" &&
                   first_line(root / "proc/sys/kernel/apparmor_restrict_unprivileged_userns") != "1";
  std::istringstream folders{std::string(path)};
  for (std::string folder; f.mpi.empty() && std::getline(folders, folder, ':');) {
    std::error_code error;
    if (!folder.empty() && fs::exists(fs::path(folder) / "mpirun", error))
      f.mpi = (fs::path(folder) / "mpirun").string();
  }
  return f;
}

std::vector<std::string> advice(const MachineFacts& f) {
  std::vector<std::string> all;
  if (f.huge_pages == "never")
    all.push_back(
        "Huge pages are off, which costs time in large models. As root: echo madvise > "
        "/sys/kernel/mm/transparent_hugepage/enabled");
  if (f.governor == "powersave" || f.governor == "conservative")
    all.push_back(
        fmt::format("The clock is governed by \"{}\". As root: cpupower frequency-set -g performance", f.governor));
  if (f.allowed_cpus > 0 && f.cpus > f.allowed_cpus)
    all.push_back(
        fmt::format("This process may use {} of {} CPUs: started with more (taskset, a container's setting), it is "
                    "faster.",
                    f.allowed_cpus, f.cpus));
  if (f.quota > 0 && f.quota < f.allowed_cpus)
    all.push_back(
        fmt::format("A control group gives {:.3g} CPUs to {} threads, which wait for each other then: use -t {}.",
                    f.quota, f.allowed_cpus, std::max(1, int(f.quota))));
  if (f.cores > 0 && f.allowed_cpus > f.cores)
    all.push_back(
        fmt::format("{} CPUs are {} cores: two threads of a core share its arithmetic. Compare -t {} with the "
                    "default: minke bench gemm.",
                    f.allowed_cpus, f.cores, f.cores));
  if (f.free_memory < f.memory / 4) all.push_back("Most of the memory is taken by other programs.");
  if (f.swap_used > (size_t(64) << 20)) all.push_back("The system swaps: what does not fit in memory is very slow.");
  if (f.namespaces == false)
    all.push_back(
        "Users may not make namespaces, which the sandbox for code that models write will need. As root: sysctl "
        "kernel.unprivileged_userns_clone=1 (or kernel.apparmor_restrict_unprivileged_userns=0)");
  return all;
}

}  // namespace minke
