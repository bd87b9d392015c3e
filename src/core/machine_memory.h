// The memory this process may use: that of the machine, or less in a container or control group with a limit. Tested in
// tests/core/machine_memory_test.cpp.
#pragma once
#include <cstddef>
#include <filesystem>

namespace minke {

// In bytes. root: the folder that contains proc/ and sys/.
size_t machine_memory(const std::filesystem::path& root = "/");

// What this process can still take of it: what nobody holds, or what can be taken away from caches of files.
size_t free_memory(const std::filesystem::path& root = "/");

// Memory that this process holds now, and the most it has ever held: VmRSS and VmHWM of /proc/self/status. What was freed
// is given back to the system first, so that it is not counted as held.
struct ProcessMemory {
  size_t now = 0, most = 0;
};
ProcessMemory process_memory();

}  // namespace minke
