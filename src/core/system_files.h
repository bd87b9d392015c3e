// The small files in which the kernel tells about itself (/proc, /sys). Tests: tests/core/machine_memory_test.cpp,
// tests/core/memory_nodes_test.cpp, tests/bench/machine_facts_test.cpp.
#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

// "" if there is no such file.
std::string system_file(const std::filesystem::path& file);

// The value of the line "NAME: 1234 kB" (name with its colon), in bytes.
std::optional<size_t> bytes_in_line(const std::string& text, std::string_view name);

// "0-2,8" → 0, 1, 2, 8. What is no such list ends it, and so do a number above 65,535 and the 65,536th.
std::vector<int> number_list(const std::string& text);

// Raises this process's limit of open files to the most that it may have: each connection of a server is one.
void allow_many_open_files();

}  // namespace minke
