// NUMA: memory in several nodes, each near to some of the CPUs. Any thread may take any task, so on such a machine the pages of
// all that a process allocates, and of what it first reads from files, are interleaved over the nodes whose CPUs compute: each
// thread gets the mean of near and far memory, and all controllers work. Workers are spread evenly and stay on the CPUs of one
// node; which of them is the kernel's choice, so that two programs can share the machine. The calling thread is not bound, because
// others inherit from it. Where there is one node, or numactl has set a policy, nothing is done.
// What the kernel tells is read below a root, and what is asked of it goes through NodeCalls: tests show machines that are not
// here. Test: tests/core/memory_nodes_test.cpp.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace minke {

struct MemoryNode {
  int id = 0;
  std::vector<int> cpus;  // that this process may use
  size_t memory = 0;      // bytes; 0 if there is none, or none for this process
};

// Those with CPUs or memory for this process; none if the kernel does not say.
std::vector<MemoryNode> memory_nodes(const std::filesystem::path& root = "/");

// Each returns 0 or an errno.
class NodeCalls {
 public:
  virtual ~NodeCalls() = default;
  virtual int bind_thread(const std::vector<int>& cpus) = 0;  // the calling one
  virtual bool has_policy() = 0;                              // one that somebody has set, for the calling thread
  virtual int interleave(const std::vector<int>& nodes) = 0;  // what this thread, and those that it starts, touch first
  virtual int bind_memory(void* data, size_t bytes, int node) = 0;  // whole pages, not touched yet
  virtual int node_of(const void* address) = 0;                     // where its page is; below 0 if that is not known
};
NodeCalls& node_calls();  // the kernel's

class MemoryPlacement {
 public:
  // Interleaves what the calling thread and those that it starts from now on will touch.
  MemoryPlacement(std::vector<MemoryNode> nodes, int threads, NodeCalls& calls = node_calls());
  // For the threads of a pool, each for itself; 0 is the calling one.
  void bind(int thread) const;
  bool interleaved() const { return interleaved_; }
  // " on 2 memory nodes, memory interleaved": to follow the number of threads. "" where nothing is done.
  const std::string& text() const { return text_; }
  // "" or, where memory is interleaved and these pages of a mapped file lie on one node only, a line for people.
  std::string file_note(std::span<const void* const> pages) const;

 private:
  NodeCalls* calls_;
  std::vector<MemoryNode> nodes_;       // on which threads compute
  std::vector<size_t> node_of_thread_;  // of nodes_; empty where nothing is done
  bool interleaved_ = false;
  std::string text_;
};

}  // namespace minke
