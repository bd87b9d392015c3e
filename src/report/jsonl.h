// The log of a run for programs: one JSON object a line, appended and flushed line by line, so that a killed run loses
// nothing it has shown. Test: tests/report/console_test.cpp.
#pragma once
#include <cstdio>
#include <filesystem>
#include <functional>

#include "core/json.h"

namespace minke {

class JsonlLog {
 public:
  // Opens for appending. When resuming, lines that keep() refuses are dropped first (they will be written again), and so
  // is a line that a kill has cut short.
  JsonlLog(const std::filesystem::path& path, const std::function<bool(const Json&)>& keep);
  JsonlLog(const JsonlLog&) = delete;
  JsonlLog& operator=(const JsonlLog&) = delete;
  ~JsonlLog();
  // UserError if the line cannot be written, or if the file is no longer there.
  void write(const Json& object);

 private:
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

}  // namespace minke
