// A GGUF model in one file or in several: NAME-00001-of-00003.gguf, as gguf-split writes them. Each part says in its
// metadata which one it is (split.no, from 0), how many there are (split.count) and how many tensors they have together.
#include <fmt/format.h>

#include <charconv>
#include <fstream>

#include "core/error.h"
#include "formats/gguf.h"

namespace minke {
namespace {

constexpr int64_t kMaxParts = 4096;  // each is a memory map, and the system allows 65,530

struct PartName {
  std::string stem;  // before "-00001-of-00003.gguf"
  int64_t part = 0, parts = 0;
};

std::optional<PartName> parse_part_name(const std::string& name) {
  constexpr std::string_view pattern = "-#####-of-#####.gguf";
  if (name.size() <= pattern.size()) return std::nullopt;
  const std::string_view ending = std::string_view(name).substr(name.size() - pattern.size());
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool digit = ending[i] >= '0' && ending[i] <= '9';
    if (pattern[i] == '#' ? !digit : ending[i] != pattern[i]) return std::nullopt;
  }
  PartName result{name.substr(0, name.size() - pattern.size())};
  std::from_chars(ending.data() + 1, ending.data() + 6, result.part);
  std::from_chars(ending.data() + 10, ending.data() + 15, result.parts);
  return result;
}

std::string part_name(const PartName& name, int64_t part) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", name.stem, part, name.parts);
}

void check_part(const GgufMetadata& metadata, int64_t part, int64_t parts) {
  const int64_t number = metadata.integer("split.no").value_or(-1) + 1,
                count = metadata.integer("split.count").value_or(1);
  if (number != part || count != parts)
    user_error("{}: its metadata says part {} of {}; the file was renamed, or belongs to another model",
               metadata.file(), number, count);
}

}  // namespace

void Gguf::add(GgufFile file) {
  files_.push_back(std::move(file));
  for (const GgufTensor& t : files_.back().tensors())
    if (const auto [at, is_new] = index_.emplace(t.name, &t); !is_new)
      user_error("{}: tensor {} is also in {}", *t.file, printable(t.name), *at->second->file);
}

Gguf Gguf::of(GgufFile file) {
  Gguf model;
  model.add(std::move(file));
  return model;
}

Gguf Gguf::open(const fs::path& path) {
  GgufFile named = GgufFile::open(path);
  const int64_t parts = named.metadata().integer("split.count").value_or(1);
  if (parts <= 1) return of(std::move(named));
  const std::optional<PartName> name = parse_part_name(path.filename().string());
  if (!name)
    user_error("{}: a part of a model in {} files, whose names must end in -00001-of-{:05}.gguf and so on",
               path.string(), parts, parts);
  if (parts > kMaxParts) user_error("{}: split.count is {}; at most {} are supported", path.string(), parts, kMaxParts);
  check_part(named.metadata(), name->part, name->parts);

  Gguf model;
  for (int64_t part = 1; part <= parts; ++part) {
    if (part == name->part) {
      model.add(std::move(named));
      continue;
    }
    const fs::path file = path.parent_path() / part_name(*name, part);
    if (!fs::exists(fs::symlink_status(file)))
      user_error("{}: part {} of {}, {}, is missing; download it into the same folder", path.string(), part, parts,
                 file.filename().string());
    model.add(GgufFile::open(file));
    check_part(model.files_.back().metadata(), part, parts);
  }
  const auto tensors = model.metadata().integer("split.tensors.count");
  if (tensors && *tensors != int64_t(model.tensor_count()))
    user_error("{}: split.tensors.count is {}, but the {} files have {} tensors: they do not belong together",
               model.path(), *tensors, parts, model.tensor_count());
  return model;
}

bool is_gguf(const fs::path& path) {
  std::error_code ignored;  // what cannot be looked at is reported by whoever opens it
  if (fs::is_directory(path, ignored)) return false;
  if (path.extension() == ".gguf") return true;
  if (!fs::is_regular_file(path, ignored)) return false;
  char magic[4] = {};
  return std::ifstream(path, std::ios::binary).read(magic, sizeof magic) && std::string_view(magic, 4) == "GGUF";
}

void refuse_folder_of_gguf(const fs::path& folder, const char* needed) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(folder / needed))) return;
  fs::path first;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".gguf" && (first.empty() || entry.path() < first)) first = entry.path();
  if (!first.empty())
    user_error("{} has no {}, but it has a GGUF file: give {}", folder.string(), needed, first.string());
}

const GgufTensor* Gguf::find(std::string_view name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : at->second;
}

const GgufTensor& Gguf::at(std::string_view name) const {
  if (const GgufTensor* t = find(name)) return *t;
  user_error("{}: there is no tensor {} among its {} tensors", path(), name, index_.size());
}

}  // namespace minke
