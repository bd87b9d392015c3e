// A mapped file that can no longer be read: somebody has cut it short, or its disk is gone. Whoever reads it gets SIGBUS.
// Tests: tests/core/files_test.cpp, tests/convert/convert_test.cpp.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

namespace minke {

// From now on that ends the program with a message that names the file and exit code 2.
void end_on_vanished_files();

// What the signal's handler must know, which cannot ask anybody: where files are mapped, …
void remember_map(const void* data, size_t size, const std::string& path);
void forget_map(const void* data);

// … and what it takes away: as long as this lives, a file, or a folder without folders in it, that is being written.
class HalfWritten {
 public:
  explicit HalfWritten(const std::filesystem::path& path);
  HalfWritten(const HalfWritten&) = delete;
  HalfWritten& operator=(const HalfWritten&) = delete;
  ~HalfWritten();

 private:
  int slot_;  // -1: it is not known to the handler
};

}  // namespace minke
