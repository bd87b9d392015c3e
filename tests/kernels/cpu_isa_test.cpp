// The choice of instruction set, and that objects compiled for one define no weak symbol that the linker could keep for
// the whole program.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "kernels/backend.h"
#include "kernels/cpu/backend.h"

namespace minke {
namespace {

TEST(CpuIsa, NamesAndBest) {
  const std::vector<std::string> names = available_isas();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names[0], "baseline");
  EXPECT_EQ(&cpu_backend(), &cpu_backend(names.back() == "amx_bf16" ? "avx512_bf16" : names.back()));
  for (const std::string& name : names) EXPECT_EQ(cpu_backend(name).name(), "cpu " + name);
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
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx_bf16"}) {
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
