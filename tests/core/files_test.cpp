#include "core/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>

#include "core/error.h"

namespace minke {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  fs::path path_ = fs::temp_directory_path() / ("minke-files-" + std::to_string(::getpid()));
  void SetUp() override { fs::create_directories(path_); }
  void TearDown() override { fs::remove_all(path_); }
  size_t entries() const { return size_t(std::distance(fs::directory_iterator(path_), fs::directory_iterator())); }

  // Runs f in a child process that is killed (SIGKILL) when f returns.
  template <class F> static void in_killed_child(F f) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      f();
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
};

TEST_F(FilesTest, WritesAndReadsBack) {
  const std::string text("a\0b\n", 4);
  write_file_atomic(path_ / "f", text);
  EXPECT_EQ(read_file(path_ / "f"), text);
  EXPECT_EQ(MappedFile(path_ / "f").text(), text);
  write_file_atomic(path_ / "f", "");
  EXPECT_EQ(read_file(path_ / "f"), "");
  EXPECT_TRUE(MappedFile(path_ / "f").bytes().empty());
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, MessagesNameThePath) {
  const auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(message([&] { read_file(path_ / "absent"); }).find("absent: No such file"), std::string::npos);
  EXPECT_NE(message([&] { MappedFile map(path_ / "absent"); }).find("absent: No such file"), std::string::npos);
  EXPECT_NE(message([&] { read_file(path_); }).find("is a folder"), std::string::npos);
  EXPECT_NE(message([&] { MappedFile map(path_); }).find("is a folder"), std::string::npos);
  EXPECT_NE(message([&] {
              write_file_atomic(path_ / "no" / "f", "x");
            }).find("no/f: there is no folder " + (path_ / "no").string()),
            std::string::npos);
  fs::create_symlink("nothing", path_ / "dangling");
  EXPECT_NE(
      message([&] { read_file(path_ / "dangling"); }).find("dangling: it is a link to nothing, which does not exist"),
      std::string::npos);
  write_file_atomic(path_ / "f", "12345");
  EXPECT_NE(message([&] { read_file(path_ / "f", 4); }).find("5 bytes, but at most 4"), std::string::npos);
  ASSERT_EQ(::mkfifo((path_ / "pipe").c_str(), 0600), 0);
  EXPECT_NE(message([&] { read_file(path_ / "pipe"); }).find("pipe is a pipe or a device, not a file: save"),
            std::string::npos);  // and does not wait
}

TEST_F(FilesTest, LinksStayAndWhatTheyNameIsReplaced) {
  write_file_atomic(path_ / "target", "old");
  fs::permissions(path_ / "target", fs::perms(0640));
  fs::create_symlink("target", path_ / "link");
  fs::create_symlink("link", path_ / "second");
  write_file_atomic(path_ / "second", "new");
  EXPECT_TRUE(fs::is_symlink(path_ / "link") && fs::is_symlink(path_ / "second"));
  EXPECT_EQ(read_file(path_ / "target"), "new");
  EXPECT_EQ(fs::status(path_ / "target").permissions(), fs::perms(0640));
  {
    AtomicFile lost(path_ / "link");  // no commit
    lost.write("lost");
  }
  EXPECT_EQ(read_file(path_ / "target"), "new");
  fs::create_directory(path_ / "far");
  fs::create_symlink("far/made", path_ / "dangling");
  write_file_atomic(path_ / "dangling", "made");
  EXPECT_TRUE(fs::is_symlink(path_ / "dangling"));
  EXPECT_EQ(read_file(path_ / "far/made"), "made");
  fs::create_symlink("loop", path_ / "loop");
  EXPECT_THROW(write_file_atomic(path_ / "loop", "x"), UserError);
  EXPECT_THROW(write_file_atomic(path_ / "far", "x"), UserError);
  EXPECT_EQ(entries(), 6u);  // nothing temporary
}

TEST_F(FilesTest, PipesAndOpenFilesAreWrittenToAsTheyAre) {
  ASSERT_EQ(::mkfifo((path_ / "pipe").c_str(), 0600), 0);
  const int reader = ::open((path_ / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file_atomic(path_ / "pipe", "through");
  char got[16] = {};
  EXPECT_EQ(::read(reader, got, sizeof got), 7);
  EXPECT_EQ(std::string(got), "through");
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(path_ / "pipe"));

  const int open = ::open((path_ / "f").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ASSERT_EQ(::write(open, "before ", 7), 7);
  write_file_atomic(fmt::format("/dev/fd/{}", open), "after");
  ::close(open);
  EXPECT_EQ(read_file(path_ / "f"), "before after");
  EXPECT_EQ(entries(), 2u);
}

TEST_F(FilesTest, AnUncommittedFileLeavesTheOldOne) {
  write_file_atomic(path_ / "f", "old");
  {
    AtomicFile file(path_ / "f");
    file.write("new");
  }
  EXPECT_EQ(read_file(path_ / "f"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, AKillBeforeCommitLeavesTheOldFile) {
  write_file_atomic(path_ / "f", "old");
  in_killed_child([&] {
    AtomicFile file(path_ / "f");
    file.write(std::string(1 << 20, 'x'));
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_EQ(read_file(path_ / "f"), "old");
  write_file_atomic(path_ / "f", "new");
  EXPECT_EQ(read_file(path_ / "f"), "new");
}

TEST_F(FilesTest, AKillAfterCommitLeavesTheNewFile) {
  write_file_atomic(path_ / "f", "old");
  in_killed_child([&] { write_file_atomic(path_ / "f", "new"); });
  EXPECT_EQ(read_file(path_ / "f"), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, FoldersAppearCompleteOrNotAtAll) {
  const fs::path target = path_ / "out";
  {
    AtomicFolder folder(target);
    write_file_atomic(folder.path() / "f", "1");
    EXPECT_FALSE(fs::exists(target));
  }
  EXPECT_EQ(entries(), 0u);
  {
    AtomicFolder folder(target / "");  // "out/" names out
    write_file_atomic(folder.path() / "f", "1");
    folder.commit();
  }
  EXPECT_EQ(read_file(target / "f"), "1");
  {
    AtomicFolder folder(target);
    write_file_atomic(folder.path() / "g", "2");
    folder.commit();
  }
  EXPECT_EQ(read_file(target / "g"), "2");
  EXPECT_FALSE(fs::exists(target / "f"));  // replaced, not merged
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, AKillBetweenFilesLeavesTheOldFolderAndIsClearedAway) {
  const fs::path target = path_ / "out";
  {
    AtomicFolder folder(target);
    write_file_atomic(folder.path() / "f", "old");
    folder.commit();
  }
  in_killed_child([&] {
    AtomicFolder folder(target);
    write_file_atomic(folder.path() / "f", "new");
    write_file_atomic(folder.path() / "stale", "x");
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_EQ(read_file(target / "f"), "old");
  {
    AtomicFolder folder(target);
    EXPECT_TRUE(fs::is_empty(folder.path()));  // nothing of the killed one is left in it
    write_file_atomic(folder.path() / "f", "newer");
    folder.commit();
  }
  EXPECT_EQ(read_file(target / "f"), "newer");
  EXPECT_FALSE(fs::exists(target / "stale"));
}

TEST_F(FilesTest, ALinkNamesOneTargetOrTheOther) {
  fs::create_directory(path_ / "a");
  replace_link(path_ / "latest", "a");
  replace_link(path_ / "latest", "b");
  EXPECT_EQ(fs::read_symlink(path_ / "latest"), "b");
  EXPECT_EQ(entries(), 2u);
  EXPECT_THROW(replace_link(path_ / "a", "b"), UserError) << "a folder is not replaced";
  EXPECT_EQ(entries(), 2u);
}

TEST_F(FilesTest, LeftoversGoAndNothingElse) {
  for (const char* folder : {"step-5", "step-6.tmp", "step-6.tmp/train", "step-4.old", "backup.old", "step-7.tmp.d"})
    fs::create_directory(path_ / folder);
  for (const char* file : {"log.jsonl", "log.jsonl.tmp.12", "notes.tmp.1", "step-1.tmp", "step-1.tmp.", "step-1.tmp.1a",
                           "step-5/step-1.tmp.3", "step-6.tmp/train/a"})
    write_file_atomic(path_ / file, "x");
  fs::create_directory_symlink("step-5", path_ / "step-8.old");
  fs::create_directory_symlink("step-5", path_ / "latest.tmp.77");
  const auto ours = [](std::string_view name) {
    return name == "log.jsonl" || name == "latest" || name.starts_with("step-");
  };
  remove_leftovers(path_, ours);
  for (const char* gone : {"step-6.tmp", "step-4.old", "log.jsonl.tmp.12", "latest.tmp.77"})
    EXPECT_FALSE(fs::exists(fs::symlink_status(path_ / gone))) << gone;
  for (const char* kept : {"log.jsonl", "step-5", "backup.old", "notes.tmp.1", "step-1.tmp", "step-1.tmp.",
                           "step-1.tmp.1a", "step-7.tmp.d", "step-8.old", "step-5/step-1.tmp.3"})
    EXPECT_TRUE(fs::exists(path_ / kept)) << kept;
  remove_leftovers(path_ / "none", ours);
}

TEST_F(FilesTest, FilesOfTheKernelAreReadToTheirEnd) {
  ASSERT_EQ(fs::file_size("/proc/self/status"), 0u);
  EXPECT_NE(read_file("/proc/self/status").find("VmRSS"), std::string::npos);
  EXPECT_THROW(read_file("/proc/self/status", 10), UserError);
}

// The pages of a map that lie beyond the end of its file cannot be read.
TEST_F(FilesTest, AMappedFileThatIsCutShortEndsTheProgramWithItsName) {
  const auto read_cut_file = [&](bool named) {
    end_on_vanished_files();
    write_file_atomic(path_ / "shard", std::string(1 << 16, 'x'));
    MappedFile other(path_ / "shard"), map(path_ / "shard");
    if (!named) map = {};
    fs::resize_file(path_ / "shard", 0);
    volatile char c = (named ? map : other).text()[1 << 15];
    std::_Exit(c == 'x' ? 3 : 4);
  };
  EXPECT_EXIT(read_cut_file(true), ::testing::ExitedWithCode(2), "minke: .*shard can no longer be read");
  EXPECT_EXIT(read_cut_file(false), ::testing::ExitedWithCode(2), "minke: .*shard can no longer be read");
}

// Also in a folder that is being written; what was complete, and what others write, stays.
TEST_F(FilesTest, WhatIsHalfWrittenGoesWithAFileThatIsCutShort) {
  const auto read_cut_file = [&] {
    end_on_vanished_files();
    write_file_atomic(path_ / "complete", "x");
    fs::create_directory(path_ / "folder");
    const HalfWritten folder(path_ / "folder");
    for (int i = 0; i < 300; ++i) std::ofstream(path_ / "folder" / std::to_string(i));  // more than one look at it
    { const HalfWritten is_complete_now(path_ / "complete"); }
    AtomicFile file(path_ / "file"), inner(path_ / "folder" / "file");
    write_file_atomic(path_ / "map", std::string(1 << 16, 'x'));
    MappedFile map(path_ / "map");
    fs::resize_file(path_ / "map", 0);
    volatile char c = map.text()[1 << 15];
    std::_Exit(c == 'x' ? 3 : 4);
  };
  write_file_atomic(path_ / "file.tmp.1", "x");
  EXPECT_EXIT(read_cut_file(), ::testing::ExitedWithCode(2), "can no longer be read");
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(path_)) left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<std::string>{"complete", "map", "file.tmp.1"}));
}

TEST_F(FilesTest, MapsMove) {
  write_file_atomic(path_ / "f", "abc");
  MappedFile a(path_ / "f");
  MappedFile b = std::move(a);
  EXPECT_EQ(b.text(), "abc");
  MappedFile c;
  c = std::move(b);
  EXPECT_EQ(c.text(), "abc");
}

}  // namespace
}  // namespace minke
