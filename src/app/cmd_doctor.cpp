// minke doctor: what this machine has, what minke will use of it, what to change.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdlib>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/runtime.h"
#include "bench/ceilings.h"
#include "bench/machine_facts.h"
#include "core/human_numbers.h"
#include "core/standard_output.h"
#include "kernels/cpu/backend.h"
#include "kernels/cpu/processor.h"
#include "sandbox/programs.h"

namespace minke {
namespace {

struct DoctorOptions {
  RuntimeOptions runtime;
  double seconds = 0.3;
};

void line(std::string_view name, const std::string& text) {
  print_out(fmt::format("{:<16}{}\n", name, text));
  flush_out();
}

// Whether code that models write can run here, found out by running a program that does nothing.
std::string sandbox_line() {
  if (const std::string why = why_no_sandbox(); !why.empty()) return "no: " + why;
  std::string languages;
  for (const auto& [language, name] : EnumNames<CodeLanguage>::all)
    if (why_not(language).empty()) languages += fmt::format("{}{}", languages.empty() ? "" : ", ", name);
  return fmt::format("works, by bubblewrap; languages: {}", languages.empty() ? "none" : languages);
}

void doctor(const DoctorOptions& o) {
  Runtime runtime(o.runtime);
  const Context& ctx = runtime.ctx();
  const char* path = std::getenv("PATH");
  const MachineFacts f = machine_facts("/", path ? path : "");
  line("processor",
       fmt::format("{} ({})", f.processor.empty() ? "unknown" : f.processor, this_processor().description()));
  line("cpus",
       fmt::format("{} usable of {}{}{}", f.allowed_cpus, f.cpus, f.cores > 0 ? fmt::format(", {} cores", f.cores) : "",
                   f.quota > 0 ? fmt::format(", limited to {:.3g} by a control group", f.quota) : ""));
  line("instructions", fmt::format("{}", fmt::join(available_isas(), ", ")));
  line("products", fmt::format("{} ({}); MINKE_ISA={} chooses another", default_isa().isa, default_isa().description(),
                               fmt::join(available_isas(), "|")));
  const auto rates = [&](const char* name, DType dtype) {
    std::vector<std::string> tries;
    constexpr std::string_view kOnRegisters = "multiply-adds on registers, ";
    for (const Ceiling::Try& t : product_ceiling(ctx, dtype, o.seconds).tries)
      if (t.how.starts_with(kOnRegisters))
        tries.push_back(fmt::format("{} {:.0f}", t.how.substr(kOnRegisters.size()), t.rate / 1e9));
    line(name, tries.empty() ? "no instructions for it" : fmt::format("{} GFLOP/s", fmt::join(tries, ", ")));
  };
  rates("  in f32", DType::f32);
  rates("  in bf16", DType::bf16);
  rates("  in int8", DType::u8);
  const Ceiling read = read_ceiling(ctx, o.seconds);
  line("memory", fmt::format("{}, {} free, {}{}", human_bytes(double(f.memory)), human_bytes(double(f.free_memory)),
                             read.tries.empty() ? fmt::format("speed not measured: that takes {} and the cpu backend",
                                                              human_bytes(double(kReadBytes)))
                                                : fmt::format("{:.1f} GB/s when read", read.best().rate / 1e9),
                             f.memory_nodes > 1 ? fmt::format(", {} nodes", f.memory_nodes) : ""));
  line("huge pages", f.huge_pages.empty() ? "unknown" : f.huge_pages);
  if (!f.governor.empty()) line("clock", f.governor);
  line("namespaces", !f.namespaces ? "unknown" : *f.namespaces ? "yes" : "no");
  line("sandbox", sandbox_line());
  line("MPI", f.mpi.empty() ? "none (not used yet)" : f.mpi + " (not used yet)");
  line("minke uses", runtime.description());
  std::vector<std::string> all = advice(f);
  for (const CodeLanguage language : {CodeLanguage::python, CodeLanguage::cpp})
    if (const std::string why = why_not(language); !why.empty())
      all.push_back(fmt::format("Programs in {} that a model writes cannot be tested: {}", name_of(language), why));
  for (const std::string& sentence : all) line("to change", sentence);
  if (all.empty()) line("to change", "nothing");
}

}  // namespace

void add_doctor_command(CLI::App& program) {
  auto o = std::make_shared<DoctorOptions>();
  CLI::App* c = program.add_subcommand("doctor", "What this machine has, what minke uses of it, what to change");
  set_example(*c, "minke doctor");
  c->add_option("--seconds", o->seconds, "Time for each measurement")
      ->check(CLI::Range(0.01, 60.0))
      ->capture_default_str();
  add_runtime_flags(*c, o->runtime);
  c->callback([o] { doctor(*o); });
}

}  // namespace minke
