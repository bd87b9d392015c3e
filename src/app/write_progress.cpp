#include "app/write_progress.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "core/human_numbers.h"

namespace minke {
namespace {

volatile std::sig_atomic_t interrupted = 0;  // by which signal

extern "C" void on_write_interrupt(int signal) {
  if (interrupted) std::_Exit(128 + signal);
  interrupted = signal;
}

}  // namespace

WriteProgress::WriteProgress() {
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, on_write_interrupt);
}

void WriteProgress::show(std::string_view stage, size_t done, size_t all) {
  if (interrupted) {
    std::fprintf(stderr, "\nminke: interrupted: nothing was written\n");
    throw CLI::RuntimeError(128 + interrupted);
  }
  if (stage != stage_) stage_ = stage, begin_ = Clock::now();
  const double seconds = seconds_since(begin_);
  const double share = all > 0 ? double(done) / double(all) : 1;
  const std::string left = share > 0 && seconds > 1 ? "  ETA " + human_time(seconds / share - seconds) : "";
  console_.progress(fmt::format("{} {} {} of {}{}", stage, progress_bar(share, 20), human_bytes(double(done)),
                                human_bytes(double(all)), left),
                    int64_t(share * 1000), 1000);
}

}  // namespace minke
