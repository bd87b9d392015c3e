// Runs of training as JSON: those in the folders that the command line names, and nothing else. A log is read again only when it has
// grown, and the rarer the longer that takes. Test: tests/serve/training_runs_test.cpp.
#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/json.h"

namespace minke {

class TrainingRuns {
 public:
  // Folders of runs, or of pipelines, whose stages are runs. One that holds no run yet is waited for.
  explicit TrainingRuns(std::vector<std::filesystem::path> folders) : folders_(std::move(folders)) {}

  // {"runs": [{"index", "name", "pipeline", "kind", "state", "step", "steps", "result"}]}
  Json list();
  // Of one: these, "figures": [{"id", "value"}] and "charts": [{"id", "title", "unit", "legend", "svg"}]. "null" if there is none.
  std::string run(int64_t index);

 private:
  struct Run {
    int64_t index = 0;
    std::filesystem::path folder;
    Json facts;
  };
  struct Known {
    uintmax_t size = 0;
    std::filesystem::file_time_type written{};
    Clock::time_point read{};
    double seconds = 0;  // that reading took
    Json facts = Json::object(), figures = Json::array(), charts = Json::array();
  };
  std::vector<Run> runs() const;
  const Known& known(const std::filesystem::path& folder);
  Json facts(const Run& run);

  std::vector<std::filesystem::path> folders_;
  std::map<std::filesystem::path, Known> known_;
};

}  // namespace minke
