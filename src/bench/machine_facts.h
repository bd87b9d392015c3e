// What a machine has that matters to minke, as the system tells it, and what could be better. Nothing is measured here.
// Test: tests/bench/machine_facts_test.cpp.
#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace minke {

struct MachineFacts {
  std::string processor;  // "AMD EPYC 7B13"; "" if unknown
  int cpus = 0;           // that are on
  int allowed_cpus = 0;   // that this process may use
  int cores = 0;          // physical ones; 0 if unknown
  double quota = 0;       // CPUs that a control group gives; 0 = no limit
  int memory_nodes = 1;   // NUMA
  size_t memory = 0, free_memory = 0;
  size_t swap_used = 0;
  std::string huge_pages;          // of memory that does not ask by itself: "always", "madvise", "never"; "" if unknown
  std::string governor;            // of the first CPU's clock; "" if there is none
  std::optional<bool> namespaces;  // of users: code that a model writes runs in one; nothing if unknown
  std::string mpi;                 // the program that starts processes: its path, or ""
};

// root: the folder that contains proc/ and sys/. path: folders of programs, as in PATH.
MachineFacts machine_facts(const std::filesystem::path& root, std::string_view path);

// What to change, a sentence each.
std::vector<std::string> advice(const MachineFacts& facts);

}  // namespace minke
