#include "app/runtime.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "core/machine_memory.h"
#include "kernels/cpu/backend.h"

namespace minke {

void add_runtime_flags(CLI::App& command, RuntimeOptions& options) {
  command.add_option("-t,--threads", options.threads, "Threads; 0 = all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Seed of all randomness")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Backend& chosen_backend() {
  const std::string backend = environment("MINKE_BACKEND"), isa = environment("MINKE_ISA");
  if (isa == "reference")
    user_error(
        "MINKE_ISA names an instruction set of the cpu backend; for the reference backend: MINKE_BACKEND=reference");
  if (backend.empty() || backend == "cpu") return cpu_backend(isa);
  if (backend != "reference") user_error("MINKE_BACKEND=\"{}\" does not exist: use cpu or reference", backend);
  if (!isa.empty()) user_error("MINKE_ISA={} has no effect with MINKE_BACKEND=reference: leave one out", isa);
  return reference_backend();
}

}  // namespace

// Scratch is address space, not memory: pages come when they are first touched, so half the machine is only a bound.
Runtime::Runtime(const RuntimeOptions& options)
    : threads_(options.threads > 0 ? options.threads : hardware_threads()),
      scratch_(host_memory(), machine_memory() / 2) {
  ctx_ = {.backend = &chosen_backend(), .threads = &threads_, .scratch = &scratch_, .rng = {.seed = options.seed}};
}

std::string Runtime::description() const {
  return fmt::format("minke {} · {} · {} thread{} · {:.1f} GiB memory", kVersion, ctx_.backend->name(),
                     threads_.count(), threads_.count() == 1 ? "" : "s", double(machine_memory()) / (1 << 30));
}

}  // namespace minke
