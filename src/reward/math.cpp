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
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

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
  if (!after.empty() && (kBinding.find(after[0]) != npos || is_letter(after[0]) || (after[0] & 0x80)))
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
  const bool tight_letter = end == before.size() && is_letter(c);
  return kBinding.find(c) == npos && !tight_letter;
}

bool is_join(const Token& t) {
  static constexpr std::string_view kJoins[] = {"or",       "and",    ",",    ";",  "/",  "&", "maybe", "perhaps",
                                                "possibly", "either", "also", "或", "和", "$", "%",     "|",
                                                "*",        "—",      "?",    "!",  ")",  "."};
  if (t.is("-")) return t.space_before;  // a list's mark; but not "5-10"
  return std::find(std::begin(kJoins), std::end(kJoins), t.text) != std::end(kJoins);
}

// "7 or 8", "7, 8", "7 8", "1. 7\n2. 8": true if the text before a number ends with another one and at most such words.
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

int count_numbers(std::string_view text) {
  int n = 0;
  for (size_t i = 0; i < text.size(); ++i) n += is_digit(text[i]) && (i == 0 || !is_digit(text[i - 1]));
  return n;
}

// "The total is 42 apples." is 42: one number, and words that do not change it.
std::optional<std::string_view> only_number(std::string_view text) {
  const auto n = last_number(text);
  if (!n || text.size() > kMaxAnswerBytes || !stands_alone(text.substr(0, n->begin), text.substr(n->end))) return {};
  for (const std::string_view around : {text.substr(0, n->begin), text.substr(n->end)}) {
    const Tokens tokens = tokens_of(around);
    if (tokens.unreadable) return {};
    for (const Token& t : tokens.all) {
      constexpr std::string_view kHarmless[] = {"is",   "are",  "was",    "about", "to",
                                                "from", "both", "points", "if",    "and"};
      constexpr std::string_view kTurning[] = {"negative", "reciprocal", "inverse",  "opposite", "square",
                                               "cube",     "larger",     "greater",  "smaller",  "least",
                                               "most",     "under",      "below",    "above",    "fewer",
                                               "never",    "neither",    "multiple", "divisor",  "factor"};
      constexpr std::string_view kMarks[] = {".", ",", ":", "=", "$", "'", "\"", "*", ")",
                                             "(", "!", "?", "€", "£", "¥", "-",  "°"};
      if (t.kind == TokenKind::number || t.kind == TokenKind::command) return {};
      const auto listed = [&](const auto& words) {
        return std::find(std::begin(words), std::end(words), t.text) != std::end(words);
      };
      if (t.kind == TokenKind::word && (listed(kTurning) || (changes_the_number(t.text) && !listed(kHarmless))))
        return {};
      if (t.kind == TokenKind::symbol && !listed(kMarks)) return {};
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

// The line, or its first sentence, or the one number in that; nothing if there is no one answer in it. What comes first
// decides: if "42. No wait, 43" were right for 43 as well, it would be right twice.
std::optional<Comparison> compare_line(std::string_view line, std::string_view reference) {
  line = trimmed(line.substr(0, line.find('\n')));
  Comparison whole = compare_math(line, reference);
  if (whole.equal != Equal::no) return whole;
  size_t at = npos;
  for (const std::string_view end : {". ", "。", ", ", " because", " since", " so ", " ("})
    at = std::min(at, line.find(end));
  if (at != npos) {
    // "7, 8": a comma goes on with another answer as often as with the reason.
    if (line[at] == ',' && joins_another(line.substr(at))) return Comparison{Equal::no, "several answers"};
    const std::string_view sentence = trimmed(line.substr(0, at));
    Comparison c = compare_math(sentence, reference);
    if (c.equal != Equal::no) return c;
    if (const auto number = only_number(sentence)) return compare_math(*number, reference);
    if (count_numbers(sentence) == 1) return c;  // "larger than 42"
  }
  if (const auto number = only_number(line)) return compare_math(*number, reference);
  if (count_numbers(line) == 1) return whole;
  return {};
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
  if (text.find("\\boxed") != npos) return {0, 0, "the box has no end"};  // 42 may be the beginning of 420
  if (const Comparison whole = compare_math(text, reference); whole.equal != Equal::no)
    return lenient_grade(whole, kReason);
  if (const size_t mark = text.rfind("####"); mark != npos) {
    const auto c = compare_line(text.substr(mark + 4), reference);
    return c ? lenient_grade(*c, kReason) : Grade{0, 0, "several answers"};
  }
  if (const auto line = behind_phrase(text))
    if (const auto c = compare_line(*line, reference)) return lenient_grade(*c, kReason);
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
