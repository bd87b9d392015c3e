// Writes each record of a run to log.jsonl and, under TensorBoard's names, to an event file, so that the two always agree.
// Test: tests/report/event_file_test.cpp.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "report/event_file.h"
#include "report/jsonl.h"

namespace minke {

// The scalars of a record under TensorBoard's names ("loss/train", "balance/max_vio/layer_03"). Numbers with unknown keys
// get "other/<key>", so that nothing is lost.
std::vector<std::pair<std::string, double>> tensorboard_scalars(const Json& record);

class Recorder {
 public:
  // Opens both files in the run's folder. A resumed run gives the number of steps that it keeps; everything after them is
  // dropped, including evaluations and samples after the last one, which a kill may have cut short and which are repeated.
  Recorder(const std::filesystem::path& folder, int64_t keep_steps);
  // A record has "step"; "sample" records are texts, all others numbers.
  void write(const Json& record);
  // Only to TensorBoard: the recipe, for example, has a file of its own in the folder.
  void text(std::string_view tag, std::string_view text) { events_.text(0, tag, text); }

 private:
  JsonlLog log_;
  EventFile events_;
  int64_t sample_step_ = -1;
  int samples_ = 0;  // at sample_step_
};

}  // namespace minke
