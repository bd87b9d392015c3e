// Holds our sources against the layers' arrows, and the scan itself against planted faults: a check that cannot fail
// checks nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "layering/include_scan.h"

namespace minke::layering {
namespace {
namespace fs = std::filesystem;

const fs::path kRoot = MINKE_SOURCE_DIR;

std::string listed(const std::vector<std::string>& faults) { return fmt::format("{}", fmt::join(faults, "\n")); }

TEST(Arrows, AsCMakeDeclaredThem) {
  const Layers layers = read_layers(MINKE_LAYERS_FILE);
  ASSERT_TRUE(layers.count("core") && layers.count("model"));
  EXPECT_TRUE(layers.at("core").empty());
  EXPECT_TRUE(layers.at("model").count("kernels"));
  EXPECT_FALSE(layers.at("kernels").count("model"));
}

TEST(Arrows, EveryIncludeFollowsThem) {
  EXPECT_EQ(listed(scan_includes(kRoot / "src", read_layers(MINKE_LAYERS_FILE))), "");
}

TEST(Readmes, EveryLayerHasOneThatAgrees) {
  EXPECT_EQ(listed(scan_readmes(kRoot / "src", read_layers(MINKE_LAYERS_FILE))), "");
}

TEST(Architecture, ItsTableAgrees) {
  EXPECT_EQ(listed(scan_table(kRoot / "docs/architecture.md", read_layers(MINKE_LAYERS_FILE))), "");
}

TEST(Sizes, NoSourceOver600LinesNoFileOver1MB) { EXPECT_EQ(listed(scan_sizes(kRoot, 600, 1 << 20)), ""); }

// A small tree of two layers, low ← high, with app on top, and faults planted in it.
class Planted : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / fmt::format("minke_layering_{}", ::getpid());
    fs::remove_all(root_);
    write("src/low/a.h",
          "#include <vector>\n#include \"low/b.h\"\n// #include \"high/h.h\" in a comment is no include\n");
    write("src/low/b.h", "#include \"a.h\"\n");
    write("src/high/h.h", "#include \"low/a.h\"\n");
    write("src/app/main.cpp", "#include \"high/h.h\"\n#include \"low/a.h\"\n");
    write("src/low/README.md", "# low\nDepends on: nothing.\nRead `a.h`.\n");
    write("src/high/README.md", "# high\nDepends on: low.\n");
    write("src/app/README.md", "# app\nDepends on: anything.\n");
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  std::vector<std::string> includes() { return scan_includes(root_ / "src", layers_); }
  std::vector<std::string> readmes() { return scan_readmes(root_ / "src", layers_); }

  fs::path root_;
  Layers layers_{{"low", {}}, {"high", {"low"}}};
};

TEST_F(Planted, CleanTreePasses) {
  EXPECT_EQ(listed(includes()), "");
  EXPECT_EQ(listed(readmes()), "");
  EXPECT_EQ(listed(scan_sizes(root_, 3, 100)), "");
}

// Each of these would compile and link: the header is reached through src/ and needs no library.
TEST_F(Planted, HeaderOnlyLeakIsCaught) {
  for (const char* include : {"#include \"high/h.h\"", "  #  include <high/h.h>  // why", "#include \"../high/h.h\"",
                              "#include \"app/commands.h\""}) {
    write("src/low/bad.h", fmt::format("#pragma once\n{}\n", include));
    const auto faults = includes();
    ASSERT_EQ(faults.size(), 1u) << include << "\n" << listed(faults);
    EXPECT_TRUE(faults[0].starts_with("low/bad.h:2: low may not include")) << faults[0];
  }
}

TEST_F(Planted, BadIncludeDeepInALayerIsCaught) {
  write("src/low/cpu/isa/bad.cpp", "#include \"../../../high/h.h\"\n");
  EXPECT_EQ(includes().size(), 1u);
}

TEST_F(Planted, FolderThatIsNoLayerIsCaught) {
  write("src/stray/s.cpp", "");
  EXPECT_EQ(includes().size(), 1u);
}

TEST_F(Planted, ReadmeFaultsAreCaught) {
  write("src/high/README.md", "# high\nDepends on: nothing.\n");
  EXPECT_EQ(readmes().size(), 1u);
  write("src/high/README.md", "# high\nDepends on: low, app.\n");
  EXPECT_EQ(readmes().size(), 1u);
  write("src/high/README.md", "# high\nDepends on: low.\nRead `gone.h` and `low/a.h`.\n");
  EXPECT_EQ(readmes().size(), 1u);
  fs::remove(root_ / "src/high/README.md");
  EXPECT_EQ(readmes().size(), 1u);
}

TEST_F(Planted, TableFaultsAreCaught) {
  const std::string low = "| `low/` | nothing | x |\n", high = "| `high/` | low | x |\n",
                    app = "| `app/` | anything | x |\n";
  const auto faults = [&](const std::string& table) {
    write("page.md", "# page\n" + table);
    return scan_table(root_ / "page.md", layers_).size();
  };
  EXPECT_EQ(faults(low + high + app), 0u);
  EXPECT_EQ(faults(low + app), 1u);
  EXPECT_EQ(faults(low + high + app + "| `stray/` | low | x |\n"), 1u);
  EXPECT_EQ(faults(low + "| `high/` | low, app | x |\n" + app), 1u);
}

TEST_F(Planted, SizesAreCaught) {
  write("src/low/long.cpp", "\n\n\n\n");
  write("docs/big.bin", std::string(101, 'x'));
  write("build/big.bin", std::string(101, 'x'));
  EXPECT_EQ(scan_sizes(root_, 3, 100).size(), 2u);
}

}  // namespace
}  // namespace minke::layering
