#include "app/runtime.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "core/machine_memory.h"

namespace minke {

void add_runtime_flags(CLI::App& command, RuntimeOptions& options) {
  command.add_option("-t,--threads", options.threads, "Threads; 0 = all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Seed of all randomness")->capture_default_str();
}

// Scratch is address space, not memory: pages come when they are first touched, so half the machine is only a bound.
Runtime::Runtime(const RuntimeOptions& options)
    : threads_(options.threads > 0 ? options.threads : hardware_threads()),
      scratch_(host_memory(), machine_memory() / 2) {
  const char* isa = std::getenv("MINKE_ISA");
  const std::string_view wanted = isa ? isa : "";
  ctx_ = {.kernels = wanted == "reference" ? &reference_kernels() : &cpu_kernels(wanted),
          .memory = &host_memory(),
          .threads = &threads_,
          .scratch = &scratch_,
          .rng = {.seed = options.seed}};
}

std::string Runtime::description() const {
  return fmt::format("minke {} · {} · {} thread{} · {:.1f} GiB memory", kVersion, ctx_.kernels->name, threads_.count(),
                     threads_.count() == 1 ? "" : "s", double(machine_memory()) / (1 << 30));
}

}  // namespace minke
