// The memory this process may use: that of the machine, or less in a container or control group with a limit. Tested in
// tests/core/machine_memory_test.cpp.
#pragma once
#include <cstddef>
#include <filesystem>

namespace minke {

// In bytes. root: the folder that contains proc/ and sys/.
size_t machine_memory(const std::filesystem::path& root = "/");

}  // namespace minke
