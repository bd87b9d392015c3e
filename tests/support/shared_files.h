// Where tests find files. What is published and cannot be committed (a 128K tokenizer, GSM8K, large goldens) is looked
// for in one folder: the environment's MINKE_SHARED, else ../shared beside the source. Without it every test runs on a
// stand-in of ours: tests/golden, or text it writes.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

namespace minke::test {

std::filesystem::path source_file(const std::filesystem::path& relative);
// Null if it is not there.
std::optional<std::filesystem::path> shared_file(const std::filesystem::path& relative);
// Checkpoints in the published layout with expected.safetensors beside them (tools/make_golden.py): those of
// tests/golden, then those of the shared folder.
std::vector<std::filesystem::path> golden_folders();

}  // namespace minke::test
