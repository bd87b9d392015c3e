#include "support/shared_files.h"

#include <algorithm>
#include <cstdlib>

namespace minke::test {
namespace fs = std::filesystem;

fs::path source_file(const fs::path& relative) { return fs::path(MINKE_SOURCE_DIR) / relative; }

std::optional<fs::path> shared_file(const fs::path& relative) {
  const char* folder = std::getenv("MINKE_SHARED");
  const fs::path path = (folder && *folder ? fs::path(folder) : source_file("../shared")) / relative;
  if (!fs::exists(path)) return std::nullopt;
  return path;
}

std::vector<fs::path> golden_folders() {
  std::vector<fs::path> all;
  const auto add = [&](const fs::path& parent) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(parent))
      if (fs::exists(entry.path() / "config.json") && fs::exists(entry.path() / "expected.safetensors"))
        found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    all.insert(all.end(), found.begin(), found.end());
  };
  add(source_file("tests/golden"));
  if (const auto shared = shared_file("goldens")) add(*shared);
  return all;
}

}  // namespace minke::test
