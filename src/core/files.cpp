#include "core/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"

namespace minke {
namespace {

[[noreturn]] void fail(const char* doing, const fs::path& path) {
  const int reason = errno;
  std::error_code ignored;
  if (reason == ENOENT && fs::is_symlink(path, ignored))
    user_error("cannot {} {}: it {}", doing, path.string(), why_missing(path));
  errno = reason;
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
  if (S_ISDIR(s.st_mode)) user_error("{} is a folder, but a file is needed", path.string());
  if (!S_ISREG(s.st_mode))
    user_error("{} is a pipe or a device, not a file: save what it gives in a file", path.string());
  return size_t(s.st_size);
}

void sync_folder(const fs::path& folder) {
  const Fd fd{::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.fd >= 0) ::fsync(fd.fd);
}

}  // namespace

std::string why_missing(const fs::path& path) {
  std::error_code no_link;
  const fs::path target = fs::read_symlink(path, no_link);
  return no_link ? "does not exist" : fmt::format("is a link to {}, which does not exist", target.string());
}

std::string read_file(const fs::path& path, size_t max_bytes) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (fd.fd < 0) fail("open", path);
  const size_t size = regular_size(fd.fd, path);
  if (size > max_bytes) user_error("{} has {} bytes, but at most {} are allowed here", path.string(), size, max_bytes);
  constexpr size_t kMore = 1 << 12;
  std::string text(size + 1, '\0');  // one more: the end is seen by the same call
  for (size_t done = 0;;) {
    const ssize_t n = ::read(fd.fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path);
    done += size_t(n);
    if (done > max_bytes) user_error("{} has more than the {} bytes that are allowed here", path.string(), max_bytes);
    if (done == text.size()) {
      text.resize(done + kMore);
      continue;
    }
    if (n > 0) continue;
    text.resize(done);
    return text;
  }
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
  remember_map(data_, size_, path.string());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void forget_pages(std::span<const std::byte> mapped) {
  const auto page = uintptr_t(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(mapped.data()) + page - 1) / page * page,
                  end = reinterpret_cast<uintptr_t>(mapped.data() + mapped.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (!data_) return;
  forget_map(data_);
  ::munmap(data_, size_);
}

namespace {

// The number of the open file of this process that a path such as /dev/fd/3 names, or -1.
int own_descriptor(const fs::path& path) {
  std::error_code error;
  const std::string name = path.filename().string();
  if (name.empty() || name.size() > 6 || name.find_first_not_of("0123456789") != name.npos) return -1;
  const fs::path own = fs::canonical("/proc/self/fd", error);
  return !error && fs::canonical(path.parent_path(), error) == own ? std::stoi(name) : -1;
}

// Where a write to `path` goes: the end of its symbolic links, which need not exist, or an open file.
struct WriteTarget {
  fs::path path;
  int fd = -1;  // to be written to as it is
};

WriteTarget follow_links(fs::path path) {
  struct stat s {};
  const bool exists = ::stat(path.c_str(), &s) == 0;
  if (exists && S_ISDIR(s.st_mode)) user_error("cannot write {}: it is a folder", path.string());
  const fs::path given = path;
  constexpr int kMostLinks = 40;  // as the system
  for (int i = 0;; ++i) {
    if (i == kMostLinks) user_error("cannot write {}: its symbolic links lead round in a circle", given.string());
    if (const int own = own_descriptor(path); own >= 0) {
      if (own == STDOUT_FILENO) std::fflush(stdout);  // what was printed before stands before
      const int fd = ::dup(own);
      if (fd < 0) fail("write", given);
      return {given, fd};
    }
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    if (error) break;  // no link
    path = path.parent_path() / target;
  }
  if (!exists || S_ISREG(s.st_mode)) return {path, -1};
  const int fd = ::open(given.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) fail("write", given);
  return {given, fd};
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) {
  WriteTarget target = follow_links(path);
  path_ = std::move(target.path);
  if (target.fd >= 0) {
    file_ = ::fdopen(target.fd, "wb");
    if (!file_) fail("write", path_);
    return;
  }
  temporary_ = path_;
  temporary_ += ".tmp." + std::to_string(::getpid());
  file_ = std::fopen(temporary_.c_str(), "wb");
  if (!file_ && errno == ENOENT)
    user_error("cannot write {}: there is no folder {}", path_.string(), path_.parent_path().string());
  if (!file_) fail("write", path_);
  half_written_.emplace(temporary_);
  struct stat before {};
  if (::stat(path_.c_str(), &before) == 0) ::fchmod(::fileno(file_), before.st_mode & 07777);
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  std::fclose(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  if (bytes && std::fwrite(data, 1, bytes, file_) != bytes) fail("write", path_);
}

void AtomicFile::commit() {
  if (std::fflush(file_) != 0) fail("write", path_);
  if (temporary_.empty()) {
    if (std::fclose(std::exchange(file_, nullptr)) != 0) fail("write", path_);
    return;
  }
  if (::fsync(::fileno(file_)) != 0) fail("write", path_);
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

void remove_leftovers(const fs::path& folder, const std::function<bool(std::string_view name)>& is_ours) {
  // The name of what was being written.
  const auto written = [](const fs::directory_entry& entry) -> std::string {
    const std::string name = entry.path().filename().string();
    if (!entry.is_symlink() && entry.is_directory())
      return name.ends_with(".tmp") || name.ends_with(".old") ? name.substr(0, name.size() - 4) : "";
    const size_t at = name.rfind(".tmp.");
    const bool by_process =
        at != name.npos && at + 5 < name.size() && name.find_first_not_of("0123456789", at + 5) == name.npos;
    return by_process ? name.substr(0, at) : "";
  };
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (const std::string name = written(*it); !name.empty() && is_ours(name)) found.push_back(it->path());
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
