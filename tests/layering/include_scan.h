// Reads the layers' arrows (written by CMake from the very minke_layer lines) and holds every #include in src/ and every
// src/<layer>/README.md against them. A linker sees no header-only use of a layer; this does.
// Tested in layering_test.cpp on planted trees.
#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace minke::layering {

using Layers = std::map<std::string, std::set<std::string>>;  // layer → the layers it may use
inline constexpr const char* kApp = "app";                    // may use anything, and nothing may use it

// Lines "layer: dependency dependency"; throws std::runtime_error on anything else.
Layers read_layers(const std::filesystem::path& file);

// One sentence per fault, "path:line: …", in path order. Empty: all is well.
std::vector<std::string> scan_includes(const std::filesystem::path& src, const Layers& layers);
std::vector<std::string> scan_readmes(const std::filesystem::path& src, const Layers& layers);
// The rows "| `layer/` | uses | …" of a page.
std::vector<std::string> scan_table(const std::filesystem::path& page, const Layers& layers);
// Sources over max_lines, and files of any kind over max_bytes; build outputs and runs/out are passed over.
std::vector<std::string> scan_sizes(const std::filesystem::path& root, int max_lines, std::uintmax_t max_bytes);

}  // namespace minke::layering
