// The log of a run for programs: one JSON object per line, appended and flushed line by line, so that a killed run loses
// nothing that it has shown. Test: tests/report/console_test.cpp.
#pragma once
#include <cstdio>
#include <filesystem>
#include <functional>

#include "core/json.h"

namespace minke {

class JsonlLog {
 public:
  // Opens the file for appending. A resumed run first drops the lines for which keep() is false, because it writes them
  // again, and a last line that was cut short by a kill.
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
