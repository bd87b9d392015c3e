// What the processes of a sandbox use, from outside: the first process and all that descend from it, as /proc shows them. Inside,
// whoever loses its parent becomes a child of the first process, so that none can leave the tree.
// Test: tests/sandbox/process_tree_test.cpp.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace minke {

struct TreeUse {
  int processes = 0;
  double cpu_seconds = 0;      // with that of the dead whom a parent has waited for
  int64_t resident_bytes = 0;  // pages that several processes share count in each: never less than the memory they take
};

// Empty once it is dead. Processes that come or go meanwhile may be missing.
std::vector<pid_t> process_tree(pid_t first);
TreeUse use_of(const std::vector<pid_t>& tree);
// The memory that they take, shared pages once. Takes a millisecond for a hundred megabytes, so use_of() comes first.
int64_t proportional_bytes(const std::vector<pid_t>& tree);
// Files on the file system at `folder` as the process sees it; 0 if it is dead.
int64_t files_in(pid_t process, const char* folder);

}  // namespace minke
