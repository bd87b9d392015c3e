// Runtime: what a run computes with: the backend (cpu with the best instruction set or the one MINKE_ISA names, or the one
// MINKE_BACKEND names: cpu, reference), threads, scratch and the Context over them. The first line of every run says what
// is used. The only place below which no environment variable is read.
#pragma once
#include <string>

#include "kernels/backend.h"

namespace CLI {
class App;
}

namespace minke {

struct RuntimeOptions {
  int threads = 0;  // 0 = all this process may use
  uint64_t seed = 0;
};

// Adds -t/--threads and --seed.
void add_runtime_flags(CLI::App& command, RuntimeOptions& options);

class Runtime {
 public:
  explicit Runtime(const RuntimeOptions& options);
  const Context& ctx() const { return ctx_; }
  // "minke 0.1.0 · cpu avx512_bf16 · 2 threads · 23.4 GiB memory"
  std::string description() const;

 private:
  Threads threads_;
  Arena scratch_;
  Context ctx_;
};

constexpr const char* kVersion = "0.1.0";

}  // namespace minke
