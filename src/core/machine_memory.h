// What memory this process may use: the machine's, or what a container or a control group leaves of it. Tested in
// tests/core/machine_memory_test.cpp.
#pragma once
#include <cstddef>
#include <filesystem>

namespace minke {

// Bytes. root: where /proc and /sys are looked for.
size_t machine_memory(const std::filesystem::path& root = "/");

}  // namespace minke
