// The choice of instruction set, and that objects compiled for one define no weak symbol that the linker could keep for
// the whole program.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "kernels/cpu/common.h"
#include "kernels/cpu/processor.h"

namespace minke {
namespace {

TEST(CpuIsa, NamesAndBest) {
  const std::vector<std::string> names = available_isas();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names[0], "baseline");
  EXPECT_EQ(&cpu_backend(), &cpu_backend(default_isa().isa));
  for (const std::string& name : names) EXPECT_EQ(cpu_backend(name).name(), "cpu " + name);
}

// What is known must be what is measured here: two and more of these rates differ by a factor of 2 at least.
TEST(CpuIsa, TheDefaultIsTheFastest) {
  std::vector<const cpu::Kernels*> candidates;
  std::vector<std::string> names;
  for (const std::string& isa : available_isas())
    if (isa.starts_with("avx512") || isa.starts_with("amx"))
      names.push_back(isa), candidates.push_back(&cpu_backend(isa).kernels());
  if (candidates.size() < 2) {
    EXPECT_EQ(default_isa().isa, available_isas().back());
    return;
  }
  const std::vector<double> rates = cpu::bf16_rates(candidates);
  const size_t best = size_t(std::max_element(rates.begin(), rates.end()) - rates.begin());
  EXPECT_EQ(default_isa().isa, names[best]) << fmt::format("{}", fmt::join(rates, " "));
}

TEST(CpuIsa, ProcessorHasAName) {
#if defined(__x86_64__)
  const Processor p = this_processor();
  EXPECT_EQ(p.vendor.size(), 12u) << p.description();
  EXPECT_GT(p.family, 0);
  // The kernel reads the same CPUID.
  std::ifstream lines("/proc/cpuinfo");
  std::string line, vendor, family, model;
  while (std::getline(lines, line) && (vendor.empty() || family.empty() || model.empty())) {
    const std::string value = line.substr(std::min(line.size(), line.find(':') + 2));
    if (line.starts_with("vendor_id")) vendor = value;
    if (line.starts_with("cpu family")) family = value;
    if (line.starts_with("model\t")) model = value;
  }
  EXPECT_EQ(p.description(), vendor + " family " + family + " model " + model);
#endif
}

TEST(CpuIsa, UnknownNameIsAUserErrorThatListsWhatThereIs) {
  try {
    cpu_backend("avx1024");
    FAIL() << "accepted";
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("avx1024"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find(available_isas().back()), std::string::npos);
  }
}

std::string output_of(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return "";
  std::string text;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  ::pclose(pipe);
  return text;
}

// Lines of nm for symbols that are defined here but may be taken from elsewhere: weak (W, V) or unique (u).
std::vector<std::string> shared_symbols(const std::string& object) {
  const std::string text = output_of("nm '" + object + "'");
  EXPECT_NE(text, "") << "nm found no symbols in " << object;
  std::vector<std::string> found;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (line.find(" W ") != std::string::npos || line.find(" V ") != std::string::npos ||
        line.find(" u ") != std::string::npos)
      found.push_back(line);
    at = end + 1;
  }
  return found;
}

TEST(CpuIsa, ObjectsDefineNoWeakSymbols) {
#ifdef MINKE_SANITIZED
  GTEST_SKIP() << "sanitizers add weak symbols of their own";
#endif
  namespace fs = std::filesystem;
  int objects = 0;
  for (const char* isa : {"baseline", "avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx_bf16"}) {
    const fs::path folder = fs::path(MINKE_BINARY_DIR) / "CMakeFiles" / ("minke_kernels_" + std::string(isa) + ".dir");
    if (!fs::exists(folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.path().extension() != ".o") continue;
      ++objects;
      for (const std::string& line : shared_symbols(entry.path()))
        ADD_FAILURE() << entry.path().filename() << " " << isa << ": " << line;
    }
  }
  EXPECT_GE(objects, 6);
}

TEST(CpuIsa, ThatTestSeesPlantedSymbols) {
  const std::string source = ::testing::TempDir() + "planted.s", object = ::testing::TempDir() + "planted.o";
  for (const char* symbol :
       {".weak f\nf:\n", ".weak v\n.type v,@object\nv:\n", ".globl u\n.type u,@gnu_unique_object\nu:\n"}) {
    FILE* file = std::fopen(source.c_str(), "w");
    ASSERT_TRUE(file);
    std::fputs(symbol, file);
    std::fclose(file);
    ASSERT_EQ(output_of("as -o '" + object + "' '" + source + "'"), "");
    EXPECT_EQ(shared_symbols(object).size(), 1u) << symbol;
  }
}

}  // namespace
}  // namespace minke
