// Runtime: what a run computes with: the backend (cpu with the fastest instruction set or the one MINKE_ISA names, or the one
// MINKE_BACKEND names: cpu, reference), threads, scratch and the Context over them. The first line of every run says what
// is used, and why. The only place below which no environment variable is read.
#pragma once
#include <optional>
#include <string>

#include "core/memory_nodes.h"
#include "kernels/backend.h"

namespace CLI {
class App;
}

namespace minke {

struct RuntimeOptions {
  int threads = 0;  // 0 = all this process may use
  uint64_t seed = 0;
  std::string resumed;  // name of the backend with which a run that goes on was computed so far; "": none
};

// Adds -t/--threads and --seed.
void add_runtime_flags(CLI::App& command, RuntimeOptions& options);

class Runtime {
 public:
  explicit Runtime(const RuntimeOptions& options);
  const Context& ctx() const { return ctx_; }
  // Scratch of the size that a dry run of the work has found (kernels/dry_run.h).
  void reserve_scratch(size_t bytes);
  const MemoryPlacement& placement() const { return placement_; }
  // "minke 0.1.0 · cpu avx512_bf16 (known processor) · 2 threads · 23.4 GiB memory"
  std::string description() const;
  // Where a run that goes on does not simply go on with what the machine would choose: what and why; "" otherwise.
  const std::string& note() const { return note_; }

 private:
  int count_;
  MemoryPlacement placement_;  // before the threads, which inherit it
  Threads threads_;
  std::optional<Arena> scratch_;
  Backend& choose_backend(const std::string& resumed);
  std::string why_, note_;
  Context ctx_;
};

constexpr const char* kVersion = "0.1.0";

}  // namespace minke
