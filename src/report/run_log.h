// A run, read from its folder: log.jsonl as curves, samples and loads of the experts; recipe.toml as text and as keys. The
// run may still be going on, may have been killed in the middle of a line, or may be of another version. Lines that cannot
// be read are skipped and counted; unknown numbers become separate curves. Test: tests/report/run_log_test.cpp.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

// Values of some of the rows of a run, in order. NaN where the log has null; drawn as a gap.
struct Series {
  std::vector<uint32_t> row;
  std::vector<double> value;
};

struct Sample {
  int64_t step = 0;
  std::string prompt, text;
  int64_t problem = -1;  // which of the evaluations' problems it answers; −1: none
  bool right = false;
};

// Tokens that each expert of each MoE layer got in the batch of one step.
struct LoadSnapshot {
  uint32_t row = 0;
  std::map<int, std::vector<double>> tokens;
};

struct RunLog {
  std::string name;                           // of the folder
  std::vector<double> step, tokens, minutes;  // a row for each logged step; tokens and minutes of training until then
  // By key of the log. An array's members are "key.1" …, an object's "key.<name>". Derived: "tokens_per_second",
  // "max_vio_mean" and "max_vio_worst" (over layers).
  std::map<std::string, Series> series;
  std::vector<Sample> samples;
  std::vector<LoadSnapshot> loads;

  std::string machine, model_type;                            // empty if the log lacks them
  double parameters = 0, active_parameters = 0, started = 0;  // 0 if the log lacks them; started: unix time
  int64_t planned_steps = 0;
  int64_t skipped_steps = 0, unreadable_lines = 0;
  bool finished = false;

  std::string recipe;                              // text; empty if the folder has none
  std::map<std::string, std::string> recipe_keys;  // "train.lr" → "0.003"

  const Series* find(std::string_view key) const;
  double last(std::string_view key) const;  // NaN if there is none
};

// UserError if the folder is not a run or no step has been logged yet.
RunLog read_run(const std::filesystem::path& folder);
// The same from the text of a log. A repeated step replaces everything from that step on, as in a resumed run.
RunLog parse_run_log(std::string_view jsonl);
std::map<std::string, std::string> parse_recipe_keys(std::string_view toml);

}  // namespace minke
