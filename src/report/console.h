// The console of a run: one line per step with progress bar and ETA. On a terminal the line is rewritten in place; on a
// narrow terminal it has fewer parts, because a line that wraps cannot be rewritten. In a file or pipe it is printed once
// per fiftieth of the run, so that logs stay readable.
// Test: tests/report/console_test.cpp.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace minke {

struct StepLine {
  int64_t step = 0, steps = 0;
  double loss = 0, lr = 0, grad_norm = 0, tokens_per_second = 0, eta_seconds = 0;
  std::vector<double> mtp_loss;
  double load_max_over_mean = 0;  // of this batch; 0 = no experts
  // Over the last 100 batches: mean of the layers, and the worst of them.
  double max_violation = 0;
  int64_t worst_layer = 0;
  double worst_max_violation = 0;
  double share_of_peak = 0;  // of the machine's arithmetic, as measured; 0 = not measured
  std::string note;          // what else is to be said of the step
};
// "step 120/2000 ▕██▏ loss 3.214  lr 9.8e-04  |g| 0.83  12.9k tok/s (41 % of peak)  mtp 3.510  load max/mean 1.18
// MaxVio 0.15 (layer 3: 0.22)  ETA 14 min". With columns > 0, parts are left out, the least important first, until it
// fits.
std::string step_line(const StepLine& line, int columns = 0);

std::string progress_bar(double share, int width);

class Console {
 public:
  explicit Console(std::FILE* out = stdout);
  // Current width of the terminal; 0 if there is no terminal or its width is unknown.
  int columns() const;
  // The line of step `step` of `steps`, which the next one replaces; steps 0 = the number is unknown.
  void progress(const std::string& line, int64_t step, int64_t steps);
  // A line that is not replaced.
  void print(const std::string& line);

 private:
  std::FILE* out_;
  bool terminal_;
  bool open_line_ = false;
  int64_t last_mark_ = -1;
};

}  // namespace minke
