// stages.json of a pipeline's folder: how far each of its stages is, and what came of it.
// Test: tests/report/stages_file_test.cpp.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/enum_names.h"
#include "core/json.h"

namespace minke {

enum class StageState : uint8_t { waiting, running, stopped, done };
template <> struct EnumNames<StageState> {
  static constexpr EnumName<StageState> all[] = {{StageState::waiting, "waiting"},
                                                 {StageState::running, "running"},
                                                 {StageState::stopped, "stopped"},
                                                 {StageState::done, "done"}};
};

struct StageRecord {
  std::string name, kind, from;
  StageState state = StageState::waiting;  // running: under way, or killed then
  double seconds = 0;                      // that were spent on it, but for tries that were killed
  double started = 0, ended = 0;           // unix time; 0: not yet
  std::string model;                       // the path of its model in the folder; empty: none yet, or it makes none
  std::string error;                       // why it stopped, if it failed
  Json result =
      Json::object();  // {"nats": 1.2}, {"right_before": 0.2, "right": 0.8}, {"pair_accuracy": 0.7}, {"results": […]}
};

// UserError for anything that is not what write_stages wrote.
std::vector<StageRecord> read_stages(const std::filesystem::path& file);
void write_stages(const std::filesystem::path& file, const std::vector<StageRecord>& stages);

// What came of a stage in one line for people; empty before there is something.
std::string result_line(const StageRecord& stage);

}  // namespace minke
