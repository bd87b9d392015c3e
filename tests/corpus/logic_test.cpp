// Each puzzle is solved again from its text, by trying everything: exactly one answer is left, and it is the one given.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include "calculator.h"
#include "corpus/tasks.h"

namespace minke {
namespace {

using namespace test;

std::vector<std::string> sentences(const std::string& text) {
  std::vector<std::string> out;
  std::string now;
  for (char c : text) {
    if (c == '.' || c == '?') {
      out.push_back(now);
      now.clear();
    } else if (!(c == ' ' && now.empty())) {
      now += c;
    }
  }
  return out;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::set<std::string> solve_order(const std::string& question) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::set<std::string> names;
  std::string asked;
  for (const std::string& s : sentences(question)) {
    const auto w = words(s);
    if (w[0] == "Who") asked = s;
    else pairs.emplace_back(w[0], w.back()), names.insert(w[0]), names.insert(w.back());
  }
  size_t place = 0;
  const char* const kPlaces[] = {"second", "third", "fourth", "fifth", "sixth"};
  for (size_t i = 0; i < 5; ++i)
    if (asked.find(std::string(" ") + kPlaces[i] + " ") != std::string::npos) place = i + 1;
  std::vector<std::string> people(names.begin(), names.end());
  std::set<std::string> answers;
  do {
    const auto at = [&](const std::string& n) { return std::find(people.begin(), people.end(), n) - people.begin(); };
    if (std::all_of(pairs.begin(), pairs.end(), [&](const auto& p) { return at(p.first) < at(p.second); }))
      answers.insert(people[place]);
  } while (std::next_permutation(people.begin(), people.end()));
  return answers;
}

std::set<std::string> solve_liars(const std::string& question) {
  std::map<std::string, size_t> index;
  const auto id = [&](const std::string& name) { return index.emplace(name, index.size()).first->second; };
  struct Saying {
    size_t speaker, about;
    bool truthful;
  };
  std::vector<Saying> sayings;
  size_t honest = 0;
  for (const std::string& s : sentences(question)) {
    const auto w = words(s);
    if (w[0] == "Each" || w[0] == "How") continue;
    if (w[1] == "always") honest = id(w[0]);
    else sayings.push_back({id(w[0]), id(w[2]), w[3] == "tells"});
  }
  std::set<std::string> answers;
  std::set<uint32_t> worlds;
  for (uint32_t world = 0; world < uint32_t(1) << index.size(); ++world) {
    bool ok = world >> honest & 1;
    for (const Saying& s : sayings) {
      const bool statement = bool(world >> s.about & 1) == s.truthful;
      ok &= statement == bool(world >> s.speaker & 1);
    }
    if (!ok) continue;
    worlds.insert(world);
    answers.insert(std::to_string(__builtin_popcount(world)));
  }
  EXPECT_EQ(integers(question).back(), int64_t(index.size())) << question;
  EXPECT_EQ(worlds.size(), 1u) << question;
  return answers;
}

std::set<std::string> solve_secret(const std::string& question) {
  int64_t low = 0, high = 0, divisor = 1, sum = -1, parity = -1;
  for (const std::string& s : sentences(question)) {
    const Ints n = integers(s);
    if (s.starts_with("I think")) low = n.at(0), high = n.at(1);
    else if (s.find("divided") != s.npos) divisor = n.at(0);
    else if (s.find("digits") != s.npos) sum = n.at(0);
    else if (s == "It is odd") parity = 1;
    else if (s == "It is even") parity = 0;
  }
  std::set<std::string> answers;
  for (int64_t v = low; v <= high; ++v) {
    int64_t digits = 0;
    for (char c : std::to_string(v)) digits += c - '0';
    if (v % divisor == 0 && digits == sum && (parity < 0 || v % 2 == parity)) answers.insert(std::to_string(v));
  }
  return answers;
}

std::set<std::string> solve_animals(const std::string& question) {
  const Ints n = integers(question);
  std::set<std::string> answers;
  for (int64_t four = 0; four <= n[0]; ++four)
    if (4 * four + 2 * (n[0] - four) == n[1]) answers.insert(std::to_string(four));
  return answers;
}

TEST(Logic, EachPuzzleHasExactlyTheAnswerGiven) {
  std::map<std::string, int> families;
  for (int level = 1; level <= 4; ++level)
    for (uint64_t i = 0; i < 800; ++i) {
      const Task task = make_task(3, i, TaskKind::logic, level, i % 2 ? TaskSplit::train : TaskSplit::test);
      ++families[task.family];
      const auto solve = task.family == "order"           ? solve_order
                         : task.family == "liars"         ? solve_liars
                         : task.family == "secret_number" ? solve_secret
                                                          : solve_animals;
      ASSERT_EQ(solve(task.question), std::set<std::string>{task.answer}) << task.question;
      int count = 0;
      int64_t last = 0;
      ASSERT_TRUE(equations_hold(task.reasoning, count, last)) << task.reasoning;
    }
  EXPECT_EQ(families.size(), 4u);
  for (const auto& [family, n] : families) EXPECT_GT(n, 300) << family;
}

TEST(Logic, TheSolversSeeWhatIsAmbiguous) {
  EXPECT_EQ(solve_order("Ann is older than Bob. Ann is older than Cid. Who is the second oldest?").size(), 2u);
  EXPECT_EQ(solve_secret("I think of a number from 10 to 60. It can be divided by 5. Which number is it?").size(), 0u);
  EXPECT_EQ(solve_secret("I think of a number from 10 to 30. It can be divided by 9. Its digits add up to 9. Which?"),
            (std::set<std::string>{"18", "27"}));
}

// Names and the order of the rules make no other puzzle.
TEST(Logic, CanonicalFormsHaveNoNames) {
  std::map<std::string, std::set<std::string>> by_form;
  for (uint64_t i = 0; i < 4000; ++i) {
    const Task task = make_task(1, i, TaskKind::logic, 1);
    for (char c : task.canonical.substr(task.canonical.find(' '))) ASSERT_FALSE(c >= 'A' && c <= 'Z') << task.canonical;
    by_form[task.canonical].insert(task.question);
  }
  size_t most = 0;
  for (const auto& [form, questions] : by_form) most = std::max(most, questions.size());
  EXPECT_GT(most, 20u);
  EXPECT_LT(by_form.size(), 700u);
}

}  // namespace
}  // namespace minke
