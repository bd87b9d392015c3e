// The log of a run for programs: one JSON object a line, appended and flushed line by line, so that a killed run loses
// nothing it has shown. Test: tests/report/console_test.cpp.
#pragma once
#include <cstdio>
#include <filesystem>

#include "core/json.h"

namespace minke {

class JsonlLog {
 public:
  // Opens for appending. When resuming, lines whose "step" is larger than keep_steps are dropped first (they will be
  // written again), and so is a line that a kill has cut short.
  JsonlLog(const std::filesystem::path& path, int64_t keep_steps);
  JsonlLog(const JsonlLog&) = delete;
  JsonlLog& operator=(const JsonlLog&) = delete;
  ~JsonlLog();
  void write(const Json& object);

 private:
  std::FILE* file_ = nullptr;
};

}  // namespace minke
