#include "core/memory_nodes.h"

#include <fmt/format.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <set>

#include "core/files.h"
#include "core/system_files.h"

namespace minke {
namespace {

constexpr unsigned long kMaxNodes = 1024, kBits = 8 * sizeof(unsigned long);
using NodeMask = std::array<unsigned long, kMaxNodes / kBits>;

NodeMask mask_of(const std::vector<int>& nodes) {
  NodeMask mask{};
  for (const int n : nodes)
    if (n >= 0 && unsigned(n) < kMaxNodes) mask[unsigned(n) / kBits] |= 1ul << unsigned(n) % kBits;
  return mask;
}

int error_of(long result) { return result == 0 ? 0 : errno; }

class KernelCalls final : public NodeCalls {
 public:
  int bind_thread(const std::vector<int>& cpus) override {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int c : cpus)
      if (c >= 0 && c < CPU_SETSIZE) CPU_SET(c, &set);
    return error_of(::sched_setaffinity(0, sizeof set, &set));
  }
  bool has_policy() override {
    int mode = MPOL_DEFAULT;
    return ::syscall(SYS_get_mempolicy, &mode, nullptr, 0ul, nullptr, 0ul) == 0 && mode != MPOL_DEFAULT;
  }
  int interleave(const std::vector<int>& nodes) override {
    const NodeMask mask = mask_of(nodes);
    return error_of(::syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, mask.data(), kMaxNodes + 1));
  }
  int bind_memory(void* data, size_t bytes, int node) override {
    const NodeMask mask = mask_of({node});
    return error_of(::syscall(SYS_mbind, data, bytes, MPOL_BIND, mask.data(), kMaxNodes + 1, 0u));
  }
  int node_of(const void* address) override {
    const auto page_bytes = uintptr_t(::sysconf(_SC_PAGESIZE));
    auto* page = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(address) / page_bytes * page_bytes);
    [[maybe_unused]] const auto touched = *static_cast<const volatile char*>(address);  // or it has no page here yet
    int node = -1;
    return ::syscall(SYS_move_pages, 0, 1ul, &page, nullptr, &node, 0) == 0 ? node : -1;
  }
};

std::vector<int> allowed(const std::string& status, std::string_view name) {
  const size_t at = status.find(name);
  if (at == status.npos) return {};
  const size_t begin = at + name.size();
  return number_list(status.substr(begin, status.find('\n', begin) - begin));
}

std::vector<int> common(std::vector<int> a, const std::vector<int>& b) {
  std::erase_if(a, [&](int x) { return std::find(b.begin(), b.end(), x) == b.end(); });
  return a;
}

}  // namespace

NodeCalls& node_calls() {
  static KernelCalls calls;  // stateless
  return calls;
}

std::vector<MemoryNode> memory_nodes(const fs::path& root) {
  const fs::path folder = root / "sys/devices/system/node";
  const std::string status = system_file(root / "proc/self/status");
  const std::vector<int> cpus = allowed(status, "Cpus_allowed_list:"),
                         with_memory = allowed(status, "Mems_allowed_list:");
  std::vector<MemoryNode> nodes;
  for (const int id : number_list(system_file(folder / "online"))) {
    const fs::path node = folder / fmt::format("node{}", id);
    MemoryNode n{.id = id, .cpus = common(number_list(system_file(node / "cpulist")), cpus)};
    if (std::find(with_memory.begin(), with_memory.end(), id) != with_memory.end())
      n.memory = bytes_in_line(system_file(node / "meminfo"), fmt::format("Node {} MemTotal:", id)).value_or(0);
    if (!n.cpus.empty() || n.memory > 0) nodes.push_back(std::move(n));
  }
  return nodes;
}

MemoryPlacement::MemoryPlacement(std::vector<MemoryNode> nodes, int threads, NodeCalls& calls)
    : calls_(&calls), nodes_(std::move(nodes)) {
  std::erase_if(nodes_, [](const MemoryNode& n) { return n.cpus.empty(); });
  if (nodes_.size() < 2) return;
  std::vector<size_t> node_of_thread, counts(nodes_.size());
  for (int t = 0; t < threads; ++t) {  // the node with the fewest threads for its CPUs
    size_t least = 0;
    for (size_t n = 1; n < nodes_.size(); ++n)
      if ((counts[n] + 1) * nodes_[least].cpus.size() < (counts[least] + 1) * nodes_[n].cpus.size()) least = n;
    ++counts[least];
    node_of_thread.push_back(least);
  }
  std::vector<int> ids;
  for (size_t n = 0; n < nodes_.size(); ++n)
    if (counts[n] > 0 && nodes_[n].memory > 0) ids.push_back(nodes_[n].id);
  if (ids.size() < 2) return;
  if (calls.has_policy()) {
    text_ = fmt::format(" ({} memory nodes, memory as numactl has set it)", nodes_.size());
    return;
  }
  node_of_thread_ = std::move(node_of_thread);
  const int error = calls.interleave(ids);
  interleaved_ = error == 0;
  text_ = interleaved_ ? fmt::format(" on {} memory nodes, memory interleaved", ids.size())
                       : fmt::format(" on {} memory nodes, memory not interleaved ({}; numactl --interleave=all may)",
                                     ids.size(), std::strerror(error));
}

void MemoryPlacement::bind(int thread) const {
  if (thread > 0 && size_t(thread) < node_of_thread_.size())
    calls_->bind_thread(nodes_[node_of_thread_[size_t(thread)]].cpus);
}

std::string MemoryPlacement::file_note(std::span<const void* const> pages) const {
  if (!interleaved_ || pages.empty()) return "";
  std::set<int> found;
  for (const void* p : pages) found.insert(calls_->node_of(p));
  if (found.size() != 1 || *found.begin() < 0) return "";
  return fmt::format(
      "note: the weights that stay in the file lie in the memory of node {} only, because the system has cached them "
      "there: "
      "without --no-repack most quantised weights are copied to all nodes; other files are spread when they are read "
      "anew",
      *found.begin());
}

}  // namespace minke
