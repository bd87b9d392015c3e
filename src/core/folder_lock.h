// One process at a time in a folder. Test: tests/app/run_life_test.sh, pipeline_test.sh.
#pragma once
#include <filesystem>
#include <string_view>

namespace minke {

// Held until it is destroyed or the process ends, however it does. UserError if another process has it, which names the flag that
// another folder is given by. Where a file system knows no locks, there is none.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder, std::string_view flag = "--out");
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int file_ = -1;
};

}  // namespace minke
