// The progress of a model that is being written, and what Ctrl-C does meanwhile: the first signal lets the writer take away what
// it has written so far, the second one ends the program at once. Test: tests/app/convert_test.sh.
#pragma once
#include <string>
#include <string_view>

#include "core/clock.h"
#include "report/console.h"

namespace minke {

class WriteProgress {
 public:
  WriteProgress();
  // Bytes. After a signal, CLI::RuntimeError with its exit code.
  void show(std::string_view stage, size_t done, size_t all);

 private:
  Console console_{stderr};
  std::string stage_;
  Clock::time_point begin_;
};

}  // namespace minke
