// A folder that stands for the root of a system: what is read from /proc and /sys is read from its files.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "core/files.h"

namespace minke::test {

class SystemTree : public ::testing::Test {
 protected:
  fs::path root_ = fs::temp_directory_path() / ("minke-system-" + std::to_string(::getpid()));
  void SetUp() override { fs::create_directories(root_); }
  void TearDown() override { fs::remove_all(root_); }
  void file(const char* path, const char* text) {
    fs::create_directories((root_ / path).parent_path());
    write_file_atomic(root_ / path, text);
  }
};

}  // namespace minke::test
