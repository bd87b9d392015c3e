// What a run writes down: each record goes to log.jsonl and, under TensorBoard's names, to an event file, so that the
// two cannot disagree. Test: tests/report/event_file_test.cpp.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "report/event_file.h"
#include "report/jsonl.h"

namespace minke {

// The scalars of a record in TensorBoard's words ("loss/train", "balance/max_vio/layer_03"). Numbers under keys that
// are not known here get "other/<key>", so that what a run logs is never lost.
std::vector<std::pair<std::string, double>> tensorboard_scalars(const Json& record);

class Recorder {
 public:
  // Opens both in the run's folder. A resumed run gives the steps it keeps; evaluations, samples and the end after the last
  // of them are dropped with what follows, because a kill may have come in their midst: they are made again.
  Recorder(const std::filesystem::path& folder, int64_t keep_steps);
  // A record has "step"; "sample" records are texts, all others numbers.
  void write(const Json& record);
  // To TensorBoard only: the recipe stands in a file of its own.
  void text(std::string_view tag, std::string_view text) { events_.text(0, tag, text); }

 private:
  JsonlLog log_;
  EventFile events_;
  int64_t sample_step_ = -1;
  int samples_ = 0;  // at sample_step_
};

}  // namespace minke
