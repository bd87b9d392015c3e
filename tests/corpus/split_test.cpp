#include "corpus/split.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <unordered_set>

#include "corpus/chains.h"
#include "corpus/corpus.h"
#include "corpus/tasks.h"
#include "corpus/words.h"

namespace minke {
namespace {

TEST(Split, OneInTenIsForTests) {
  int test = 0;
  for (int i = 0; i < 20000; ++i) test += split_of("countdown " + std::to_string(i)) == TaskSplit::test;
  EXPECT_NEAR(test, 2000, 150);
  // These stand in data sets and results: the hash must not change.
  std::string sides;
  for (int i = 0; i < 40; ++i) sides += split_of("x " + std::to_string(i)) == TaskSplit::test ? 'T' : '.';
  EXPECT_EQ(sides, ".....T..T........................T......");
}

TEST(Split, CanonicalFormsHaveNoNamesWordingOrLanguage) {
  EXPECT_EQ(canonical_form("receive", "Ann has 7 nuts. Bob gives her 12 more. How many nuts does Ann have now?"),
            canonical_form("receive", "Max had 12 eggs. Then he buys 7 more. How many eggs does Max have in all?"));
  EXPECT_EQ(canonical_form("zh_receive", "小明有7个苹果，又买了12个。"), "receive 7 12");
  EXPECT_EQ(canonical_form("times_as_many", "Ann has 4 nuts. Bob has three times as many."), "times_as_many 3 4");
  EXPECT_EQ(canonical_form("add", "What is 3 + 200?"), "fact add 3 200");
  EXPECT_EQ(canonical_form("add", "What is 3 + 201?"), "add 3 201");
  EXPECT_EQ(canonical_form("remainder", "What is the remainder when 17 is divided by 5?"), "remainder 5 17");
  EXPECT_EQ(numbers_in("a 12345678901234567890123 b 0"), (std::vector<int64_t>{123456789012345678, 0}));
}

const std::vector<std::string>& names() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> list;
    for (const auto& p : corpus::english_names()) list.emplace_back(p.name);
    for (const auto& p : corpus::chinese_names()) list.emplace_back(p.name);
    return list;
  }();
  return all;
}

// A question as it stands in a text, without the people: the first that appears is N1, the next N2 …
std::string without_names(const std::string& text) {
  std::vector<std::string_view> seen;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    std::string_view found;
    const bool capital = text[at] >= 'A' && text[at] <= 'Z', chinese = uint8_t(text[at]) >= 0x80;
    for (const std::string& name : names())
      if ((capital || chinese) && text[at] == name[0] && text.compare(at, name.size(), name) == 0 &&
          name.size() > found.size())
        found = name;
    if (found.empty()) {
      out += text[at++];
      continue;
    }
    const auto place = std::find(seen.begin(), seen.end(), found);
    out += "N" + std::to_string(place - seen.begin() + 1);
    if (place == seen.end()) seen.push_back(found);
    at += found.size();
  }
  return out;
}

// What can be found in a text: the canonical forms that its makers say are in it, and each of its lines.
struct Found {
  std::unordered_set<std::string> forms, lines;

  void add(const Document& document) {
    for (const std::string& form : document.problems) forms.insert(form);
    std::istringstream in(document.text);
    for (std::string line; std::getline(in, line);) {
      for (const char* before : {"User: ", "# "})
        if (line.starts_with(before)) line = line.substr(std::string_view(before).size());
      lines.insert(without_names(line));
    }
  }
  int count(const std::vector<Task>& tasks) const {
    int n = 0;
    for (const Task& t : tasks) n += forms.count(t.canonical) > 0 || lines.count(without_names(t.question)) > 0;
    return n;
  }
};

std::vector<Task> tasks_of(TaskSplit split, std::initializer_list<uint64_t> seeds, uint64_t each) {
  std::vector<Task> tasks;
  for (uint64_t seed : seeds)
    for (const auto& [kind, name] : EnumNames<TaskKind>::all)
      for (int level = task_levels(kind).first; level <= task_levels(kind).last; ++level)
        for (uint64_t i = 0; i < each; ++i) tasks.push_back(make_task(seed, i, kind, level, split));
  return tasks;
}

// The promise: whatever seed a test has, none of its problems stands in a text to train on.
TEST(Split, NoTestProblemIsInTheText) {
  Found text;
  uint64_t problems = 0;
  for (const char* kinds : {"", "word_problem,arithmetic", "r1_zero",
                            "chain:2-6,countdown:3-6,attempt:3-6,check,logic,exercise", "chat", "worked"}) {
    const CorpusMix mix = corpus_mix(kinds, "");
    for (uint64_t i = 0; i < 13000; ++i) {
      const Document d = make_document(i % 3, i, mix);
      problems += d.problems.size();
      ASSERT_FALSE(corpus::shows_test_problem(d.text)) << d.text;
      text.add(d);
    }
  }
  EXPECT_GT(problems, 40000u);
  EXPECT_GT(text.forms.size(), 25000u);
  const std::vector<Task> tests = tasks_of(TaskSplit::test, {0, 1, 77, 20261128}, 60);
  for (const Task& t : tests) {
    ASSERT_FALSE(t.canonical.starts_with("fact")) << t.question;
    ASSERT_EQ(split_of(t.canonical), TaskSplit::test);
  }
  EXPECT_EQ(text.count(tests), 0);
  // The count can fail: problems of the training side are found in it, and one that is planted.
  EXPECT_GT(text.count(tasks_of(TaskSplit::train, {0}, 60)), 100);
  for (const Task& t : {tests[0], tests[tests.size() / 2], tests.back()}) {
    Found planted;
    planted.add({"User: " + t.question + "\nAssistant:", DocumentKind::check, Language::english, {}});
    EXPECT_GE(planted.count(tests), 1) << t.question;
    planted = {};
    planted.add({"", DocumentKind::check, Language::english, {t.canonical}});
    EXPECT_GE(planted.count(tests), 1) << t.canonical;
  }
}

// What a text works out is seen however it is laid out: with marks between, with a value as the second number.
TEST(Split, TestProblemsAreSeenInATextOfEquations) {
  int seen = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    const Task task = make_task(3, i, TaskKind::chain, 2 + int(i % 5), TaskSplit::test);
    ASSERT_TRUE(corpus::shows_test_problem(task.reasoning)) << task.reasoning;
    std::string apart;
    for (char c : task.reasoning) apart += c == '\n' ? std::string(" ok\n9+9=18 no\nSo ") : std::string(1, c);
    ASSERT_TRUE(corpus::shows_test_problem("1=1\n" + apart + " .")) << apart;
    seen += corpus::shows_test_problem(make_task(3, i, TaskKind::chain, 2, TaskSplit::train).reasoning);
    const std::string way = make_task(3, i, TaskKind::countdown, 3, TaskSplit::test).reasoning;
    const std::vector<int64_t> n = numbers_in(way);  // a b c = and what comes of it: linked where c is taken up first
    ASSERT_TRUE(n[3] != n[2] || corpus::shows_test_problem(way)) << way;
  }
  EXPECT_EQ(seen, 0);
  const std::string form = "chain 3+4*";
  for (int k = 2; k < 60; ++k) {  // 7*k and k*7 are one
    const std::string product = std::to_string(7 * k);
    corpus::Countdown c;  // the same numbers and value
    c.numbers = {3, 4, k}, c.target = 7 * k;
    const bool test =
        split_of(form + std::to_string(k)) == TaskSplit::test || split_of(c.canonical()) == TaskSplit::test;
    EXPECT_EQ(corpus::shows_test_problem(fmt::format("3+4=7\n7*{}={}", k, product)), test);
    EXPECT_EQ(corpus::shows_test_problem(fmt::format("Ann: 3 + 4 = 7 and {} * 7 = {}.", k, product)), test);
    EXPECT_FALSE(corpus::shows_test_problem(fmt::format("3+4=7\n7*{}={}", k, 7 * k + 1)));  // not true
    EXPECT_FALSE(corpus::shows_test_problem(fmt::format("7*{}={}", k, product)));
  }
  EXPECT_FALSE(corpus::shows_test_problem(std::string(100000, '7') + "+" + std::string(100000, '9') + "=1+"));
}

// A way that misses its target does not reach that of a test problem with the same numbers.
TEST(Split, MissesShowNoTestProblem) {
  int misses = 0;
  for (uint64_t i = 0; i < 3000; ++i) {
    const Document d = make_document(4, i, corpus_mix("countdown,check", ""));
    if (!d.text.starts_with("User: Make")) continue;
    corpus::Countdown c;
    const std::vector<int64_t> asked = numbers_in(d.text.substr(0, d.text.find('\n')));
    c.numbers.assign(asked.begin() + 1, asked.end());
    std::istringstream in(d.text);
    for (std::string line; std::getline(in, line);) {
      const bool miss = line.ends_with(" no"), wrong = line.find(" not ") != line.npos;
      if (!miss && !wrong) continue;
      c.target = std::stoll(line.substr(line.find('=') + 1));
      ASSERT_EQ(split_of(c.canonical()), TaskSplit::train) << d.text;
      ++misses;
    }
  }
  EXPECT_GT(misses, 3000);
}

TEST(Split, TasksOfTheTwoSidesShareNoProblem) {
  std::unordered_set<std::string> train;
  for (const Task& t : tasks_of(TaskSplit::train, {1, 2}, 150)) train.insert(t.canonical);
  for (const Task& t : tasks_of(TaskSplit::test, {1, 3}, 100)) ASSERT_EQ(train.count(t.canonical), 0u) << t.canonical;
}

// Tests are not the same few problems over and over.
TEST(Split, TestProblemsAreMany) {
  for (const auto& [kind, name] : EnumNames<TaskKind>::all)
    for (int level = task_levels(kind).first; level <= task_levels(kind).last; ++level) {
      std::set<std::string> forms;
      for (uint64_t i = 0; i < 400; ++i) forms.insert(make_task(9, i, kind, level, TaskSplit::test).canonical);
      EXPECT_GT(forms.size(), level == 1 ? 12u : 40u)  // level 1: numbers below ten, three people, two stages
          << name << ' ' << level;
      RecordProperty(std::string(name) + std::to_string(level), int(forms.size()));
    }
}

}  // namespace
}  // namespace minke
