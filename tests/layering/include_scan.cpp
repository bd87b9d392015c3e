#include "layering/include_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace minke::layering {
namespace fs = std::filesystem;
namespace {

bool is_source(const fs::path& p) {
  static const std::set<std::string> kinds{".h", ".cpp", ".hpp", ".cc", ".inc", ".cu", ".cuh"};
  return kinds.count(p.extension().string()) > 0;
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  if (fs::exists(folder))
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The text between the delimiters of `#include "…"` or `#include <…>`, or "".
std::string included(const std::string& line) {
  size_t at = line.find_first_not_of(" \t");
  if (at == std::string::npos || line[at] != '#') return "";
  at = line.find_first_not_of(" \t", at + 1);
  if (at == std::string::npos || line.compare(at, 7, "include") != 0) return "";
  at = line.find_first_not_of(" \t", at + 7);
  if (at == std::string::npos || (line[at] != '"' && line[at] != '<')) return "";
  const size_t end = line.find(line[at] == '"' ? '"' : '>', at + 1);
  return end == std::string::npos ? "" : line.substr(at + 1, end - at - 1);
}

// The layer (or app) that an include reaches, or "" if it is no file of ours: first beside the including file, as the
// compiler looks, so that "../model/mla.h" is caught too; then from src/.
std::string layer_reached(const std::string& include, const fs::path& from, const fs::path& src, const Layers& layers) {
  fs::path inside(include);
  const fs::path beside = (from.parent_path() / include).lexically_normal();
  const fs::path relative = beside.lexically_relative(src.lexically_normal());
  const bool climbs = include.starts_with("..");
  if ((climbs || fs::exists(beside)) && !relative.empty() && *relative.begin() != "..") inside = relative;
  if (std::distance(inside.begin(), inside.end()) < 2) return "";
  const std::string first = inside.begin()->string();
  return layers.count(first) || first == kApp ? first : "";
}

std::string joined(const std::set<std::string>& names) {
  return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
}

// The inverse: "core, spec." → {core, spec}.
std::set<std::string> names_in(const std::string& text) {
  std::set<std::string> names;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    while (!word.empty() && (word.back() == ',' || word.back() == '.')) word.pop_back();
    if (word != "nothing") names.insert(word);
  }
  return names;
}

Layers with_app(Layers layers) {
  layers[kApp] = {"anything"};
  return layers;
}

}  // namespace

Layers read_layers(const fs::path& file) {
  Layers layers;
  for (const std::string& line : lines_of(file)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0) throw std::runtime_error("not a layer line: " + line);
    auto& uses = layers[line.substr(0, colon)];
    std::istringstream words(line.substr(colon + 1));
    for (std::string word; words >> word;) uses.insert(word);
  }
  return layers;
}

std::vector<std::string> scan_includes(const fs::path& src, const Layers& layers) {
  std::vector<std::string> faults;
  for (const fs::path& file : files_below(src)) {
    if (!is_source(file)) continue;
    const fs::path inside = file.lexically_relative(src);
    const std::string layer = inside.begin()->string();
    if (layer == kApp) continue;
    const auto uses = layers.find(layer);
    if (uses == layers.end()) {
      faults.push_back(fmt::format("{}: folder {} is no layer of CMakeLists.txt", inside.string(), layer));
      continue;
    }
    int number = 0;
    for (const std::string& line : lines_of(file)) {
      ++number;
      const std::string include = included(line);
      const std::string reached = include.empty() ? "" : layer_reached(include, file, src, layers);
      if (reached.empty() || reached == layer || uses->second.count(reached)) continue;
      faults.push_back(fmt::format("{}:{}: {} may not include {} (it may use {})", inside.string(), number, layer,
                                   include, joined(uses->second)));
    }
  }
  return faults;
}

std::vector<std::string> scan_readmes(const fs::path& src, const Layers& layers) {
  std::vector<std::string> faults;
  for (const auto& [layer, uses] : with_app(layers)) {
    const fs::path readme = src / layer / "README.md";
    if (!fs::exists(readme)) {
      faults.push_back(fmt::format("{}/README.md is missing (purpose, depends on, order to read)", layer));
      continue;
    }
    const std::vector<fs::path> files = files_below(src / layer);
    const bool has_code = std::any_of(files.begin(), files.end(), is_source);
    const std::string prefix = "Depends on: ";
    std::string found;
    for (const std::string& line : lines_of(readme)) {
      if (line.starts_with(prefix)) found = line.substr(prefix.size());
      // A file named in backticks must be there, once the layer has any.
      for (size_t open = has_code ? line.find('`') : line.npos; open != line.npos;) {
        const size_t close = line.find('`', open + 1);
        if (close == std::string::npos) break;
        const std::string name = line.substr(open + 1, close - open - 1);
        if ((name.ends_with(".h") || name.ends_with(".cpp")) && name.find_first_of(" <*") == std::string::npos &&
            !fs::exists(src / layer / name) && !fs::exists(src / name))
          faults.push_back(fmt::format("{}/README.md names {}, which does not exist", layer, name));
        open = line.find('`', close + 1);
      }
    }
    if (found.empty() || names_in(found) != uses)
      faults.push_back(fmt::format("{}/README.md needs the line \"{}{}\", as CMakeLists.txt has it; found \"{}\"",
                                   layer, prefix, joined(uses), found));
  }
  return faults;
}

std::vector<std::string> scan_table(const fs::path& page, const Layers& layers) {
  Layers missing = with_app(layers);
  std::vector<std::string> faults;
  for (const std::string& line : lines_of(page)) {
    const size_t name_end = line.find("/` | "),
                 uses_end = name_end == std::string::npos ? name_end : line.find(" |", name_end + 5);
    if (!line.starts_with("| `") || uses_end == std::string::npos) continue;
    const std::string layer = line.substr(3, name_end - 3);
    const auto expected = missing.find(layer);
    if (expected == missing.end() || names_in(line.substr(name_end + 5, uses_end - name_end - 5)) != expected->second)
      faults.push_back(
          fmt::format("{}: the row of {} is not what CMakeLists.txt says", page.filename().string(), layer));
    if (expected != missing.end()) missing.erase(expected);
  }
  for (const auto& [layer, uses] : missing)
    faults.push_back(fmt::format("{}: no row for {}, which may use {}", page.filename().string(), layer, joined(uses)));
  return faults;
}

std::vector<std::string> scan_sizes(const fs::path& root, int max_lines, std::uintmax_t max_bytes) {
  std::vector<std::string> faults;
  const std::set<fs::path> skipped{root / ".git", root / "build", root / "out", root / "runs" / "out", root / ".cache"};
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    if (skipped.count(it->path())) {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    if (it->is_symlink() || !it->is_regular_file()) continue;
    const std::string inside = it->path().lexically_relative(root).string();
    if (it->file_size() > max_bytes)
      faults.push_back(fmt::format("{}: {} bytes; no tracked file may be over {}", inside, it->file_size(), max_bytes));
    if (!is_source(it->path()) || it->path().extension() == ".inc") continue;  // .inc: generated tables
    const size_t lines = lines_of(it->path()).size();
    if (lines > size_t(max_lines))
      faults.push_back(fmt::format("{}: {} lines; past {}, look for the second idea inside", inside, lines, max_lines));
  }
  return faults;
}

}  // namespace minke::layering
