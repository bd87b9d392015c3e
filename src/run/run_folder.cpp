#include "run/run_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "data/hash.h"

namespace minke {
namespace {

constexpr size_t kMaxStateBytes = size_t(4) << 20;

// By pieces that are given back at once: a checkpoint that is read must not stand in memory a second time.
std::string hash_of(const fs::path& file) {
  const MappedFile map(file);
  Hash64 hash(map.bytes().size());
  constexpr size_t kPiece = size_t(1) << 20;
  for (size_t at = 0; at < map.bytes().size(); at += kPiece) {
    hash.add(map.text().substr(at, kPiece));
    forget_pages(map.bytes().subspan(at, std::min(kPiece, map.bytes().size() - at)));
  }
  return fmt::format("{:016x}", hash.finish());
}

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

bool is_number(std::string_view s) { return !s.empty() && s.find_first_not_of("0123456789") == s.npos; }
bool is_step(std::string_view s) { return s.starts_with("step-") && is_number(s.substr(5)); }

// By step: the name of step 1,000,000 is longer than that of step 999,999.
bool is_before(const fs::path& a, const fs::path& b) {
  const std::string x = a.filename().string(), y = b.filename().string();
  return x.size() != y.size() ? x.size() < y.size() : x < y;
}

std::vector<fs::path> checkpoints_of(const fs::path& run) {
  std::vector<fs::path> all;
  std::error_code error;
  for (fs::directory_iterator it(run / "checkpoints", error), end; !error && it != end; it.increment(error))
    if (is_step(it->path().filename().string())) all.push_back(it->path());
  std::sort(all.begin(), all.end(), is_before);
  return all;
}

// A checkpoint whose files have the checksums that were written with it. UserError otherwise.
RunState read_checkpoint(const fs::path& folder) {
  const fs::path file = folder / "train" / "state.json";
  const Json j = parse_json(read_file(file, kMaxStateBytes), file.string());
  const auto damaged = [&](std::string_view what) { user_error("{}: {}", file.string(), what); };
  RunState s;
  std::vector<std::pair<std::string, std::string>> files;
  try {
    s.step = j.at("step").get<int64_t>();
    s.phase = j.at("phase").get<int64_t>();
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
    if (j.contains("stage")) s.stage = j.at("stage");
    if (j.contains("backend")) s.backend = j.at("backend").get<std::string>();  // not in older checkpoints
    if (j.contains("verb")) s.verb = j.at("verb").get<std::string>();
    for (const auto& [name, sum] : j.at("files").items()) files.emplace_back(name, sum.get<std::string>());
  } catch (const nlohmann::json::exception&) {
    damaged("a field is missing or of the wrong type");
  }
  for (const auto& [name, sum] : files) {
    const fs::path path = fs::path(name);
    if (path.is_absolute() || name.find("..") != name.npos)
      damaged(fmt::format("{} is not a file of a checkpoint", name));
    if (hash_of(folder / path) != sum) damaged(fmt::format("{} of the same checkpoint is damaged (checksum)", name));
  }
  if (std::none_of(files.begin(), files.end(), [](const auto& f) { return f.first == "train/state.safetensors"; }))
    damaged("\"files\" has no checksum of train/state.safetensors");
  return s;
}

// What a run makes in its folder.
bool is_of_a_run(std::string_view name) {
  constexpr std::string_view kNames[] = {"data",    "tokenizer",   "base",      "recipe.toml", "latest",
                                         "skipped", "checkpoints", "log.jsonl", "report.html"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         name.starts_with("events.out.tfevents.");
}

// What a checkpoint and other folders of a model have.
bool is_of_a_model(std::string_view name) {
  return name == "config.json" || name == "tokenizer.json" || name.ends_with(".safetensors") || name.ends_with(".gguf");
}

// "data" of "data.tmp", which AtomicFolder writes to, and of "data.old".
std::string written_name(const fs::path& entry) {
  const std::string name = entry.filename().string();
  return name.ends_with(".tmp") || name.ends_with(".old") ? name.substr(0, name.size() - 4) : name;
}

// Of these, what there is before the recipe: a tokenizer, or what is kept of the model that SFT begins with, and token shards in
// one folder or one for each source.
bool is_of_a_try_before(const fs::path& entry) {
  std::error_code error;
  const auto all = [&](const auto& is_ours) {
    for (fs::directory_iterator it(entry, error), end; !error && it != end; it.increment(error))
      if (!is_ours(it->path().filename().string())) return false;
    return !error;
  };
  if (written_name(entry) == "tokenizer")
    return fs::exists(entry / "trained-from.txt", error) ||
           (entry.extension() == ".tmp" &&
            all([](const auto& n) { return n.starts_with("tokenizer") || n.starts_with("trained-from.txt"); }));
  if (written_name(entry) == "base")
    return all([](const auto& n) {
      return n.starts_with("tokenizer") || n.starts_with("chat_template.jinja") || n.starts_with("config.json") ||
             n == "questions";
    });
  if (written_name(entry) != "data") return false;
  return fs::is_symlink(entry, error) || fs::exists(entry / "dataset.json", error) || all([](const std::string& n) {
           return n.starts_with("train-") || n.starts_with("heldout-") || n.starts_with("dataset.json") ||
                  is_number(n.substr(0, n.find('.')));
         });
}

// A folder may hold other things, as the log of a batch system, but nothing in the place of what a run writes; and neither
// a model nor the checkpoints or the data of another run are a place for one.
void refuse_what_is_in_the_way(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (is_of_a_run(written_name(it->path())) && !is_of_a_try_before(it->path()))
      user_error("{} already exists and was not written by a run: choose another --out", it->path().string());
    if (is_of_a_model(name) || is_step(name) || name == "dataset.json")
      user_error("{} holds {}, which is part of a model or of another run: choose another --out", folder.string(),
                 name);
  }
}

std::string stored_text(const fs::path& folder, const char* key) {
  try {
    const fs::path file = folder / "latest" / "train" / "state.json";
    if (!fs::exists(file)) return "";
    return parse_json(read_file(file, kMaxStateBytes), file.string()).value(key, std::string());
  } catch (const std::exception&) {
    return "";  // what is wrong with it is said where the state is read
  }
}

}  // namespace

std::string stored_backend(const fs::path& folder) { return stored_text(folder, "backend"); }
std::string stored_verb(const fs::path& folder) { return stored_text(folder, "verb"); }

RunFolder::RunFolder(const fs::path& folder, bool resume) : path_(folder) {
  if (!resume && has_begun())
    user_error("{} already holds a run: continue it with --resume, or choose another --out", folder.string());
  if (!has_begun()) refuse_what_is_in_the_way(folder);
  std::error_code error;
  is_new_ = fs::create_directories(folder, error);
  if (error) user_error("cannot make the folder {}: {}", folder.string(), error.message());
  lock_.emplace(folder);
  remove_leftovers(folder, is_of_a_run);
  for (const char* steps : {"checkpoints", "skipped"}) remove_leftovers(folder / steps, is_step);
  if (!fs::is_symlink(folder / "data", error)) remove_leftovers(folder / "data", is_number);
}

RunFolder::~RunFolder() {
  std::error_code not_empty;
  if (is_new_) fs::remove(path_, not_empty);
}

bool RunFolder::has_checkpoint() const { return fs::exists(fs::symlink_status(latest())); }

void RunFolder::damaged(std::string_view what) const {
  std::error_code error;
  const fs::path newest = fs::read_symlink(latest(), error).filename();
  std::vector<fs::path> older = checkpoints_of(path_);
  if (is_step(newest.string())) std::erase_if(older, [&](const fs::path& c) { return !is_before(c, newest); });
  const auto is_whole = [](const fs::path& c) {
    try {
      read_checkpoint(c);
      return true;
    } catch (const UserError&) {
      return false;
    }
  };
  const auto found = std::find_if(older.rbegin(), older.rend(), is_whole);
  const std::string way_out =
      found == older.rend()
          ? "no other checkpoint is intact: start again with another --out"
          : fmt::format("to continue from an older one: {}ln -sfn {} {}",
                        fs::is_symlink(latest(), error) ? "" : fmt::format("rm -r {} && ", latest().string()),
                        (fs::path("checkpoints") / found->filename()).string(), latest().string());
  user_error("{}; {}", what, way_out);
}

RunState RunFolder::read_latest() const {
  std::error_code error;
  if (!fs::is_symlink(latest(), error))
    damaged(fmt::format("{} is not a link to a checkpoint (was the run copied with a program that follows links?)",
                        latest().string()));
  try {
    return read_checkpoint(latest());
  } catch (const UserError& e) {
    damaged(e.what());
  }
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
    Json state{{"step", s.step},
               {"phase", s.phase},
               {"rollbacks", s.rollbacks},
               {"tokens", s.tokens},
               {"epoch", s.position.epoch},
               {"sequence", s.position.sequence_index},
               {"train_seconds", s.train_seconds},
               {"load_window", {{"layers", s.load.layer_numbers()}, {"max_vio", s.load.batches()}}},
               {"good_losses", s.good_losses},
               {"backend", s.backend},
               {"verb", s.verb},
               {"files", checksums(folder.path())}};
    if (!s.stage.is_null()) state["stage"] = s.stage;
    write_file_atomic(folder.path() / "train" / "state.json", state.dump(2));
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
