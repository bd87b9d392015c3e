#include "data/file_format.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace minke {
namespace {

std::string message(std::string_view begin, const fs::path& path = "x.txt") {
  try {
    refuse_other_formats(begin, path);
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

TEST(FileFormat, OtherFormatsAreNamedWithTheWayOut) {
  using namespace std::string_view_literals;
  const std::string tar = std::string(257, 'a') + "ustar\0";
  const std::pair<std::string_view, const char*> cases[] = {
      {"\xFD\x37zXZ\0"sv, "a file of xz, not text: unpack it first"},
      {"BZh91AY&SY"sv, "bzip2"},
      {"\x04\x22\x4D\x18"sv, "lz4"},
      {"PK\x03\x04"sv, "zip"},
      {"PAR1\x15"sv, "Parquet, not text: make a line"},
      {"ARROW1\0\0"sv, "Arrow"},
      {"Obj\x01"sv, "Avro"},
      {"SQLite format 3\0"sv, "SQLite"},
      {"%PDF-1.7"sv, "PDF"},
      {"\x89PNG\r\n"sv, "PNG"},
      {"\0\x05\x16\x07"sv, "AppleDouble"},
      {"\xFF\xFEh\0"sv, "UTF-16, not text: make UTF-8 of it"},
      {"\xFE\xFF\0h"sv, "UTF-16"},
      {"\xFF\xFE\0\0"sv, "UTF-32"},
      {"\x1F\x8B"sv, "gzip within"},
      {tar, "tar, not text: unpack it into a folder"}};
  for (const auto& [begin, expected] : cases)
    EXPECT_NE(message(begin).find(expected), std::string::npos) << expected << ": " << message(begin);
  EXPECT_NE(message("a,b\n1,2\n", "t.CSV.gz").find("a table (.csv)"), std::string::npos);
  EXPECT_NE(message("an old one", "t.tar").find("an archive (.tar), not text: unpack it into"), std::string::npos);
  EXPECT_NE(message("x", "t.txt.br").find("a compressed file (.br), not text: unpack it first"), std::string::npos);
  EXPECT_NE(message("x", "t.lzma").find("a compressed file (.lzma)"), std::string::npos);
}

TEST(FileFormat, BytesOfOtherEncodingsAreNoText) {
  const auto expect = [](std::string_view begin, const char* expected) {
    EXPECT_NE(message(begin).find(expected), std::string::npos) << expected << ": " << message(begin);
  };
  using namespace std::string_view_literals;
  expect("h\0i\0"sv, "byte 1 is a NUL. If it is UTF-16");
  expect("\0h\0i"sv, "byte 0 is a NUL");
  expect(std::string(kFormatBytes - 1, 'a') + '\0', "byte 7999 is a NUL");
  expect("caf\xe9 cr\xe8me"sv, "2 of its first 10 bytes are part of no character");  // Latin-1
  expect("\xd6\xd0\xce\xc4\xd7\xd6\xb7\xfb"sv, "is not text in UTF-8");              // GB 18030: 中文字符
  expect("\xcb\xc9\xd4\xc9"sv, "is not text in UTF-8");                              // KOI8-R
  std::string quotes = std::string(kFormatBytes, 'a');  // English with the quotation marks of Windows-1252
  for (size_t i = 0; i < 17; ++i) quotes[i * 400] = '\x93';
  expect(quotes, "17 of its first 7997 bytes");
}

TEST(FileFormat, AFewDamagedCharactersAreLetThrough) {
  std::string text(kFormatBytes, 'a');
  for (size_t i = 0; i < 15; ++i) text[i * 400] = '\xe9';
  EXPECT_EQ(message(text), "");
  EXPECT_EQ(message("\u4e2d\u6587 \xff \u5b57"), "");
  // What is looked at ends in the midst of a character.
  for (size_t cut = 0; cut < 4; ++cut) {
    std::string whales;
    while (whales.size() < kFormatBytes + 4) whales += "\U0001F40B";
    EXPECT_EQ(message(std::string(cut, 'a') + whales.substr(0, kFormatBytes - cut)), "") << cut;
    EXPECT_EQ(message(std::string(kFormatBytes - cut, 'a') + whales.substr(0, cut)), "") << cut;
  }
}

TEST(FileFormat, TextThatResemblesOneIsText) {
  for (const char* text : {"", "P", "ORCHARDS are", "BZh is a mark", "GIF is", "GGUF files", "{\"text\": 1}",
                           "\xEF\xBB\xBFx", "7z", "ustar"})
    EXPECT_EQ(message(text), "") << text;
  EXPECT_EQ(message(std::string(256, 'a') + "ustar"), "");
  EXPECT_EQ(message("a,b", "csv"), "");
}

TEST(FileFormat, EndingsAreReadThroughCompressionAndCapitals) {
  EXPECT_EQ(text_ending("a/Notes.JSONL.GZ"), ".jsonl");
  EXPECT_EQ(text_ending("a.tar.zst"), ".tar");
  EXPECT_EQ(text_ending("a.gz"), "");
  EXPECT_EQ(text_ending("a.b/c"), "");
  EXPECT_EQ(text_ending("c4.00000.json"), ".json");
}

}  // namespace
}  // namespace minke
