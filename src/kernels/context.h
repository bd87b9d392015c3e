// Context: the first argument of everything that computes. It names the backend (kernels/backend.h), the threads, the
// scratch arena, the stream and the randomness. Model code passes it on and never asks which device it is on.
#pragma once
#include <cstdint>

#include "core/memory.h"
#include "core/rng.h"
#include "core/threads.h"

namespace minke {

class Backend;

// An order of execution on a device: what one stream is given runs in that order; between streams only events order
// (Backend::record, wait). The CPU runs everything at once, so both are trivial there.
struct Stream {
  int id = 0;
};
struct Event {
  uint64_t ticket = 0;  // the backend's
};

struct Context {
  Backend* backend = nullptr;
  Threads* threads = nullptr;
  Arena* scratch = nullptr;  // temporaries of one component of a block, taken under an ArenaScope
  Stream stream;
  RngKey rng;  // of the run; draw from rng.at("purpose").at(step)…
};

}  // namespace minke
