// The folder of a run and its checkpoints: each appears complete or not at all, carries checksums of its files, and
// `latest` always names a complete one. Test: tests/app/run_life_test.sh, tests/app/hostile_run_test.sh.
#pragma once
#include <deque>
#include <functional>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/folder_lock.h"
#include "core/json.h"
#include "data/loader.h"
#include "train/balance.h"

namespace minke {

// The state of a resumed run other than tensors: train/state.json.
struct RunState {
  int64_t step = 0, phase = 0, rollbacks = 0;
  double tokens = 0, train_seconds = 0;
  LoaderPosition position;
  LoadWindow load;
  std::vector<double> good_losses;  // of the spike guard
  Json stage;                       // what the stage remembers (stage.h)
  std::string backend;              // that computed so far: a run that goes on takes it again, for the same bits
  std::string verb;                 // that trains it
};
// The backend and the verb of the latest checkpoint in a folder; "" where there is none, or it does not say. They look at nothing else.
std::string stored_backend(const fs::path& folder);
std::string stored_verb(const fs::path& folder);

class RunFolder {
 public:
  // UserError if the folder already holds a run and resume is false, if a file that no run has written is where the run
  // would write, or if another process uses the folder. Deletes half-written files of a killed process. The destructor
  // deletes the folder if it was made here and is still empty, so that a mistake in the data leaves nothing behind.
  RunFolder(const fs::path& folder, bool resume);
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  ~RunFolder();
  const fs::path& path() const { return path_; }

  // A run that has begun keeps its recipe, tokenizer and token shards.
  bool has_begun() const { return fs::exists(recipe()); }
  fs::path recipe() const { return path_ / "recipe.toml"; }
  bool has_checkpoint() const;
  fs::path latest() const { return path_ / "latest"; }
  fs::path state_tensors() const { return latest() / "train" / "state.safetensors"; }
  // State of the latest checkpoint. UserError if a field has the wrong type or a file is not as it was written.
  RunState read_latest() const;
  // Throws a UserError that also names an older checkpoint whose files are intact.
  [[noreturn]] void damaged(std::string_view what) const;

  // write(folder) writes the checkpoint's files, including train/state.safetensors. Then checkpoints older than the last
  // `keep` are deleted. After a failure, the earlier checkpoints are unchanged.
  void save(const RunState& state, int64_t keep, const std::function<void(const fs::path&)>& write) const;

 private:
  fs::path path_;
  bool is_new_ = false;
  std::optional<FolderLock> lock_;
};

}  // namespace minke
