#include "data/documents.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "corpus/corpus.h"
#include "support/shared_files.h"

namespace minke {
namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("minke_documents_{}", ::getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name, std::string_view text) const {
    fs::create_directories((path / name).parent_path());
    write_file_atomic(path / name, text);
    return (path / name).string();
  }
};

std::vector<std::string> read(const std::vector<std::string>& sources, const DocumentOptions& options = {}) {
  std::vector<std::string> documents;
  read_documents(sources, options, [&](std::string_view text) { documents.emplace_back(text); });
  return documents;
}

std::string message(const std::string& source, const DocumentOptions& options = {}) {
  try {
    read({source}, options);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

std::string gzip(std::string_view text) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = uInt(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = uInt(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

using Strings = std::vector<std::string>;

TEST(Documents, TextIsOneDocumentOrSplitAtBlankLines) {
  const Folder f;
  const std::string bytes = "one\ntwo\n\n \t\r\nthree\xff\u9cb8\u9c7c\x80 four\n\n";
  const std::string path = f.file("a.txt", bytes);
  EXPECT_EQ(read({path}), Strings{bytes});
  DocumentOptions split;
  split.split_blank_lines = true;
  EXPECT_EQ(read({path}, split), (Strings{"one\ntwo", "three\xff\u9cb8\u9c7c\x80 four"}));
  EXPECT_EQ(read({f.file("empty.txt", "")}), Strings{});
}

TEST(Documents, JsonlTakesKeysAndNamesTheLineOfAnError) {
  const Folder f;
  DocumentOptions gsm8k;
  gsm8k.text_keys = {"question", "answer"};
  EXPECT_EQ(
      read({f.file(
               "a.jsonl",
               "{\"question\":\"q\\u00e9\",\"answer\":\"#### 2\",\"n\":1}\n\r\n{\"question\":\"x\",\"answer\":\"y\"}")},
           gsm8k),
      (Strings{"q\xc3\xa9\n#### 2", "x\ny"}));
  const auto expect = [&](const char* text, const char* part) {
    const std::string got = message(f.file("bad.jsonl", text));
    EXPECT_NE(got.find("line 2"), std::string::npos) << got;
    EXPECT_NE(got.find("bad.jsonl"), std::string::npos) << got;
    EXPECT_NE(got.find(part), std::string::npos) << got;
  };
  expect("{\"text\":\"a\"}\n{\"text\":", "");
  expect("{\"text\":\"a\"}\n{\"txt\":\"b\"}", "txt");
  expect("{\"text\":\"a\"}\n{\"text\":3}", "string");
  expect("{\"text\":\"a\"}\n[1]", "object");
  expect("{\"text\":\"a\"}\n{\"text\":\"\xff\"}", "");
  expect(("{\"text\":\"a\"}\n" + std::string(100000, '[')).c_str(), "");
}

TEST(Documents, MemoryPerDocumentIsBounded) {
  const Folder f;
  DocumentOptions small;
  small.max_document_bytes = 1000;
  EXPECT_NE(message(f.file("a.txt", std::string(1001, 'x')), small).find("1000 bytes"), std::string::npos);
  EXPECT_NE(message(f.file("a.jsonl", "\n" + std::string(1001, 'x')), small).find("line 2"), std::string::npos);
  // A few kilobytes of .gz that would become 50 MB.
  EXPECT_NE(message(f.file("bomb.txt.gz", gzip(std::string(50000000, 'x'))), small).find("1000 bytes"),
            std::string::npos);
  small.split_blank_lines = true;
  EXPECT_NE(
      message(f.file("b.txt", "abc\n" + std::string(600, 'x') + "\n" + std::string(600, 'x')), small).find("line 3"),
      std::string::npos);
}

TEST(Documents, CompressedFilesReadLikePlainOnes) {
  const Folder f;
  std::string text, lines;
  for (int i = 0; i < 30000; ++i)
    text += fmt::format("line {} of a text that needs several buffers\n", i * 7919 % 30000);
  for (int i = 0; i < 3000; ++i) lines += fmt::format("{{\"text\": \"document {}\"}}\n", i);
  EXPECT_EQ(read({f.file("a.txt.gz", gzip(text))}), Strings{text});
  EXPECT_EQ(read({f.file("a.txt.zst", zstd(text))}), Strings{text});
  EXPECT_EQ(read({f.file("two.txt.gz", gzip(text) + gzip("end"))}), Strings{text + "end"});
  EXPECT_EQ(read({f.file("two.txt.zst", zstd(text) + zstd("end"))}), Strings{text + "end"});
  EXPECT_EQ(read({f.file("a.jsonl.gz", gzip(lines))}), read({f.file("a.jsonl", lines)}));
  EXPECT_EQ(read({f.file("a.jsonl.zst", zstd(lines))}).size(), 3000u);
  // Ends that fall together with the end of a read buffer.
  for (size_t n : {0u, 1u, 65535u, 65536u, 65537u, 131072u, 262144u})
    for (bool random : {false, true}) {
      std::string exact(n, 'x');
      for (size_t i = 0; random && i < n; ++i) exact[i] = char(' ' + RngKey{1}.bits(i)[0] % 64);
      EXPECT_EQ(read({f.file("exact.txt.gz", gzip(exact))}), n ? Strings{exact} : Strings{}) << n;
      EXPECT_EQ(read({f.file("exact.txt.zst", zstd(exact))}), n ? Strings{exact} : Strings{}) << n;
    }
  for (const char* name : {"cut.txt.gz", "cut.txt.zst"}) {
    const std::string whole = std::string(name).ends_with("gz") ? gzip(text) : zstd(text);
    EXPECT_NE(message(f.file(name, whole.substr(0, whole.size() / 2))).find("cut off"), std::string::npos) << name;
    std::string bad = whole;
    for (size_t i = bad.size() / 2; i < bad.size() / 2 + 40; ++i) bad[i] = char(bad[i] ^ 0x5a);
    EXPECT_NE(message(f.file(name, bad)).find(name), std::string::npos) << name;
    EXPECT_NE(message(f.file(name, "no compressed data")).find("damaged"), std::string::npos) << name;
  }
}

TEST(Documents, GzipMayEndInZeros) {
  const Folder f;
  for (size_t zeros : {1u, 512u, 200000u})
    EXPECT_EQ(read({f.file("padded.txt.gz", gzip("text") + std::string(zeros, '\0'))}), Strings{"text"}) << zeros;
  EXPECT_NE(message(f.file("tail.txt.gz", gzip("text") + "xxxx")).find("damaged gzip data"), std::string::npos);
}

TEST(Documents, ContentDecidesWhereTheNameSaysNothing) {
  const Folder f;
  EXPECT_EQ(read({f.file("b.txt", gzip("text"))}), Strings{"text"});
  EXPECT_EQ(read({f.file("b", zstd("text"))}), Strings{"text"});
  EXPECT_EQ(read({f.file("B.TXT.GZ", gzip("text"))}), Strings{"text"});
  const std::string lines = "{\"text\":\"a\"}\r\n  \n\n{\"text\":\"b\"}";
  for (const char* name : {"a.ndjson", "a.jsonlines", "a.JSONL", "a.json", "a.txt", "a", "a.json.1"}) {
    EXPECT_EQ(read({f.file(name, lines)}), (Strings{"a", "b"})) << name;
    EXPECT_EQ(read({f.file(std::string(name) + ".gz", gzip(lines))}), (Strings{"a", "b"})) << name;
    EXPECT_EQ(read({f.file(std::string(name) + ".zst", zstd(lines))}), (Strings{"a", "b"})) << name;
  }
  // With another key, whatever the name says: reading it as text would train on braces and quotes.
  const std::string other = "{\"content\":\"a\"}\n\n{\"content\":\"b\",\"id\":1}\n";
  for (const char* name : {"other.txt", "other", "other.md"}) {
    EXPECT_NE(message(f.file(name, other)).find("line 1: no key \"text\"; the keys are: content. Name"),
              std::string::npos)
        << name << ": " << message((f.path / name).string());
    EXPECT_EQ(read({(f.path / name).string()}, {.text_keys = {"content"}}), (Strings{"a", "b"})) << name;
  }
  std::string seven;
  for (int i = 0; i < 7; ++i) seven += "{\"n\":1}\n";
  EXPECT_EQ(read({f.file("seven.txt", seven + "and text")}), Strings{seven + "and text"});
  EXPECT_EQ(read({f.file("code.txt", "{\"name\":\"a\"}\nand text")}), Strings{"{\"name\":\"a\"}\nand text"});
  EXPECT_EQ(read({f.file("brace.md", "{ not JSON")}), Strings{"{ not JSON"});
  EXPECT_NE(message(f.file("keys.json", "{\"name\":\"a\"}\n")).find("no key \"text\"; the keys are: name"),
            std::string::npos);
  for (const char* text : {"[{\"text\":\"a\"}]", "{\n  \"text\": \"a\"\n}\n"})
    EXPECT_NE(message(f.file("list.json", text)).find("not JSON Lines, which is one object"), std::string::npos)
        << text;
  EXPECT_NE(message(f.file("t.csv", "text\na\n")).find("is a table (.csv)"), std::string::npos);
  EXPECT_NE(message(f.file("t.TSV.gz", gzip("text\na\n"))).find("is a table (.tsv)"), std::string::npos);
}

TEST(Documents, AJsonListIsNoText) {
  const Folder f;
  std::string long_list = "[";
  for (int i = 0; i < 1000; ++i) long_list += fmt::format("{}{{\"text\": [{}, {{}}]}}", i > 0 ? ",\n" : "", i);
  for (const std::string& list :
       {std::string(R"([{"text": "a"}])"), std::string("\n [\n\"a\",\n {\"b\": [1, [], \"c\"]}\n]\n"), long_list + "]",
        long_list + ", and so on"}) {
    EXPECT_NE(message(f.file("list.txt", list)).find("list.txt is JSON, but not JSON Lines"), std::string::npos)
        << list;
    EXPECT_NE(message(f.file("list", gzip(list))).find("list is JSON, but not JSON Lines"), std::string::npos) << list;
  }
  for (const char* text : {"[]", "[1, 2]", "[[\"a\"]]", "[\"a\", 1]", "[\"Yes,\" she said]", "[Verse 1]\nla la", "[",
                           "[\"a\"] is a list", "\"a\""}) {
    EXPECT_EQ(read({f.file("text.txt", text)}), Strings{text});
  }
}

TEST(Documents, BlankLinesAndMarksAreNoText) {
  const Folder f;
  EXPECT_EQ(read({f.file("a.jsonl", "\xEF\xBB\xBF{\"text\":\"a\"}\r\n \t\r\n\v\f\n{\"text\":\"b\"}")}),
            (Strings{"a", "b"}));
  EXPECT_EQ(read({f.file("a.txt", "\xEF\xBB\xBFtext")}), Strings{"text"});
  EXPECT_EQ(read({f.file("a.txt.gz", gzip("\xEF\xBB\xBFtext"))}), Strings{"text"});
  EXPECT_EQ(read({f.file("mark.txt", "\xEF\xBB\xBF")}), Strings{});
  DocumentOptions split;
  split.split_blank_lines = true;
  EXPECT_EQ(read({f.file("crlf.txt", "one\r\ntwo\r\n \r\nthree\r\n")}, split), (Strings{"one\r\ntwo", "three"}));
  EXPECT_NE(
      message(f.file("nul.jsonl", std::string("{\"text\":\"a\"}\0{\"text\":\"b\"}\n", 26))).find("line 1: not valid"),
      std::string::npos);
}

TEST(Documents, PartsAreWholeLinesAndAllOfTheText) {
  const Folder f;
  DocumentOptions parts;
  parts.in_parts = true;
  std::string text;
  for (int i = 0; text.size() < (3u << 20); ++i) text += fmt::format("{}\n", std::string(size_t(i) % 300, 'x'));
  text += "no newline at the end";
  const Strings got = read({f.file("a.txt", text)}, parts);
  std::string joined;
  for (const std::string& part : got) {
    EXPECT_TRUE(&part == &got.back() || part.ends_with('\n'));
    joined += part;
  }
  EXPECT_EQ(joined, text);
  EXPECT_GT(got.size(), 2u);
  const std::string endless = std::string(70u << 20, 'x') + "\n";
  EXPECT_EQ(read({f.file("b.txt", endless)}, parts).size(), 2u);
  EXPECT_EQ(read({f.file("a.jsonl", "{\"text\":\"a\\nb\"}\n")}, parts), Strings{"a\nb"});
}

TEST(Documents, FilesAreReadInTheOrderOfTheirSources) {
  const Folder f;
  f.file("d/b.txt", "B");
  f.file("d/a.jsonl", "{\"text\":\"A\"}");
  f.file("d/sub/c.txt.gz", gzip("C"));
  f.file("d/.hidden.txt", "H");
  EXPECT_EQ(read({(f.path / "d").string()}), (Strings{"A", "B", "C"}));
  EXPECT_EQ(read({(f.path / "d/*").string()}), (Strings{"A", "B", "C"}));
  EXPECT_EQ(read({(f.path / "d/*.txt").string()}), Strings{"B"});
  EXPECT_EQ(read({(f.path / "d/.hidden.txt").string()}), Strings{"H"});
  EXPECT_EQ(read({(f.path / "d/b.txt").string(), (f.path / "d/a.jsonl").string()}), (Strings{"B", "A"}));
  EXPECT_THROW(read({"/dev/zero"}), UserError);
}

TEST(Documents, BuiltinIsTheCorpus) {
  DocumentOptions options;
  options.builtin_bytes = 20000;
  options.builtin_seed = 4;
  EXPECT_EQ(read({"builtin:"}, options), make_corpus(4, 20000));
  EXPECT_EQ(read({"builtin:math"}, options), make_corpus(4, 20000, corpus_mix("math", "")));
  EXPECT_THROW(read({"builtin:poems"}, options), UserError);
}

TEST(HeldOut, HashSplitIsStableAndOfTheRightSize) {
  HeldOutOptions options;
  options.hash_fraction = 0.1;
  int held = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::string text = fmt::format("document {}", i);
    const DocumentSplit split = split_document(text, options);
    EXPECT_EQ(split.train.size() + split.held_out.size(), text.size());
    EXPECT_TRUE(split.train.empty() || split.held_out.empty());
    held += split.train.empty();
  }
  // Binomial(10000, 0.1): mean 1000, deviation 30; five deviations.
  EXPECT_NEAR(held, 1000, 150);
  options.hash_fraction = 0;
  EXPECT_EQ(split_document("x", options).train, "x");
}

TEST(HeldOut, TailCutsOnceBetweenCharacters) {
  HeldOutOptions options;
  options.tail_fraction = 0.1;
  const std::string text(1115394, 'x');  // Tiny Shakespeare: 1,003,854 for training, as others cut it
  EXPECT_EQ(split_document(text, options).train.size(), 1003854u);
  EXPECT_EQ(split_document(text, options).held_out.size(), 111540u);
  options.tail_fraction = 0.5;
  for (const char* s : {"\xe9\xb2\xb8\xe9\xb1\xbc", "a\xe9\xb2\xb8", "\xe9\xb2\xb8", ""}) {
    const DocumentSplit split = split_document(s, options);
    EXPECT_EQ(std::string(split.train) + std::string(split.held_out), s);
    EXPECT_TRUE(split.held_out.empty() || (uint8_t(split.held_out[0]) & 0xC0) != 0x80);
  }
  for (double bad : {-0.1, 1.0, 2.0, double(NAN)}) {
    HeldOutOptions wrong;
    wrong.tail_fraction = bad;
    EXPECT_THROW(check_held_out(wrong), UserError);
  }
  options.hash_fraction = 0.1;
  EXPECT_THROW(check_held_out(options), UserError);
}

TEST(Documents, QuestionsAndAnswersAreOneDocument) {
  DocumentOptions options;
  options.text_keys = {"question", "answer"};
  const Folder folder;
  const std::string own = folder.file(
      "tasks.jsonl", R"({"question": "Ann has 3 nets and buys 4. How many?", "answer": "3 + 4 = 7\n#### 7"})"
                     "\n"
                     R"({"answer": "#### 2", "question": "1 + 1?"})");
  EXPECT_EQ(read({own}, options),
            (Strings{"Ann has 3 nets and buys 4. How many?\n3 + 4 = 7\n#### 7", "1 + 1?\n#### 2"}));
  const auto gsm8k = test::shared_file("data/gsm8k/train.jsonl");
  if (!gsm8k) return;
  const Strings documents = read({gsm8k->string()}, options);
  EXPECT_EQ(documents.size(), 7473u);
  EXPECT_TRUE(documents[0].starts_with("Natalia sold clips to 48") && documents[0].ends_with("#### 72"));
}

}  // namespace
}  // namespace minke
