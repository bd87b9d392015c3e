// Context: the first argument of everything that computes. It names the backend (kernels table and memory), the threads,
// the scratch arena, the stream and the randomness. Model code passes it on and never asks which device it is on.
#pragma once
#include <cstdint>

#include "core/memory.h"
#include "core/rng.h"
#include "core/threads.h"

namespace minke {

struct Kernels;

// An order of execution on a device. The CPU runs everything at once and in order, so both are trivial there.
struct Stream {
  int id = 0;
};
struct Event {
  uint64_t ticket = 0;
};

struct Context {
  const Kernels* kernels = nullptr;
  Memory* memory = nullptr;  // device memory of the backend
  Threads* threads = nullptr;
  Arena* scratch = nullptr;  // temporaries of one phase, taken under an ArenaScope
  Stream stream;
  RngKey rng;  // of the run; draw from rng.at("purpose").at(step)…
};

}  // namespace minke
