// grade_math of grade.h: finds the answer in a response; math_answer.h compares it. Tested in tests/reward/math_test.cpp.
#include <algorithm>
#include <optional>

#include "reward/grade.h"
#include "reward/math_answer.h"
#include "reward/tokens.h"
#include "reward/units.h"

namespace minke {
namespace {

constexpr auto npos = std::string_view::npos;
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "… #### 18" and "… \boxed{18}" are 18.
std::string_view reference_answer(std::string_view reference) {
  if (const size_t mark = reference.rfind("####"); mark != npos) return trimmed(reference.substr(mark + 4));
  if (reference.find("\\boxed") != npos)
    if (const MarkedAnswer box = marked_answer(reference); box.mark != Mark::none) return box.text;
  return trimmed(reference);
}

// A number in text: its sign, digits, separators, a fraction, a percent sign.
struct FoundNumber {
  size_t begin = 0, end = 0;
};

std::optional<FoundNumber> last_number(std::string_view text) {
  const auto is_part = [](char c) { return is_digit(c) || c == '.' || c == ',' || c == '/'; };
  const size_t last = text.find_last_of("0123456789");
  if (last == npos) return {};
  FoundNumber n{last, last + 1};
  while (n.begin > 0 && is_part(text[n.begin - 1])) --n.begin;
  while (!is_digit(text[n.begin]) && !(text[n.begin] == '.' && is_digit(text[n.begin + 1]))) ++n.begin;
  // "range 5-10": the sign of 10 is none.
  for (const std::string_view sign : {"-", "+", "\xE2\x88\x92"}) {
    if (!text.substr(0, n.begin).ends_with(sign)) continue;
    const size_t at = n.begin - sign.size();
    const bool free = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\n' || text[at - 1] == '$' ||
                      text[at - 1] == '=' || text[at - 1] == '*' || text[at - 1] == ':' || text[at - 1] == '(';
    if (free) n.begin = at;
    break;
  }
  if (text.substr(n.end).starts_with("%")) ++n.end;
  else if (text.substr(n.end).starts_with("\\%")) n.end += 2;
  return n;
}

// What makes of a number something else: 5! and 2^5 and √5 and 5x.
bool stands_alone(std::string_view before, std::string_view after) {
  constexpr std::string_view kBinding = "^_*/+({[<>!|\\";
  if (!after.empty() && (kBinding.find(after[0]) != npos || (after[0] >= 'a' && after[0] <= 'z') || (after[0] & 0x80)))
    if (!after.starts_with("**") && !after.starts_with("\xE3\x80\x82") && after[0] != ')' &&
        !after.starts_with("\\)") && !after.starts_with("\\]"))
      return false;
  size_t end = before.size();
  while (end > 0 && (before[end - 1] == ' ' || before[end - 1] == '$')) --end;
  if (end == 0) return true;
  if (before.substr(0, end).ends_with("**") || before.substr(0, end).ends_with("\\(") ||
      before.substr(0, end).ends_with("\\["))
    return true;
  for (const std::string_view sign : {"√", "×", "÷", "·", "±", "≈", "≠", "≤", "≥"})
    if (before.substr(0, end).ends_with(sign)) return false;
  const char c = before[end - 1];
  const bool tight_letter = end == before.size() && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
  return kBinding.find(c) == npos && !tight_letter;
}

bool is_join(const Token& t) {
  static constexpr std::string_view kJoins[] = {"or",       "and",    ",",    ";",  "/",  "&", "maybe", "perhaps",
                                                "possibly", "either", "also", "或", "和", "$", "%",     "|"};
  return std::find(std::begin(kJoins), std::end(kJoins), t.text) != std::end(kJoins);
}

// "7 or 8", "7, 8", "7 8": true if the text before a number ends with another one and at most such words.
bool ends_with_another(std::string_view before) {
  constexpr size_t kLooked = 64;
  if (before.size() > kLooked) before.remove_prefix(before.size() - kLooked);
  while (!before.empty() && (before[0] & 0x80)) before.remove_prefix(1);  // part of a character
  const Tokens tokens = tokens_of(before);
  for (auto t = tokens.all.rbegin(); t != tokens.all.rend(); ++t) {
    if (t->kind == TokenKind::number) return true;
    if (!is_join(*t)) return false;
  }
  return false;
}

// The same of text behind one: ", 8", ", or 8".
bool joins_another(std::string_view after) {
  const Tokens tokens = tokens_of(after.substr(0, 64));
  for (const Token& t : tokens.all) {
    if (t.kind == TokenKind::number) return true;
    if (!is_join(t)) return false;
  }
  return false;
}

// "The total is 42 apples." is 42: one number, and words that do not change it.
std::optional<std::string_view> only_number(std::string_view text) {
  const auto n = last_number(text);
  if (!n || text.size() > kMaxAnswerBytes || !stands_alone(text.substr(0, n->begin), text.substr(n->end))) return {};
  for (const std::string_view around : {text.substr(0, n->begin), text.substr(n->end)}) {
    const Tokens tokens = tokens_of(around);
    if (tokens.unreadable) return {};
    for (const Token& t : tokens.all) {
      constexpr std::string_view kHarmless[] = {"is",   "are",   "was",    "about", "to",   "from",
                                                "both", "one",   "two",    "than",  "more", "less",
                                                "and",  "three", "points", "four",  "five", "if"};
      constexpr std::string_view kMarks[] = {".", ",", ":", "=", "$", "'", "\"", "*", ")",
                                             "(", "!", "?", "€", "£", "¥", "-",  "°"};
      if (t.kind == TokenKind::number || t.kind == TokenKind::command) return {};
      if (t.kind == TokenKind::symbol && std::find(std::begin(kMarks), std::end(kMarks), t.text) == std::end(kMarks))
        return {};
      if (t.kind == TokenKind::word && changes_the_number(t.text) &&
          std::find(std::begin(kHarmless), std::end(kHarmless), t.text) == std::end(kHarmless))
        return {};
      if (t.kind == TokenKind::word && t.text.size() == 1 && t.text != "a" && t.text != "I" &&
          !around.starts_with(t.text) && t.text != "s")
        return {};
    }
  }
  return text.substr(n->begin, n->end - n->begin);
}

// Behind the last "the answer is", up to the end of its line.
std::optional<std::string_view> behind_phrase(std::string_view text) {
  size_t best = npos;
  for (const std::string_view phrase :
       {"nswer is", "nswer:", "nswer =", "nswer：", "答案是", "答案为", "答案：", "答案:", "nswer**:"})
    if (const size_t at = text.rfind(phrase); at != npos && (best == npos || at + phrase.size() > best))
      best = at + phrase.size();
  if (best == npos) return {};
  std::string_view line = text.substr(best);
  line = line.substr(0, line.find('\n'));
  while (!line.empty() && (line[0] == ':' || line[0] == ' ')) line.remove_prefix(1);
  return line;
}

// The line, or its first sentence, or the one number in it.
Comparison compare_line(std::string_view line, std::string_view reference) {
  line = trimmed(line.substr(0, line.find('\n')));
  Comparison whole = compare_math(line, reference);
  if (whole.equal != Equal::no) return whole;
  for (const std::string_view end : {". ", "。", ", ", " because", " since", " so ", " ("}) {
    const size_t at = line.find(end);
    if (at == npos) continue;
    const std::string_view sentence = trimmed(line.substr(0, at));
    if (Comparison c = compare_math(sentence, reference); c.equal != Equal::no) {
      // "7, 8": a comma goes on with another answer as often as with the reason.
      if (end == ", " && joins_another(line.substr(at))) break;
      return c;
    }
    if (const auto number = only_number(sentence))
      if (Comparison c = compare_math(*number, reference);
          c.equal != Equal::no && !(end == ", " && joins_another(line.substr(at))))
        return c;
  }
  if (const auto number = only_number(line)) return compare_math(*number, reference);
  return whole;
}

Grade lenient_grade(const Comparison& c, const char* reason) {
  if (c.equal == Equal::no) return {0, 0, c.reason};
  return {0, 1, c.equal == Equal::lenient ? c.reason : reason};
}

// "#### 18", "The answer is 18.", or the last number.
Grade grade_unmarked(std::string_view text, std::string_view reference) {
  constexpr const char* kReason = "right, but not marked as the answer";
  text = trimmed(text);
  if (text.empty()) return {0, 0, "no answer"};
  if (const Comparison whole = compare_math(text, reference); whole.equal != Equal::no)
    return lenient_grade(whole, kReason);
  if (const size_t mark = text.rfind("####"); mark != npos)
    return lenient_grade(compare_line(text.substr(mark + 4), reference), kReason);
  if (const auto line = behind_phrase(text))
    if (const Comparison c = compare_line(*line, reference); c.equal != Equal::no || only_number(*line))
      return lenient_grade(c, kReason);
  const auto n = last_number(text);
  if (!n) return {0, 0, "no answer"};
  const std::string_view before = text.substr(0, n->begin);
  if (ends_with_another(before)) return {0, 0, "several answers"};
  if (!stands_alone(before, text.substr(n->end))) return {0, 0, "no answer"};
  return lenient_grade(compare_math(text.substr(n->begin, n->end - n->begin), reference), kReason);
}

}  // namespace

Grade grade_math(std::string_view response, std::string_view reference, Thought thought) {
  const std::string_view right = reference_answer(reference);
  const ResponseParts parts = parts_of(response, thought);
  if (!parts.thought_ended) return {0, 0, "the thought has no end"};
  const MarkedAnswer answer = marked_answer(parts.rest);
  if (answer.mark == Mark::hedge) return {0, 0, answer.reason};
  if (answer.mark == Mark::none) return grade_unmarked(parts.rest, right);
  const Comparison c = compare_math(answer.text, right);
  if (c.equal == Equal::strict && answer.mark == Mark::exact) return {1, 1, "right"};
  if (c.equal != Equal::no) return {0, 1, c.equal == Equal::lenient ? c.reason : answer.reason};
  if (const auto number = only_number(trimmed(answer.text)); number && number->size() < trimmed(answer.text).size())
    if (compare_math(*number, right).equal != Equal::no) return {0, 1, "right, but with words around it"};
  return {0, 0, c.reason};
}

}  // namespace minke
