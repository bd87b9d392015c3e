#include "run/stop_signals.h"

#include <csignal>
#include <cstdlib>

namespace minke {
namespace {

volatile std::sig_atomic_t requested = 0;

constexpr int kWatched[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP};

extern "C" void on_stop(int signal) {
  if (requested && signal != SIGPIPE && signal != SIGHUP) std::_Exit(128 + signal);
  requested = 1;
}

}  // namespace

StopSignals::StopSignals() {
  requested = 0;
  for (int i = 0; i < kSignals; ++i) {
    before_[i] = std::signal(kWatched[i], on_stop);
    if (kWatched[i] == SIGHUP && before_[i] == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // nohup
  }
}

StopSignals::~StopSignals() {
  for (int i = 0; i < kSignals; ++i)
    if (kWatched[i] != SIGPIPE) std::signal(kWatched[i], before_[i]);
}

bool stop_is_requested() { return requested; }

}  // namespace minke
