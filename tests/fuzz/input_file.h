// Fuzz input as a file in memory, for readers that take a path: no disk is touched, so a million inputs take minutes.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace minke {

class InputFile {
 public:
  // `name`: its ending may choose the reader.
  explicit InputFile(const std::string& name) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    std::string folder = std::filesystem::temp_directory_path() / "minke-fuzz-XXXXXX";
    if (fd_ < 0 || !::mkdtemp(folder.data())) std::abort();
    path_ = std::filesystem::path(folder) / name;
    std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(fd_), path_);
  }
  ~InputFile() {
    std::error_code ignored;
    std::filesystem::remove_all(path_.parent_path(), ignored);
    ::close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(std::string_view bytes) {
    if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, bytes.data(), bytes.size(), 0) != ssize_t(bytes.size())) std::abort();
  }

 private:
  int fd_;
  std::filesystem::path path_;
};

}  // namespace minke
