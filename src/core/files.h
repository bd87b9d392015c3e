// Files: read whole, memory-map, write atomically (beside, then renamed). All failures are UserErrors that name the
// path and the system's reason. Tested in tests/core/files_test.cpp.
#pragma once
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/vanished_files.h"

namespace minke {

namespace fs = std::filesystem;

// The whole file as bytes, up to its end: the kernel's files in /proc and /sys say that they have 0. Refuses one larger
// than max_bytes before reading more.
std::string read_file(const fs::path& path, size_t max_bytes = size_t(1) << 32);

// Why nothing can be read there: "does not exist", or "is a link to far.txt, which does not exist".
std::string why_missing(const fs::path& path);

// A read-only memory map; an empty file gives an empty span.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const fs::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

// Gives back the memory of whole pages of a map that have been read; read again, they come from the file again.
void forget_pages(std::span<const std::byte> mapped);

// Writes path + ".tmp.<pid>" and renames it onto path in commit(), after fsync; without commit nothing is left behind.
// A symbolic link stays, and what it names is written so. Devices, pipes and the process's own open files (/dev/stdout,
// /dev/fd/3) are written to as they are, since replacing them would take them away from everybody else.
class AtomicFile {
 public:
  explicit AtomicFile(const fs::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  fs::path path_, temporary_;  // temporary_ is empty where there is none
  std::FILE* file_ = nullptr;
  std::optional<HalfWritten> half_written_;
};

void write_file_atomic(const fs::path& path, std::string_view text);

// A symbolic link that from one moment to the next names another target; it must not be a folder so far.
void replace_link(const fs::path& link, const fs::path& target);

// Takes away what killed processes have left in the folder of what they wrote beside it: "x.tmp.<pid>" of files and links,
// "x.tmp" and "x.old" of folders, where is_ours(x). Nobody may be writing there.
void remove_leftovers(const fs::path& folder, const std::function<bool(std::string_view name)>& is_ours);

// A folder that appears complete or not at all: files go to `path() `, a sibling ".tmp" folder; commit() syncs it and
// renames it onto the target (an existing target is replaced).
class AtomicFolder {
 public:
  explicit AtomicFolder(fs::path target);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  ~AtomicFolder();
  const fs::path& path() const { return temporary_; }
  void commit();

 private:
  fs::path target_, temporary_;
  bool committed_ = false;
};

}  // namespace minke
