#include "kernels/cpu/product_path.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace minke {
namespace {

// What is known, from measurement or the makers' tables: the paths of a processor, the fastest first. The first that a
// machine has is taken: a virtual machine may hide tiles.
struct Known {
  const char* vendor;
  int family, first_model, last_model;
  std::vector<const char*> bf16;
};

const std::vector<Known>& known_processors() {
  static const std::vector<Known> all = {
      // Sapphire and Emerald Rapids: FMA 64, VDPBF16PS 32, TDPBF16PS 1,024 operations a cycle.
      {"GenuineIntel", 6, 143, 143, {"amx_bf16", "avx512_vnni"}},
      {"GenuineIntel", 6, 207, 207, {"amx_bf16", "avx512_vnni"}},
      // Zen 4 (Genoa, Raphael, Phoenix, Bergamo): VDPBF16PS gives twice what FMA does.
      {"AuthenticAMD", 25, 16, 31, {"avx512_bf16"}},
      {"AuthenticAMD", 25, 96, 175, {"avx512_bf16"}},
  };
  return all;
}

// Instruction sets that multiply BF16 each in its own way, from the plainest on.
constexpr const char* kPaths[] = {"avx512", "avx512_vnni", "avx512_bf16", "amx_bf16"};

bool has(const std::vector<std::string>& isas, std::string_view isa) {
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

}  // namespace

std::string Processor::description() const { return fmt::format("{} family {} model {}", vendor, family, model); }

std::string PathChoice::description() const {
  switch (reason) {
    case Reason::only: return "the only way here";
    case Reason::known: return "known processor";
    case Reason::measured: break;
  }
  std::string text;
  for (const PathRate& r : rates) text += fmt::format("{}{} {:.0f}", text.empty() ? "" : ", ", r.isa, r.rate / 1e9);
  return fmt::format("measured: {} GFLOP/s", text);
}

PathChoice choose_bf16_path(const Processor& processor, const std::vector<std::string>& isas,
                            const std::function<std::vector<double>(const std::vector<std::string>& paths)>& measure) {
  check(!isas.empty(), "choose_bf16_path: a machine has an instruction set");
  std::vector<std::string> paths;
  for (const char* path : kPaths)
    if (has(isas, path)) paths.emplace_back(path);
  if (has(isas, "avx512_vnni")) std::erase(paths, "avx512");  // the same products in BF16
  if (paths.size() <= 1) return {isas.back(), PathChoice::Reason::only, {}};
  for (const Known& k : known_processors())
    if (k.vendor == processor.vendor && k.family == processor.family && k.first_model <= processor.model &&
        processor.model <= k.last_model)
      for (const char* path : k.bf16)
        if (has(paths, path)) return {path, PathChoice::Reason::known, {}};
  const std::vector<double> measured = measure(paths);
  check(measured.size() == paths.size(), "choose_bf16_path: a rate for every path");
  PathChoice choice{paths[0], PathChoice::Reason::measured, {}};
  double best = measured[0];
  for (size_t i = 0; i < paths.size(); ++i) {
    choice.rates.push_back({paths[i], measured[i]});
    if (measured[i] > best * kClearlyFaster) choice.isa = paths[i], best = measured[i];
  }
  return choice;
}

ResumedPath resumed_path(const std::string& stored, const std::string& asked, const std::string& own,
                         const std::vector<std::string>& isas) {
  const auto other_bits = [&](const std::string& isa, std::string_view why) {
    return ResumedPath{isa,
                       fmt::format("the run was computed with {} so far, {}: it goes on with {}, and its numbers are "
                                   "no longer bit for bit those of a run without a stop",
                                   stored, why, isa)};
  };
  if (!asked.empty()) return asked == stored ? ResumedPath{asked, ""} : other_bits(asked, "MINKE_ISA names another");
  if (!has(isas, stored)) return other_bits(own, "which this machine lacks");
  if (stored == own) return {own, ""};
  return {stored,
          fmt::format("the run goes on with {}, as it began; for a new run this machine takes {}", stored, own)};
}

}  // namespace minke
