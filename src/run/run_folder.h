// The folder of a run and its checkpoints: each appears complete or not at all, carries checksums of its files, and
// `latest` always names a complete one. Test: tests/app/run_life_test.sh, tests/app/hostile_run_test.sh.
#pragma once
#include <deque>
#include <functional>
#include <optional>

#include "core/files.h"
#include "data/loader.h"
#include "train/balance.h"

namespace minke {

// What a resumed run needs beside the tensors: train/state.json.
struct RunState {
  int64_t step = 0, phase = 0, rollbacks = 0;
  double tokens = 0, train_seconds = 0;
  LoaderPosition position;
  LoadWindow load;
  std::vector<double> good_losses;  // of the spike guard
};

class RunFolder {
 public:
  // UserError if there is a run in it already, unless that is to be resumed, if something that no run has made is in the
  // way of what it writes, or if another process is at work in it. What a killed process left half-written is taken away.
  // A folder that was made here and is still empty at the end is taken away: a mistake in the data leaves nothing behind.
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
  // State of the latest checkpoint, its fields of the right types and its files as they were written; UserError otherwise.
  RunState read_latest() const;
  // The same with a message that names an older checkpoint whose files are as they were written.
  [[noreturn]] void damaged(std::string_view what) const;

  // write(folder) puts the checkpoint's files there, train/state.safetensors among them. Older ones than the last `keep`
  // go. Whatever fails leaves the ones before as they were.
  void save(const RunState& state, int64_t keep, const std::function<void(const fs::path&)>& write) const;

 private:
  fs::path path_;
  bool is_new_ = false;
  int lock_ = -1;  // of the folder, held until the end of the process that has it
};

}  // namespace minke
