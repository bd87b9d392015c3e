#include "corpus/corpus.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <unordered_set>

#include "core/error.h"
#include "core/files.h"
#include "corpus/grammar.h"
#include "corpus/words.h"

namespace minke {
namespace {

using corpus::Expander;

Rng rng_for(uint64_t i) { return {RngKey{7}.at(i)}; }

TEST(Grammar, ExpandsChoicesBindingsArticlesAndCapitals) {
  std::set<std::string> seen;
  for (uint64_t i = 0; i < 200; ++i) {
    Expander e(rng_for(i));
    e.add("{toy={red|old} kite|apple}@ $toy fell. \"{why|how}?\" asked tom. ${toy}s cost $$5.");
    seen.insert(e.take());
  }
  std::set<std::string> expected;
  for (const char* toy : {"red kite", "old kite", "apple"})
    for (const char* word : {"Why", "How"}) {
      const std::string t = toy;
      std::string big = t;
      big[0] = char(big[0] - 32);
      expected.insert(std::string(t[0] == 'r' ? "A " : "An ") + t + " fell. \"" + word + "?\" asked tom. " + big +
                      "s cost $5.");
    }
  EXPECT_EQ(seen, expected);
}

TEST(Grammar, RefusesUnknownNamesAndEndlessRules) {
  Expander e(rng_for(0));
  EXPECT_THROW(e.add("$nobody"), BugError);
  const corpus::Rule loop[] = {{"a", "#a"}};
  Expander circle(rng_for(0), loop);
  EXPECT_THROW(circle.add("#a"), BugError);
}

TEST(Grammar, TidyRemovesWhatEmptyAlternativesLeave) {
  EXPECT_EQ(corpus::tidy(" a  b . c \n d  "), "a b. c\nd");
  EXPECT_EQ(corpus::plural("berry"), "berries");
  EXPECT_EQ(corpus::plural("box"), "boxes");
  EXPECT_EQ(corpus::title_case("the moon in the well"), "The Moon in the Well");
}

TEST(Corpus, DocumentIsAPureFunctionOfSeedAndIndex) {
  for (uint64_t i : {0ull, 1ull, 999999999999ull}) {
    EXPECT_EQ(make_document(1, i).text, make_document(1, i).text);
    EXPECT_NE(make_document(1, i).text, make_document(2, i).text);
  }
  const auto one = make_corpus(3, 300000, {}, 1), three = make_corpus(3, 300000, {}, 3);
  EXPECT_EQ(one, three);
  uint64_t bytes = 0;
  for (const auto& text : one) bytes += text.size();
  EXPECT_GE(bytes, 300000u);
  EXPECT_LT(bytes - one.back().size(), 300000u);
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(one[i], make_document(3, i).text);
}

bool valid_utf8(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    const uint8_t c = uint8_t(s[i]);
    const size_t n = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : 0;
    if (n == 0 || i + n > s.size()) return false;
    for (size_t k = 1; k < n; ++k)
      if ((uint8_t(s[i + k]) & 0xC0) != 0x80) return false;
    i += n;
  }
  return true;
}

TEST(Corpus, TextIsCleanInEveryGenre) {
  std::map<std::pair<DocumentKind, Language>, int> count;
  for (uint64_t i = 0; i < 6000; ++i) {
    const Document d = make_document(5, i);
    ++count[{d.kind, d.language}];
    ASSERT_TRUE(valid_utf8(d.text)) << d.text;
    ASSERT_GT(d.text.size(), 8u) << d.text;
    ASSERT_LT(d.text.size(), 4000u) << d.text;
    ASSERT_NE(d.text.back(), '\n');
    ASSERT_EQ(d.text.find("TODO"), std::string::npos);
    const bool prose = d.kind == DocumentKind::story || d.kind == DocumentKind::dialogue;
    if (!prose) continue;
    for (const char* bad : {"$",  "{",  "}",    "#",    "|",    "  ",   " .",   " ,",   "..",   "?.",
                            "!.", ".?", "，，", "。。", "？。", "！。", "，。", "：。", "\n\n", "\n "})
      ASSERT_EQ(d.text.find(bad), std::string::npos) << bad << " in: " << d.text;
    if (d.language == Language::english) {
      ASSERT_TRUE(d.text[0] >= 'A' && d.text[0] <= 'Z') << d.text;
      for (size_t p = d.text.find(". "); p != std::string::npos && p + 2 < d.text.size(); p = d.text.find(". ", p + 1))
        ASSERT_FALSE(d.text[p + 2] >= 'a' && d.text[p + 2] <= 'z') << d.text.substr(p > 20 ? p - 20 : 0, 60);
      for (size_t p = d.text.find(" a "); p != std::string::npos; p = d.text.find(" a ", p + 1))
        ASSERT_EQ(std::string_view("aeio").find(d.text[p + 3]), std::string_view::npos) << d.text.substr(p, 30);
      ASSERT_EQ(std::count(d.text.begin(), d.text.end(), '"') % 2, 0) << d.text;
    }
  }
  EXPECT_EQ(count.size(), 8u);  // every genre with a weight
  for (const auto& [key, n] : count) EXPECT_GT(n, 150);
}

// A hero of one sex is never called by the other's pronoun where the hero is alone in the story.
TEST(Corpus, PronounsHold) {
  std::map<std::string_view, bool> female;
  for (const auto& person : corpus::english_names()) female[person.name] = person.female;
  const CorpusMix mix = corpus_mix("stories", "en");
  int looked_at = 0;
  for (uint64_t i = 0; i < 3000; ++i) {
    const std::string text = make_document(11, i, mix).text;
    bool has[2] = {false, false};
    for (const auto& [name, is_female] : female)
      for (size_t p = text.find(name); p != std::string::npos; p = text.find(name, p + 1)) {
        const char after = p + name.size() < text.size() ? text[p + name.size()] : ' ';
        if (!((after >= 'a' && after <= 'z'))) has[is_female] = true;
      }
    for (const char* other : {"Grandma", "Grandpa", "Mom",  "Dad",  "Aunt",      "Uncle",  "Mother",    "Father",
                              "mother",  "father",  "man",  "wife", "librarian", "grand",  "neighbour", "seller",
                              "trader",  "robot",   "snow", "bird", "seal",      "captain"})
      if (text.find(other) != std::string::npos) has[0] = has[1] = true;
    if (has[0] == has[1]) continue;
    ++looked_at;
    const std::vector<std::string> wrong = has[0] ? std::vector<std::string>{" she ", "She ", " her "}
                                                  : std::vector<std::string>{" he ", "He ", " his ", " him "};
    for (const auto& w : wrong) EXPECT_EQ(text.find(w), std::string::npos) << w << "in: " << text;
  }
  EXPECT_GT(looked_at, 300);
}

TEST(Corpus, FiveMegabytesHoldFewRepeats) {
  const auto documents = make_corpus(1, 5000000);
  std::unordered_set<std::string> distinct;
  std::unordered_map<std::string, int> words;
  uint64_t tokens = 0;
  for (const auto& text : documents) {
    distinct.insert(text);
    std::string word;
    for (char c : text) {
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        word += char(c | 32);
      } else if (!word.empty()) {
        ++words[word], ++tokens;
        word.clear();
      }
    }
  }
  const double repeats = 1 - double(distinct.size()) / double(documents.size());
  RecordProperty("documents", int(documents.size()));
  RecordProperty("words", int(words.size()));
  EXPECT_LT(repeats, 0.01);
  EXPECT_GT(words.size(), 1500u);  // a small child's vocabulary, not a handful of templates' words
  int top = 0;
  for (const auto& [word, n] : words) top = std::max(top, n);
  EXPECT_LT(double(top) / double(tokens), 0.10);  // Zipf: the commonest English word has about 6 %
}

TEST(Corpus, MixKeepsOnlyWhatIsAsked) {
  const CorpusMix math = corpus_mix("math", "");
  for (uint64_t i = 0; i < 300; ++i) {
    const auto kind = make_document(1, i, math).kind;
    EXPECT_TRUE(kind == DocumentKind::word_problem || kind == DocumentKind::arithmetic);
  }
  for (uint64_t i = 0; i < 100; ++i)
    EXPECT_EQ(make_document(1, i, corpus_mix("stories,dialogues", "zh")).language, Language::chinese);
  EXPECT_THROW(corpus_mix("poems", ""), UserError);
  EXPECT_THROW(corpus_mix("", "fr"), UserError);
  EXPECT_THROW(corpus_mix("code", "zh"), UserError);
}

TEST(Corpus, MixHasLevelsAndWeights) {
  const CorpusMix mix = corpus_mix("countdown:3-4*0.5,chains:2,4*2,stories,word_problem:1", "");
  const auto weight = [&](DocumentKind k) { return mix.weight[size_t(k)][0] + mix.weight[size_t(k)][1]; };
  EXPECT_DOUBLE_EQ(weight(DocumentKind::countdown), 0.5);
  EXPECT_DOUBLE_EQ(weight(DocumentKind::chain), 2);
  EXPECT_DOUBLE_EQ(weight(DocumentKind::story), 0.45);  // its usual share
  EXPECT_EQ(weight(DocumentKind::fact), 0);
  EXPECT_EQ(mix.levels[size_t(DocumentKind::countdown)], Levels::range({3, 4}));
  EXPECT_EQ(mix.levels[size_t(DocumentKind::chain)].bits, 0b10100u);
  EXPECT_EQ(mix.levels[size_t(DocumentKind::word_problem)].bits, 0b10u);
  std::map<DocumentKind, int> count;
  for (uint64_t i = 0; i < 4000; ++i) ++count[make_document(1, i, mix).kind];
  EXPECT_NEAR(count[DocumentKind::chain], 4000 * 2 / 3.16, 150);
  // A group's weight is that of all its parts; the same documents as without where it is the usual one.
  const CorpusMix doubled = corpus_mix("math*2,story", ""), grouped = corpus_mix("r1_zero*3", "");
  double total = 0;
  for (const auto& row : grouped.weight) total += row[0] + row[1];
  EXPECT_NEAR(total, 3, 1e-12);
  EXPECT_NEAR(doubled.weight[size_t(DocumentKind::word_problem)][0] * 2,
              doubled.weight[size_t(DocumentKind::word_problem)][1] * 4, 1e-12);
  EXPECT_EQ(make_document(1, 3, corpus_mix("countdown", "")).text,
            make_document(1, 3, corpus_mix("countdowns*7", "")).text);
  for (const char* kind : {"story", "dialogue", "word_problem", "chat"}) {
    const CorpusMix en = corpus_mix(std::string(kind) + ":en*2,fact", ""),
                    zh = corpus_mix(std::string(kind) + ":zh", "");
    const size_t k = size_t(*find_named<DocumentKind>(kind));
    EXPECT_NEAR(en.weight[k][0], 2, 1e-12) << kind;
    EXPECT_EQ(en.weight[k][1], 0) << kind;
    EXPECT_EQ(zh.weight[k][0], 0) << kind;
    EXPECT_GT(zh.weight[k][1], 0) << kind;
  }
  for (const char* wrong : {"countdown:en",
                            "math:en*2,fact:zh",
                            "chat:fr",
                            "countdown:2",
                            "countdown:",
                            "story:1",
                            "needle:1",
                            "r1_zero:3",
                            "fact:1",
                            "countdown*",
                            "countdown*0",
                            "countdown*-1",
                            "countdown*nan",
                            "countdown*1e9",
                            "countdown*2x",
                            "countdown:3*",
                            "*2",
                            ":3",
                            ",",
                            "countdown,countdown:3",
                            "r1_zero,story*2",
                            "story,r1_zero",
                            "countdown:3,4,chain:9"}) {
    try {
      corpus_mix(wrong, "");
      ADD_FAILURE() << wrong;
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find("corpus kind \""), std::string::npos) << e.what();
    }
  }
}

// Data sets, results and the split stand on these texts, with any compiler: where they change, kCorpusVersion must be
// increased.
TEST(Corpus, TextStaysTheSame) {
  const auto hash = [](std::string_view kinds) {
    std::string all;
    for (uint64_t i = 0; i < 200; ++i) all += make_document(1, i, corpus_mix(kinds, "")).text + "\n";
    return RngKey{}.at(all).stream;
  };
  EXPECT_EQ(hash("story"), 5175526440570172393u);
  EXPECT_EQ(hash("dialogue"), 17398734363595086436u);
  EXPECT_EQ(hash("code"), 149947575904613222u);
  EXPECT_EQ(hash("word_problem"), 12867665723422672064u);
  EXPECT_EQ(hash("arithmetic"), 6895200166453126725u);
  EXPECT_EQ(hash("r1_zero"), 6802314080121106386u);
  EXPECT_EQ(hash("logic"), 9291422522668566097u);
  EXPECT_EQ(hash("exercise"), 3471716013163408434u);
  EXPECT_EQ(hash("worked"), 5880340271664166243u);
}

// Runs a sample under python3 where there is one: the syntax, the asserts, the doctests and the outputs must be true.
TEST(Corpus, PythonProgramsDoWhatTheySay) {
  const CorpusMix mix = corpus_mix("code", "");
  const fs::path folder = fs::temp_directory_path() / fmt::format("minke_code_test_{}", ::getpid());
  fs::create_directories(folder);
  int printed = 0, asserted = 0, doctests = 0;
  std::ofstream out(folder / "all.txt", std::ios::binary);
  for (uint64_t i = 0; i < 1500; ++i) {
    const std::string text = make_document(2, i, mix).text;
    printed += text.find("print(") != std::string::npos;
    asserted += text.find("assert ") != std::string::npos;
    doctests += text.find(">>> ") != std::string::npos;
    out << text << '\0';
  }
  out.close();
  EXPECT_GT(printed, 300);
  EXPECT_GT(asserted, 300);
  EXPECT_GT(doctests, 100);
  if (std::system("python3 -c 'import doctest' 2>/dev/null") == 0) {
    write_file_atomic(folder / "check.py", R"(
import doctest, io, sys, contextlib
checked = 0
for doc in open(sys.argv[1], encoding="utf-8", newline="").read().split("\0")[:-1]:
    code, shown = doc, None
    if "```python" in doc:
        code, rest = doc.split("```python\n")[1].split("\n```\n")
        call, value = rest.split("`")[1], rest.split("`")[3]
        code += "\nassert repr(" + call + ") == " + repr(value)
    space, text = {"__name__": "doc"}, io.StringIO()
    with contextlib.redirect_stdout(text):
        exec(compile(code, "doc", "exec"), space)
    expected = [l.split("  # ")[1] for l in code.split("\n") if l.startswith("print(")]
    assert text.getvalue().split("\n")[:-1] == expected, doc
    for f in list(space.values()):
        if callable(f) and getattr(f, "__doc__", None) and ">>>" in f.__doc__:
            test = doctest.DocTestParser().get_doctest(f.__doc__, space, "doc", "doc", 0)
            result = doctest.DocTestRunner(verbose=False).run(test)
            assert result.attempted == 3 and result.failed == 0, doc
    checked += 1
assert checked == 1500
)");
    EXPECT_EQ(std::system(fmt::format("python3 '{0}/check.py' '{0}/all.txt'", folder.string()).c_str()), 0);
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace minke
