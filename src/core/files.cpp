#include "core/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"

namespace minke {
namespace {

[[noreturn]] void fail(const char* doing, const fs::path& path) {
  user_error("cannot {} {}: {}", doing, path.string(), std::strerror(errno));
}

struct Fd {
  int fd;
  ~Fd() {
    if (fd >= 0) ::close(fd);
  }
};

size_t regular_size(int fd, const fs::path& path) {
  struct stat s {};
  if (::fstat(fd, &s) != 0) fail("look at", path);
  if (S_ISDIR(s.st_mode)) user_error("{} is a folder; a file is needed here", path.string());
  if (!S_ISREG(s.st_mode)) user_error("{} is not a regular file", path.string());
  return size_t(s.st_size);
}

void sync_folder(const fs::path& folder) {
  const Fd fd{::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.fd >= 0) ::fsync(fd.fd);
}

}  // namespace

std::string read_file(const fs::path& path, size_t max_bytes) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (fd.fd < 0) fail("open", path);
  const size_t size = regular_size(fd.fd, path);
  if (size > max_bytes) user_error("{} has {} bytes; at most {} are read here", path.string(), size, max_bytes);
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd.fd, text.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path);
    if (n == 0) break;
    done += size_t(n);
  }
  text.resize(done);
  return text;
}

MappedFile::MappedFile(const fs::path& path) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (fd.fd < 0) fail("open", path);
  size_ = regular_size(fd.fd, path);
  if (size_ == 0) return;
  data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.fd, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    fail("map", path);
  }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  temporary_ = path_;
  temporary_ += ".tmp." + std::to_string(::getpid());
  file_ = std::fopen(temporary_.c_str(), "wb");
  if (!file_) fail("write", temporary_);
}

AtomicFile::~AtomicFile() {
  if (file_) {
    std::fclose(file_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(const void* data, size_t bytes) {
  if (bytes && std::fwrite(data, 1, bytes, file_) != bytes) fail("write", path_);
}

void AtomicFile::commit() {
  if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) fail("write", path_);
  if (std::fclose(std::exchange(file_, nullptr)) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    ::unlink(temporary_.c_str());
    errno = reason;
    fail("write", path_);
  }
  sync_folder(path_.parent_path());
}

void write_file_atomic(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void replace_link(const fs::path& link, const fs::path& target) {
  fs::path temporary = link;
  temporary += fmt::format(".tmp.{}", ::getpid());
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0) fail("write", link);
  if (::rename(temporary.c_str(), link.c_str()) != 0) {
    const int reason = errno;
    ::unlink(temporary.c_str());
    errno = reason;
    fail("write", link);
  }
  sync_folder(link.parent_path());
}

void remove_leftovers(const fs::path& folder) {
  // "x.tmp.123" of files and links, "x.tmp" and "x.old" of folders.
  const auto is_leftover = [](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_symlink() && entry.is_directory()) return name.ends_with(".tmp") || name.ends_with(".old");
    const size_t at = name.rfind(".tmp.");
    return at != name.npos && at + 5 < name.size() && name.find_first_not_of("0123456789", at + 5) == name.npos;
  };
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (is_leftover(*it)) {
      found.push_back(it->path());
      it.disable_recursion_pending();
    } else if (it.depth() >= 1) {
      it.disable_recursion_pending();
    }
  }
  for (const fs::path& path : found) fs::remove_all(path, error);
}

AtomicFolder::AtomicFolder(fs::path target) : target_(std::move(target)) {
  if (!target_.has_filename()) target_ = target_.parent_path();  // "out/" names out
  temporary_ = target_;
  temporary_ += ".tmp";
  std::error_code error;
  fs::remove_all(temporary_, error);
  if (!fs::create_directories(temporary_, error) || error)
    user_error("cannot make the folder {}: {}", temporary_.string(), error.message());
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  sync_folder(temporary_);
  // rename cannot replace a folder that holds files, so the old one steps aside first. A crash between the two renames
  // leaves target.old and target.tmp, both complete.
  fs::path old = target_;
  old += ".old";
  std::error_code error;
  fs::remove_all(old, error);
  if (fs::exists(target_)) {
    fs::rename(target_, old, error);
    if (error) user_error("cannot replace {}: {}", target_.string(), error.message());
  }
  fs::rename(temporary_, target_, error);
  if (error) user_error("cannot rename {} to {}: {}", temporary_.string(), target_.string(), error.message());
  committed_ = true;
  sync_folder(target_.parent_path());
  fs::remove_all(old, error);
}

}  // namespace minke
