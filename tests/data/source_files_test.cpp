#include "data/source_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/error.h"

namespace minke {
namespace {

class SourceFilesTest : public ::testing::Test {
 protected:
  fs::path path_ = fs::temp_directory_path() / fmt::format("minke_sources_{}", ::getpid());
  void SetUp() override { fs::create_directories(path_); }
  void TearDown() override { fs::remove_all(path_); }
  void file(const std::string& name, std::string_view text = "text") const {
    fs::create_directories((path_ / name).parent_path());
    write_file_atomic(path_ / name, text);
  }
  // Names below the folder of the test, with spaces between.
  std::string names(const std::vector<fs::path>& paths) const {
    std::string out;
    for (const fs::path& p : paths) {
      if (!out.empty()) out += ' ';
      out += p.lexically_relative(path_).string();
    }
    return out;
  }
  SourceFiles of(const std::string& source) const { return source_files((path_ / source).string()); }
  std::string message(const std::string& source) const {
    try {
      of(source);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  }
};

TEST_F(SourceFilesTest, AFolderIsReadAtAnyDepthByTheNamesOfItsFiles) {
  file("d/b.txt");
  file("d/a.JSONL.gz");
  file("d/sub/c.ndjson");
  file("d/sub/deep/e.jsonlines.zst");
  file("d/lines.json", "\n{\"text\": \"a\"}\n");
  file("d/config.json", "{\"hidden_size\": 3}");
  file("d/list.json", "[1]");
  file("d/table.csv");
  file("d/picture.png");
  fs::create_symlink(path_ / "nothing.txt", path_ / "d/dead.txt");
  const SourceFiles found = of("d");
  EXPECT_EQ(names(found.documents), "d/a.JSONL.gz d/b.txt d/lines.json d/sub/c.ndjson d/sub/deep/e.jsonlines.zst");
  EXPECT_EQ(names(found.others), "d/config.json d/dead.txt d/list.json d/picture.png d/table.csv");
  EXPECT_EQ(names(source_files((path_ / "d").string(), {"other"}).documents),
            "d/a.JSONL.gz d/b.txt d/sub/c.ndjson d/sub/deep/e.jsonlines.zst");
}

TEST_F(SourceFilesTest, HiddenFilesAreLeftOutAlikeAndSaid) {
  file("d/a.txt");
  file("d/._a.txt");
  file("d/.ipynb_checkpoints/a-checkpoint.txt");
  for (const char* source : {"d", "d/*"}) {
    const SourceFiles found = of(source);
    EXPECT_EQ(names(found.documents), "d/a.txt") << source;
    EXPECT_EQ(names(found.hidden), "d/._a.txt d/.ipynb_checkpoints") << source;
    const auto notes = notes_on_sources({(path_ / source).string()});
    ASSERT_EQ(notes.size(), 1u) << source;
    EXPECT_NE(notes[0].find(" are left out, for example " + (path_ / "d/._a.txt").string()), std::string::npos)
        << notes[0];
    EXPECT_TRUE(notes[0].starts_with("2 hidden files of ")) << notes[0];
  }
  EXPECT_EQ(names(of("d/*.txt").hidden), "d/._a.txt");
  EXPECT_EQ(names(of("d/.[_]*").documents), "d/._a.txt");  // asked for
  EXPECT_EQ(names(of("d/._a.txt").documents), "d/._a.txt");
  file(".h/a.txt");  // the folder itself may be hidden
  EXPECT_EQ(names(of(".h").documents), ".h/a.txt");
  file("e/.only.txt");
  EXPECT_NE(message("e").find("; 1 hidden are left out"), std::string::npos);
}

TEST_F(SourceFilesTest, WhatIsReadOtherwiseThanItsNameSaysIsSaid) {
  file("d/a.txt", "{\"text\": \"a\"}\n");
  file("d/b.txt", "text");
  file("d/c.jsonl", "{\"text\": \"a\"}\n");
  const auto notes = notes_on_sources({(path_ / "d").string()});
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("1 file of "), std::string::npos);
  EXPECT_NE(notes[0].find("is read as JSON Lines by the content, not by the name: " + (path_ / "d/a.txt").string()),
            std::string::npos)
      << notes[0];
}

TEST_F(SourceFilesTest, LinkedFoldersAreReadOnceAndDoNotLoop) {
  file("d/a.txt");
  file("far/b.txt");
  fs::create_directory_symlink(path_ / "far", path_ / "d/far");
  fs::create_directory_symlink(path_ / "d", path_ / "d/loop");
  EXPECT_EQ(names(of("d").documents), "d/a.txt d/far/b.txt");
  fs::create_symlink(path_ / "d/a.txt", path_ / "d/b.txt");
  fs::create_symlink(path_ / "far/b.txt", path_ / "d/c.txt");
  EXPECT_EQ(names(of("d").documents), "d/a.txt d/c.txt");
  EXPECT_EQ(names(of("d").doubles), "d/b.txt d/far/b.txt");
  EXPECT_EQ(names(of("d/*.txt").documents), "d/a.txt d/c.txt");
  EXPECT_EQ(names(of("d/*.txt").doubles), "d/b.txt");
  const auto notes = notes_on_sources({(path_ / "d/*.txt").string()});
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("b.txt (a link to a file that is read already)"), std::string::npos) << notes[0];
}

TEST_F(SourceFilesTest, GlobsMatchFilesAndFolders) {
  file("d/a.txt");
  file("d/b.md");
  file("d/sub/c.txt");
  EXPECT_EQ(names(of("d/*").documents), "d/a.txt d/b.md d/sub/c.txt");
  EXPECT_EQ(names(of("d/[ab].*").documents), "d/a.txt d/b.md");
  file("d/odd[1].txt");  // a name that looks like a glob
  EXPECT_EQ(names(of("d/odd[1].txt").documents), "d/odd[1].txt");
  EXPECT_NE(message("d/**/*.txt").find("name the folder itself"), std::string::npos);
  EXPECT_NE(message("*.zip").find("no file matches"), std::string::npos);
}

TEST_F(SourceFilesTest, ASourceThatNamesNothingIsAMistake) {
  EXPECT_NE(message("none.txt").find("none.txt does not exist"), std::string::npos);
  fs::create_symlink("far.txt", path_ / "link.txt");
  EXPECT_NE(message("link.txt").find("link.txt is a link to far.txt, which does not exist"), std::string::npos);
  file("e/x.bin");
  EXPECT_NE(message("e").find("has no file that ends in .txt"), std::string::npos);
  EXPECT_TRUE(source_files("builtin:math").documents.empty());
  EXPECT_TRUE(notes_on_sources({"builtin:", (path_ / "e/x.bin").string()}).empty());
}

}  // namespace
}  // namespace minke
