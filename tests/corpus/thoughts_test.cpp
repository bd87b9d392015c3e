// The text of a base for R1-Zero, read by a checker that knows only its format: every equation, mark and answer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "calculator.h"
#include "core/error.h"
#include "corpus/corpus.h"
#include "corpus/split.h"

namespace minke {
namespace {

using namespace test;

struct Line {
  int64_t a = 0, b = 0, stated = 0, instead = -1;  // instead: the value after "not"
  char op = 0;
  std::string mark;     // "", "ok", "no", "not"
  Ints rest;            // the numbers behind "and"
  int64_t target = -1;  // behind "for"
  int64_t value() const {
    return op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : b && a % b == 0 ? a / b : INT64_MIN;
  }
};

struct Reading {
  std::string fault;  // "" where all is as it should be
  bool list = false, has_check = false, caught = false, countdown = false, at_once = false;
  int numbers = 0, steps = 0, misses = 0, equations = 0, asked = 1;  // asked: questions of one document
};

size_t operations(const std::string& expression) {
  return size_t(
      std::count_if(expression.begin(), expression.end(), [](char c) { return strchr("+-*/", c) != nullptr; }));
}

Reading read(const std::string& text) {
  Reading r;
  const auto fault = [&](const std::string& what) {
    if (r.fault.empty()) r.fault = what;
  };
  static const std::regex kLine(R"((\d+)([-+*/])(\d+)=(\d+)(?: for (\d+))?(?: (ok|no|not (\d+)|and ([\d ]+)))?)");
  static const std::regex kAtOnce(R"(([^=]*[-+*/(][^=]*)=(\d+))");
  std::string thought = text, question, answer;
  static const std::regex kDocument(
      R"(User: ((?:Make|Compute) [^\n]*)\.\nAssistant:<think>([^<]*)</think>\n<answer>([^<]+)</answer>)");
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
  bool ok = true;
  const Ints asked = integers(question);
  if (std::regex_match(thought, m, kAtOnce) && integers(m[1]).size() > 2) {  // the whole expression in one line
    r.at_once = true;
    const std::string expression = m[1], value = m[2];
    const Ints numbers = integers(expression);
    if (value_of(expression, ok) != std::stoll(value) || !ok) fault("a wrong value");
    if (r.countdown) {
      r.numbers = int(numbers.size());
      Ints given(asked.begin() + 1, asked.end()), used = numbers;
      std::sort(given.begin(), given.end()), std::sort(used.begin(), used.end());
      if (given != used) fault("other numbers");
      if (std::stoll(value) != asked[0]) fault("not the target");
      if (answer != expression) fault("another answer");
    } else {
      r.steps = int(numbers.size()) - 1;
      if (question != "Compute " + expression) fault("another expression");
      if (answer != value) fault("another answer");
    }
    return r;
  }
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
    Line l{std::stoll(m[1]), std::stoll(m[3]), std::stoll(m[4]), -1, m[2].str()[0], m[6].str().substr(0, 3), {}};
    if (m[5].matched) l.target = std::stoll(m[5]);
    if (m[7].matched) l.instead = std::stoll(m[7]);
    if (l.mark == "and") l.mark = "", l.rest = integers(m[8]);
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
  if (question.find(", ") != question.npos) {  // several, each worked out in its place
    std::string values;
    size_t at = 0;
    r.asked = 0;
    std::istringstream items(question.substr(8));
    for (std::string item; std::getline(items >> std::ws, item, ','); ++r.asked) {
      const size_t steps = operations(item);
      if (at + steps > lines.size()) return fault("a question is left"), r;
      for (size_t i = at; i < at + steps; ++i)
        if (lines[i].a != (i == at ? integers(item)[0] : lines[i - 1].stated)) fault("a step of another question");
      at += steps, r.steps = std::max(r.steps, int(steps));
      if (lines[at - 1].stated != value_of(item, ok) || !ok) fault("a wrong answer");
      values += fmt::format("{}{}", values.empty() ? "" : " ", lines[at - 1].stated);
    }
    if (at != lines.size()) fault("a step of no question");
    if (answer != values) fault("another answer");
    return r;
  }
  if (!r.countdown) {
    r.steps = int(operations(question));
    if (answer != std::to_string(value_of(question.substr(8), ok)) || !ok) fault("wrong answer");
    if (lines.back().stated != std::stoll("0" + answer)) fault("the last equation is not the answer");
    return r;
  }
  const int64_t target = asked[0];
  Ints numbers(asked.begin() + 1, asked.end());
  r.numbers = int(numbers.size());
  // Ways from all numbers: each equation takes two of the table, and its value lies there instead; behind it stands what else
  // lies there. A way ends with the last two, and its mark says whether it has reached the target.
  Ints table = numbers;
  const auto take = [&](int64_t x) {
    const auto at = std::find(table.begin(), table.end(), x);
    if (at == table.end()) return fault("a number from nowhere");
    table.erase(at);
  };
  std::set<std::string> beginnings;
  std::string beginning;
  for (const Line& l : lines) {
    take(l.a), take(l.b);
    if (!r.fault.empty()) return r;
    Ints rest = l.rest;
    if (rest != table) fault("other numbers are left");
    table.push_back(l.stated);
    const bool ends = table.size() == 1;
    if (l.target != (ends ? target : -1)) fault("for another target");
    if (l.mark != (!ends ? "" : l.stated == target ? "ok" : "no")) fault("a wrong mark");
    if (!ends) {
      beginning += std::to_string(l.a) + l.op + std::to_string(l.b) + " ";
      continue;
    }
    if (!beginnings.insert(beginning).second) fault("the same beginning again");
    r.misses += l.mark == "no";
    beginning.clear(), table = numbers;
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
  const std::string several = "User: Compute 3+4, (12+7)*3.\nAssistant:<think>3+4=7\n12+7=19\n";
  EXPECT_EQ(read(several + "19*3=57</think>\n<answer>7 57</answer>").fault, "");
  EXPECT_EQ(read(several + "19*3=57</think>\n<answer>7 57</answer>").asked, 2);
  EXPECT_NE(read(several + "19*3=57</think>\n<answer>57 7</answer>").fault, "");
  EXPECT_NE(read(several + "19*3=57</think>\n<answer>57</answer>").fault, "");
  EXPECT_NE(read(several + "18*3=54</think>\n<answer>7 54</answer>").fault, "");
  EXPECT_NE(read(several + "19+3=22</think>\n<answer>7 22</answer>").fault, "");
  EXPECT_NE(read(several + "19*3=57\n57+1=58</think>\n<answer>7 57</answer>").fault, "");
  EXPECT_NE(read(several.substr(0, several.size() - 1) + "</think>\n<answer>7 19</answer>").fault, "");
  const std::string make = "User: Make 54 from 3 7 25.\nAssistant:<think>",
                    right = "</think>\n<answer>(25-7)*3</answer>", miss = "25-3=22 and 7\n22+7=29 for 54 no\n";
  EXPECT_EQ(read(make + miss + "25-7=18 and 3\n18*3=54 for 54 ok" + right).fault, "");
  for (const char* thought :
       {"25-7=18 and 3\n18*3=54 for 54 no", "25-7=18 and 3\n18*3=54 for 54", "25-7=18 and 3\n18*3=54 ok",
        "25-7=18 and 3\n18*3=54 for 55 ok", "25-7=18 for 54 and 3\n18*3=54 for 54 ok", "25-7=18\n18*3=54 for 54 ok",
        "25-7=18 and 7\n18*3=54 for 54 ok", "25-7=18 and 3\n6*9=54 for 54 ok", "25-7=18 and 3\n18+3=21 for 54 ok",
        "25-7=18 and 3\n18*3=54 for 54 ok\n25-7=18 and 3",
        "25-7=18 and 3\n18+3=21 for 54 no\n25-7=18 and 3\n18*3=54 for 54 ok"})
    EXPECT_NE(read(make + thought + right).fault, "") << thought;
  EXPECT_NE(read(make + "25-7=18 and 3\n18*3=54 for 54 ok</think>\n<answer>(25-7)*4</answer>").fault, "");
  EXPECT_NE(read(make + miss + "25-7=18 and 3\n18*3=54 for 54 ok</think>").fault, "");  // no answer
  EXPECT_EQ(read(make + "(25-7)*3=54" + right).fault, "");
  EXPECT_NE(read(make + "(25-7)*3=55" + right).fault, "");
  EXPECT_NE(read(make + "(25-7)*4=72" + right).fault, "");
  EXPECT_EQ(read(chain + "(12+7)*3=57</think>\n<answer>57</answer>").fault, "");
  EXPECT_NE(read(chain + "(12+7)*3=58</think>\n<answer>58</answer>").fault, "");
  EXPECT_NE(read(chain + "(12+7)*4=76</think>\n<answer>76</answer>").fault, "");
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
  std::map<int, int> countdown_numbers, chain_steps, ways, together;
  int longest_chain = 0, checks = 0, caught = 0, searches = 0, single = 0, lists = 0, attempts = 0,
      countdown_attempts = 0;
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
    ASSERT_EQ(r.at_once, d.kind == DocumentKind::attempt) << d.text;
    if (r.countdown) ++countdown_numbers[r.numbers];
    switch (d.kind) {
      case DocumentKind::fact:
        ++(r.list ? lists : single);
        ASSERT_EQ(r.steps, r.list ? 0 : 1) << d.text;
        break;
      case DocumentKind::questions:
        ASSERT_GE(r.asked, 2) << d.text;
        ++together[r.equations], longest_chain = std::max(longest_chain, r.steps);
        break;
      case DocumentKind::chain:
        ++chain_steps[r.steps];
        ASSERT_FALSE(r.has_check);
        ASSERT_EQ(r.equations, r.steps);
        break;
      case DocumentKind::attempt:
        ++attempts, countdown_attempts += r.countdown;
        if (!r.countdown) ++chain_steps[r.steps];
        break;
      case DocumentKind::check:
        ++chain_steps[r.steps];
        ASSERT_TRUE(r.has_check && !r.countdown);
        ++checks, caught += r.caught;
        break;
      case DocumentKind::countdown:
        ASSERT_TRUE(r.countdown && !r.has_check && !r.caught);
        if (r.numbers == 3) ++searches, ++ways[r.misses + 1];
        break;
      default: FAIL();
    }
  }
  const std::pair<DocumentKind, double> shares[] = {{DocumentKind::fact, 0.43},    {DocumentKind::questions, 0.084},
                                                    {DocumentKind::attempt, 0.26}, {DocumentKind::chain, 0.021},
                                                    {DocumentKind::check, 0.034},  {DocumentKind::countdown, 0.14},
                                                    {DocumentKind::story, 0.05}};
  for (const auto& [kind, share] : shares) {
    EXPECT_NEAR(length[size_t(kind)] / total, share, 0.1 * share + 0.002) << name_of(kind);
    const double mean = length[size_t(kind)] / documents[size_t(kind)];
    RecordProperty(std::string("mean_tokens_") + name_of(kind), int(mean));
  }
  const auto mean = [&](DocumentKind kind) { return length[size_t(kind)] / documents[size_t(kind)]; };
  EXPECT_LT(mean(DocumentKind::countdown), 150);
  EXPECT_LT(mean(DocumentKind::attempt), mean(DocumentKind::chain));
  EXPECT_NEAR(double(countdown_attempts) / attempts, 0.5, 0.03);
  EXPECT_NEAR(double(caught) / checks, 0.5, 0.03);
  EXPECT_NEAR(double(single) / (single + lists), 0.25, 0.03);
  // The two hardest levels are never shown; four numbers are rare.
  ASSERT_EQ(countdown_numbers.size(), 2u);
  EXPECT_NEAR(double(countdown_numbers[4]) / kDocuments, 0.012, 0.005);
  ASSERT_EQ(chain_steps.size(), 3u);
  for (int steps : {2, 3, 4}) EXPECT_GT(chain_steps[steps], 1000);
  EXPECT_EQ(longest_chain, 4);
  ASSERT_EQ(together.size(), 8u);  // equations, of all questions of a document: more than the longest chain has
  for (int n = 2; n <= 9; ++n) EXPECT_GT(together[n], 80) << n;
  ASSERT_EQ(ways.begin()->first, 1);
  ASSERT_EQ(ways.rbegin()->first, 7);
  for (const auto& [n, count] : ways) EXPECT_NEAR(double(count) / searches, 1 / 7.0, 0.03) << n;
}

TEST(Thoughts, LevelsCanBeChosen) {
  for (const char* kinds :
       {"countdown:6", "attempts:5", "attempts:2", "questions:5", "chain:6", "check:5", "check:2"}) {
    const CorpusMix mix = corpus_mix(kinds, "");
    const int level = kinds[std::string_view(kinds).size() - 1] - '0';
    for (uint64_t i = 0; i < 300; ++i) {
      const std::string text = make_document(2, i, mix).text;
      const Reading r = read(text);
      ASSERT_EQ(r.fault, "") << text;
      if (r.asked == 1) ASSERT_EQ(r.countdown ? r.numbers : r.steps, level) << text;
      else ASSERT_TRUE(r.steps == level || r.steps == 1) << text;
    }
  }
}

// Word problems in the format of R1-Zero: true equations in signs, an answer that the task's grader takes, as many in Chinese as in
// English, of the levels that are asked for.
TEST(Thoughts, WorkedWordProblems) {
  const CorpusMix mix = corpus_mix("worked:2-3", "");
  static const std::regex kDocument(
      R"(User: ([^\n]+)\nAssistant:<think>([^<]*)</think>\n<answer>(-?\d+(?:\.\d+)?)</answer>)");
  static const std::regex kEquation(R"((\d+)([-+*/])(\d+)=(\d+))");
  int chinese = 0, equations = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const Document d = make_document(5, i, mix);
    std::smatch m;
    ASSERT_TRUE(std::regex_match(d.text, m, kDocument)) << d.text;
    ASSERT_EQ(d.problems.size(), 1u);
    EXPECT_EQ(split_of(d.problems[0]), TaskSplit::train);
    const std::string thought = m[2], answer = m[3];
    EXPECT_NE(thought.find(answer), thought.npos) << d.text;
    EXPECT_EQ(thought.find(" = "), thought.npos) << d.text;
    for (std::sregex_iterator e(thought.begin(), thought.end(), kEquation), end; e != end; ++e) {
      if (e->position() > 0 && strchr("+-*/", thought[size_t(e->position()) - 1])) continue;  // the end of a longer one
      const int64_t a = std::stoll((*e)[1]), b = std::stoll((*e)[3]), c = std::stoll((*e)[4]);
      const char op = (*e)[2].str()[0];
      EXPECT_EQ(op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b, c) << d.text;
      ++equations;
    }
    const bool is_chinese = d.language == Language::chinese;
    chinese += is_chinese;
    EXPECT_EQ(is_chinese, d.text.find("？") != d.text.npos) << d.text;
  }
  EXPECT_NEAR(chinese, 200, 50);  // five standard deviations
  EXPECT_GT(equations, 600);
  for (uint64_t i = 0; i < 20; ++i)
    EXPECT_EQ(make_document(5, i, corpus_mix("worked:zh", "")).language, Language::chinese);
}

}  // namespace
}  // namespace minke
