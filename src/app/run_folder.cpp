#include "app/run_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "data/hash.h"

namespace minke {
namespace {

constexpr size_t kMaxStateBytes = size_t(4) << 20;

std::string hash_of(const fs::path& file) { return fmt::format("{:016x}", hash64(MappedFile(file).text())); }

// Of every file below the folder, by its path from there.
Json checksums(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder));
  std::sort(files.begin(), files.end());
  Json sums = Json::object();
  for (const fs::path& f : files) sums[f.generic_string()] = hash_of(folder / f);
  return sums;
}

}  // namespace

RunFolder::RunFolder(const fs::path& folder, bool resume) : path_(folder) {
  if (!resume && fs::exists(folder / "recipe.toml"))
    user_error("{} already holds a run: continue it with --resume, or choose another --out", folder.string());
  std::error_code error;
  is_new_ = fs::create_directories(folder, error);
  if (error) user_error("cannot make the folder {}: {}", folder.string(), error.message());
}

RunFolder::~RunFolder() {
  std::error_code not_empty;
  if (is_new_) fs::remove(path_, not_empty);
}

bool RunFolder::has_checkpoint() const { return fs::exists(fs::symlink_status(latest())); }

void RunFolder::damaged(std::string_view what) const {
  user_error("{}: {}; delete this checkpoint and point `latest` to an older one",
             (latest() / "train" / "state.json").string(), what);
}

RunState RunFolder::read_latest() const {
  const fs::path file = latest() / "train" / "state.json";
  const Json j = parse_json(read_file(file, kMaxStateBytes), file.string());
  RunState s;
  std::vector<std::pair<std::string, std::string>> files;
  try {
    s.step = j.at("step").get<int64_t>();
    s.phase = j.at("phase").get<int64_t>();
    s.tokens = j.at("tokens").get<double>();
    s.position = {j.at("epoch").get<uint64_t>(), j.at("sequence").get<uint64_t>()};
    s.train_seconds = j.at("train_seconds").get<double>();
    const Json& load = j.at("load_window");
    const auto layers = load.at("layers").get<std::vector<int64_t>>();
    const auto rows = load.at("max_vio").get<std::deque<std::vector<double>>>();
    for (const auto& row : rows)
      if (row.size() != layers.size() || rows.size() > LoadWindow::kBatches) damaged("load_window has no table");
    s.load.restore(layers, rows);
    s.good_losses = j.at("good_losses").get<std::deque<double>>();
    for (const auto& [name, sum] : j.at("files").items()) files.emplace_back(name, sum.get<std::string>());
  } catch (const nlohmann::json::exception&) {
    damaged("a field is missing or of the wrong type");
  }
  for (const auto& [name, sum] : files) {
    const fs::path path = fs::path(name);
    if (path.is_absolute() || name.find("..") != name.npos) damaged(fmt::format("{} is no file of a checkpoint", name));
    if (hash_of(latest() / path) != sum) damaged(fmt::format("{} of the same checkpoint is damaged (checksum)", name));
  }
  if (std::none_of(files.begin(), files.end(), [](const auto& f) { return f.first == "train/state.safetensors"; }))
    damaged("files has no checksum of train/state.safetensors");
  return s;
}

void RunFolder::save(const RunState& s, int64_t keep, const std::function<void(const fs::path&)>& write) const {
  const fs::path checkpoints = path_ / "checkpoints";
  fs::create_directories(checkpoints);
  const std::string name = fmt::format("step-{:06}", s.step);
  {
    AtomicFolder folder(checkpoints / name);
    fs::create_directories(folder.path() / "train");
    write(folder.path());
    write_file_atomic(folder.path() / "train" / "state.json",
                      Json{{"step", s.step},
                           {"phase", s.phase},
                           {"tokens", s.tokens},
                           {"epoch", s.position.epoch},
                           {"sequence", s.position.sequence_index},
                           {"train_seconds", s.train_seconds},
                           {"load_window", {{"layers", s.load.layer_numbers()}, {"max_vio", s.load.batches()}}},
                           {"good_losses", s.good_losses},
                           {"files", checksums(folder.path())}}
                          .dump(2));
    folder.commit();
  }
  const fs::path link = path_ / "latest.tmp";
  fs::remove(link);
  fs::create_directory_symlink(fs::path("checkpoints") / name, link);
  fs::rename(link, path_ / "latest");
  std::vector<fs::path> all;
  for (const auto& entry : fs::directory_iterator(checkpoints))
    if (entry.path().filename().string().starts_with("step-") && entry.path().extension().empty())
      all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i + size_t(keep) < all.size(); ++i)
    if (all[i].filename() != name) fs::remove_all(all[i]);  // after a rollback the newest may not be the highest
}

}  // namespace minke
