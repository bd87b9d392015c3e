#include "app/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

// By step: the name of step 1,000,000 is longer than that of step 999,999.
std::vector<fs::path> checkpoints_of(const fs::path& run) {
  std::vector<fs::path> all;
  std::error_code error;
  for (fs::directory_iterator it(run / "checkpoints", error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().starts_with("step-") && it->path().extension().empty())
      all.push_back(it->path());
  std::sort(all.begin(), all.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  return all;
}

}  // namespace

RunFolder::RunFolder(const fs::path& folder, bool resume) : path_(folder) {
  if (!resume && has_begun())
    user_error("{} already holds a run: continue it with --resume, or choose another --out", folder.string());
  std::error_code error;
  is_new_ = fs::create_directories(folder, error);
  if (error) user_error("cannot make the folder {}: {}", folder.string(), error.message());
  lock_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ >= 0 && ::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(lock_);
    user_error("another process is at work in {}: wait for it, stop it, or choose another --out", folder.string());
  }
  remove_leftovers(folder);
}

RunFolder::~RunFolder() {
  std::error_code not_empty;
  if (is_new_) fs::remove(path_, not_empty);
  if (lock_ >= 0) ::close(lock_);
}

bool RunFolder::has_checkpoint() const { return fs::exists(fs::symlink_status(latest())); }

void RunFolder::damaged(std::string_view what) const {
  std::error_code error;
  const std::string name = fs::read_symlink(latest(), error).filename().string();
  fs::path older;
  for (const fs::path& c : checkpoints_of(path_))
    if (c.filename() != name) older = c.filename();
  const std::string way_out = older.empty()
                                  ? "there is no other checkpoint: begin again with another --out"
                                  : fmt::format("to go on from an older one: ln -sfn {} {}",
                                                (fs::path("checkpoints") / older).string(), latest().string());
  user_error("{}: {}; {}", (latest() / "train" / "state.json").string(), what, way_out);
}

RunState RunFolder::read_latest() const {
  const fs::path file = latest() / "train" / "state.json";
  const Json j = parse_json(read_file(file, kMaxStateBytes), file.string());
  RunState s;
  std::vector<std::pair<std::string, std::string>> files;
  try {
    s.step = j.at("step").get<int64_t>();
    s.phase = j.at("phase").get<int64_t>();
    s.skipped_in_a_row = j.at("skipped_in_a_row").get<int64_t>();
    s.rollbacks = j.at("rollbacks").get<int64_t>();
    s.tokens = j.at("tokens").get<double>();
    s.position = {j.at("epoch").get<uint64_t>(), j.at("sequence").get<uint64_t>()};
    s.train_seconds = j.at("train_seconds").get<double>();
    const Json& load = j.at("load_window");
    const auto layers = load.at("layers").get<std::vector<int64_t>>();
    const auto rows = load.at("max_vio").get<std::vector<std::vector<double>>>();
    for (const auto& row : rows)
      if (row.size() != layers.size() || rows.size() > LoadWindow::kBatches) damaged("load_window has no table");
    s.load.restore(layers, rows);
    s.good_losses = j.at("good_losses").get<std::vector<double>>();
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
  std::error_code error;
  fs::create_directory(checkpoints, error);  // not the run's folder: if that is gone, so are the recipe and the tokens
  if (error) user_error("cannot make the folder {}: {}", checkpoints.string(), error.message());
  const std::string name = fmt::format("step-{:06}", s.step);
  {
    AtomicFolder folder(checkpoints / name);
    fs::create_directories(folder.path() / "train");
    write(folder.path());
    write_file_atomic(folder.path() / "train" / "state.json",
                      Json{{"step", s.step},
                           {"phase", s.phase},
                           {"skipped_in_a_row", s.skipped_in_a_row},
                           {"rollbacks", s.rollbacks},
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
  replace_link(latest(), fs::path("checkpoints") / name);
  const std::vector<fs::path> all = checkpoints_of(path_);
  for (size_t i = 0; i + size_t(keep) < all.size(); ++i) {
    if (all[i].filename() == name) continue;  // after a rollback the newest may not be the highest
    fs::path gone = all[i];
    gone += ".old";  // a kill in the midst of deleting must not leave half a checkpoint under its name
    fs::rename(all[i], gone);
    fs::remove_all(gone);
  }
}

}  // namespace minke
