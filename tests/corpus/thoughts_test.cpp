// The text of a base for R1-Zero, read by a checker that knows only its format: every equation, mark and answer.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <map>
#include <regex>
#include <sstream>

#include "calculator.h"
#include "core/error.h"
#include "corpus/corpus.h"

namespace minke {
namespace {

using namespace test;

struct Line {
  int64_t a = 0, b = 0, stated = 0, instead = -1;  // instead: the value after "not"
  char op = 0;
  std::string mark;  // "", "ok", "no", "not"
  int64_t value() const {
    return op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : b && a % b == 0 ? a / b : INT64_MIN;
  }
};

struct Reading {
  std::string fault;  // "" where all is as it should be
  bool list = false, has_check = false, caught = false, answered = false, countdown = false;
  int numbers = 0, steps = 0, misses = 0, equations = 0;
};

Reading read(const std::string& text) {
  Reading r;
  const auto fault = [&](const std::string& what) {
    if (r.fault.empty()) r.fault = what;
  };
  static const std::regex kLine(R"((\d+)([-+*/])(\d+)=(\d+)(?: (ok|no|not (\d+)))?)");
  std::string thought = text, question, answer;
  static const std::regex kDocument(
      R"(User: ((?:Make|Compute) [^\n]*)\.\nAssistant:<think>([^<]*)</think>(?:\n<answer>([^<]+)</answer>)?)");
  std::smatch m;
  if (!text.starts_with("User: ")) {
    r.list = true;
  } else if (std::regex_match(text, m, kDocument)) {
    question = m[1], thought = m[2], answer = m[3];
  } else {
    fault("format");
    return r;
  }
  r.countdown = question.starts_with("Make ");
  r.answered = !answer.empty();
  std::vector<Line> lines;
  size_t check_at = SIZE_MAX;
  std::istringstream in(thought);
  for (std::string line; std::getline(in, line);) {
    if (line == "check") {
      if (r.has_check) fault("two checks");
      r.has_check = true;
      check_at = lines.size();
      continue;
    }
    if (!std::regex_match(line, m, kLine)) {
      fault("line " + line);
      return r;
    }
    Line l{std::stoll(m[1]), std::stoll(m[3]), std::stoll(m[4]), -1, m[2].str()[0], m[5].str().substr(0, 3)};
    if (m[6].matched) l.instead = std::stoll(m[6]);
    if (l.mark == "ok ") l.mark = "ok";
    lines.push_back(l);
  }
  r.equations = int(lines.size());
  if (lines.empty()) fault("no equation");
  // Every equation is true, but one that a later "not" names with the value that it states.
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& l = lines[i];
    if (l.stated == l.value()) continue;
    const bool named = std::any_of(lines.begin() + ptrdiff_t(i) + 1, lines.end(), [&](const Line& n) {
      return n.mark == "not" && n.a == l.a && n.b == l.b && n.op == l.op && n.instead == l.stated;
    });
    if (!named || i >= check_at || !l.mark.empty()) fault("wrong equation that is not caught");
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].mark != "not") continue;
    r.caught = true;
    const bool wrong_before = std::any_of(lines.begin(), lines.begin() + ptrdiff_t(i), [&](const Line& n) {
      return n.a == lines[i].a && n.b == lines[i].b && n.op == lines[i].op && n.stated == lines[i].instead &&
             n.stated != n.value();
    });
    if (!wrong_before || i < check_at) fault("false alarm");
  }
  if (r.list) return r;
  const Ints asked = integers(question);
  bool ok = true;
  if (!r.countdown) {
    r.steps = int(std::count_if(question.begin(), question.end(), [](char c) { return strchr("+-*/", c) != nullptr; }));
    if (answer != std::to_string(value_of(question.substr(8), ok)) || !ok) fault("wrong answer");
    if (lines.back().stated != std::stoll("0" + answer)) fault("the last equation is not the answer");
    return r;
  }
  const int64_t target = asked[0];
  Ints numbers(asked.begin() + 1, asked.end());
  r.numbers = int(numbers.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& l = lines[i];
    r.misses += l.mark == "no";
    if (l.mark == "no" && l.stated == target) fault("a hit is called a miss");
    if (l.mark == "ok" && i < check_at && l.stated != target) fault("a miss is called a hit");
    // What an equation works with is on the table or came out before.
    for (int64_t x : {l.a, l.b}) {
      bool known = std::count(numbers.begin(), numbers.end(), x) > 0;
      for (size_t k = 0; k < i; ++k) known |= lines[k].stated == x;
      if (!known) fault("a number from nowhere");
    }
  }
  if (!r.answered) {
    if (r.misses < 2) fault("gave up at once");
    return r;
  }
  Ints used = integers(answer);
  std::sort(used.begin(), used.end());
  std::sort(numbers.begin(), numbers.end());
  if (used != numbers) fault("the answer uses other numbers");
  if (value_of(answer, ok) != target || !ok) fault("wrong answer");
  if (lines.back().stated != target) fault("the last equation is not the target");
  return r;
}

TEST(Thoughts, TheCheckerSeesFaults) {
  const auto fault = [](const char* text) { return read(text).fault; };
  const std::string chain = "User: Compute (12+7)*3.\nAssistant:<think>";
  EXPECT_EQ(read(chain + "12+7=19\n19*3=57</think>\n<answer>57</answer>").fault, "");
  EXPECT_NE(read(chain + "12+7=19\n19*3=56</think>\n<answer>56</answer>").fault, "");
  EXPECT_NE(read(chain + "12+7=19\n19*3=57</think>\n<answer>58</answer>").fault, "");
  EXPECT_EQ(read(chain + "12+7=19\n19*3=47\ncheck\n12+7=19 ok\n19*3=57 not 47</think>\n<answer>57</answer>").fault, "");
  EXPECT_NE(read(chain + "12+7=19\n19*3=47\ncheck\n12+7=19 ok\n19*3=57 not 46</think>\n<answer>57</answer>").fault, "");
  EXPECT_NE(read(chain + "12+7=19\n19*3=57\ncheck\n12+7=19 ok\n19*3=57 not 47</think>\n<answer>57</answer>").fault, "");
  EXPECT_NE(
      fault("User: Make 54 from 3 7 25.\nAssistant:<think>25-7=18\n18*3=54 no</think>\n<answer>(25-7)*3</answer>"), "");
  EXPECT_NE(
      fault("User: Make 54 from 3 7 25.\nAssistant:<think>25-7=18\n18*3=54 ok</think>\n<answer>(25-7)*4</answer>"), "");
  EXPECT_NE(fault("User: Make 54 from 3 7 25.\nAssistant:<think>25-7=18\n6*9=54 ok</think>\n<answer>(25-7)*3</answer>"),
            "");
  EXPECT_EQ(
      fault("User: Make 54 from 3 7 25.\nAssistant:<think>25-7=18\n18*3=54 ok</think>\n<answer>(25-7)*3</answer>"), "");
  EXPECT_NE(fault("3+4=8"), "");
}

// Tokens as a tokenizer for arithmetic cuts them: each digit, sign, newline and tag one, words with the space before
// them; begin and end of the document. Stories: 3 bytes a token (1,024 tokens learned on this mix).
double tokens(const Document& d) {
  if (d.kind == DocumentKind::story) return 2 + double(d.text.size()) / 3.0;
  double n = 2;
  const std::string& t = d.text;
  for (size_t i = 0; i < t.size(); ++n) {
    const auto letter = [&](size_t k) { return k < t.size() && std::isalpha(static_cast<unsigned char>(t[k])); };
    size_t end = i + 1;
    if (t[i] == '<') end = t.find('>', i) + 1;
    else if (letter(i) || (t[i] == ' ' && letter(i + 1)))
      while (letter(end)) ++end;
    i = end;
  }
  return n;
}

TEST(Thoughts, EveryEquationMarkAndAnswerIsTrue) {
  constexpr int kDocuments = 20000;
  std::array<double, kDocumentKinds> length{}, documents{};
  std::map<int, int> countdown_numbers, chain_steps, ways;
  int checks = 0, caught = 0, gave_up = 0, searches = 0, single = 0, lists = 0;
  double total = 0;
  const CorpusMix mix = corpus_mix("r1_zero", "");
  for (uint64_t i = 0; i < kDocuments; ++i) {
    const Document d = make_document(21, i, mix);
    const double n = tokens(d);
    length[size_t(d.kind)] += n, documents[size_t(d.kind)] += 1, total += n;
    if (d.kind == DocumentKind::story) {
      ASSERT_EQ(d.language, Language::english);
      continue;
    }
    const Reading r = read(d.text);
    ASSERT_EQ(r.fault, "") << d.text;
    ASSERT_EQ(r.list && d.kind != DocumentKind::fact, false);
    ASSERT_LT(n, 256) << d.text;  // a document fits a sequence
    if (r.countdown) ++countdown_numbers[r.numbers];
    switch (d.kind) {
      case DocumentKind::fact:
        ++(r.list ? lists : single);
        ASSERT_EQ(r.steps, r.list ? 0 : 1) << d.text;
        break;
      case DocumentKind::chain:
        ++chain_steps[r.steps];
        ASSERT_FALSE(r.has_check);
        ASSERT_EQ(r.equations, r.steps);
        break;
      case DocumentKind::attempt:
        ASSERT_TRUE(r.countdown && r.answered && !r.has_check);
        ASSERT_EQ(r.equations, r.numbers - 1);
        break;
      case DocumentKind::check:
        if (!r.countdown) ++chain_steps[r.steps];
        ASSERT_TRUE(r.has_check && r.answered);
        ++checks, caught += r.caught;
        break;
      case DocumentKind::countdown:
        ASSERT_TRUE(r.countdown && !r.has_check && !r.caught);
        ++searches, gave_up += !r.answered;
        ++ways[r.misses + r.answered];
        break;
      default: FAIL();
    }
  }
  const std::pair<DocumentKind, double> shares[] = {{DocumentKind::fact, 0.25},      {DocumentKind::chain, 0.15},
                                                    {DocumentKind::attempt, 0.25},   {DocumentKind::check, 0.20},
                                                    {DocumentKind::countdown, 0.10}, {DocumentKind::story, 0.05}};
  for (const auto& [kind, share] : shares) {
    EXPECT_NEAR(length[size_t(kind)] / total, share, 0.02) << name_of(kind);
    const double mean = length[size_t(kind)] / documents[size_t(kind)];
    RecordProperty(std::string("mean_tokens_") + name_of(kind), int(mean));
  }
  const auto mean = [&](DocumentKind kind) { return length[size_t(kind)] / documents[size_t(kind)]; };
  EXPECT_LT(mean(DocumentKind::countdown), 110);
  EXPECT_LT(mean(DocumentKind::attempt), mean(DocumentKind::check));
  EXPECT_NEAR(double(caught) / checks, 0.5, 0.03);
  EXPECT_NEAR(double(gave_up) / searches, 0.125, 0.03);
  EXPECT_NEAR(double(single) / (single + lists), 0.25, 0.03);
  // The two hardest levels are never shown; four numbers are rare.
  ASSERT_EQ(countdown_numbers.size(), 2u);
  EXPECT_NEAR(double(countdown_numbers[4]) / kDocuments, 0.02, 0.006);
  ASSERT_EQ(chain_steps.size(), 3u);
  for (int steps : {2, 3, 4}) EXPECT_GT(chain_steps[steps], 1000);
  ASSERT_EQ(ways.begin()->first, 2);
  ASSERT_EQ(ways.rbegin()->first, 6);
  for (const auto& [n, count] : ways) EXPECT_NEAR(double(count) / searches, 0.2, 0.04) << n;
}

TEST(Thoughts, LevelsCanBeChosen) {
  for (const char* kinds : {"countdown:6", "attempts:5", "chain:6", "check:5", "check:2"}) {
    const CorpusMix mix = corpus_mix(kinds, "");
    const int level = kinds[std::string_view(kinds).size() - 1] - '0';
    for (uint64_t i = 0; i < 300; ++i) {
      const std::string text = make_document(2, i, mix).text;
      const Reading r = read(text);
      ASSERT_EQ(r.fault, "") << text;
      ASSERT_EQ(r.countdown ? r.numbers : r.steps, level) << text;
    }
  }
}

}  // namespace
}  // namespace minke
