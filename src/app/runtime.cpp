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

}  // namespace

Backend& Runtime::choose_backend(const std::string& resumed) {
  const std::string backend = environment("MINKE_BACKEND"), isa = environment("MINKE_ISA");
  if (isa == "reference")
    user_error(
        "MINKE_ISA names an instruction set of the cpu backend; for the reference backend: MINKE_BACKEND=reference");
  const std::string reference = reference_backend().name();
  const bool asked = !backend.empty() || !isa.empty();
  if (!backend.empty() && backend != "cpu" && backend != reference)
    user_error("MINKE_BACKEND=\"{}\" does not exist: use cpu or reference", backend);
  if (backend == reference && !isa.empty())
    user_error("MINKE_ISA={} has no effect with MINKE_BACKEND=reference: leave one out", isa);
  if (backend == reference || (!asked && resumed == reference)) {
    if (!resumed.empty() && resumed != reference)
      note_ = fmt::format("the run was computed with {} so far and goes on with the reference backend", resumed);
    return reference_backend();
  }
  constexpr std::string_view kCpu = "cpu ";
  std::string chosen = isa;
  why_ = isa.empty() ? default_isa().description() : "MINKE_ISA";
  if (!resumed.empty()) {
    const std::string stored = resumed.starts_with(kCpu) ? resumed.substr(kCpu.size()) : resumed;
    const ResumedPath path = resumed_path(stored, isa, default_isa().isa, available_isas());
    chosen = path.isa, note_ = path.note;
    if (isa.empty() && chosen != default_isa().isa) why_ = "as the run began";
  }
  return cpu_backend(chosen);
}

// For what runs before a model is known: the products that find the machine's ceilings, and those of the benchmarks.
constexpr size_t kFirstScratch = size_t(256) << 20;  // addresses: memory comes when it is first touched

Runtime::Runtime(const RuntimeOptions& options)
    : count_(options.threads > 0 ? options.threads : hardware_threads()),
      placement_(memory_nodes(), count_),
      threads_(count_, [this](int thread) { placement_.bind(thread); }),
      scratch_(std::in_place, host_memory(), kFirstScratch) {
  ctx_ = {.backend = &choose_backend(options.resumed),
          .threads = &threads_,
          .scratch = &*scratch_,
          .rng = {.seed = options.seed}};
}

void Runtime::reserve_scratch(size_t bytes) { scratch_.emplace(ctx_.backend->memory(), bytes); }

std::string Runtime::description() const {
  return fmt::format("minke {} · {}{} · {} thread{}{} · {:.1f} GiB memory", kVersion, ctx_.backend->name(),
                     why_.empty() ? "" : fmt::format(" ({})", why_), count_, count_ == 1 ? "" : "s", placement_.text(),
                     double(machine_memory()) / (1 << 30));
}

}  // namespace minke
