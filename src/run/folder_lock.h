// One process at a time in a folder. Test: tests/app/run_life_test.sh, pipeline_test.sh.
#pragma once
#include <filesystem>

namespace minke {

// Held until it is destroyed or the process ends, however it does. UserError if another process has it. Where a file system knows
// no locks, there is none.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int file_ = -1;
};

}  // namespace minke
