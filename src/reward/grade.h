// Rules that say whether a response is right: (kind, response, reference) → two scores and a reason. They are what
// reinforcement learning rewards and what evaluation counts. Pure: no state, no files, and never an exception for what a
// response holds. Time and memory are linear in its length. What each kind accepts: docs/grading.md.
// Tested in tests/reward/, fuzzed in tests/fuzz/grade_fuzz.cpp.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/enum_names.h"
#include "reward/response.h"

namespace minke {

// Both scores are between 0 and 1, and strict ≤ lenient.
struct Grade {
  double strict = 0;   // as the format asks, and right: the reward
  double lenient = 0;  // a reader would say that it is right, however it is written
  std::string reason;  // in a few words; valid UTF-8
};

enum class GradeKind { math, countdown, format, code, language };
template <> struct EnumNames<GradeKind> {
  static constexpr EnumName<GradeKind> all[] = {{GradeKind::math, "math"},
                                                {GradeKind::countdown, "countdown"},
                                                {GradeKind::format, "format"},
                                                {GradeKind::code, "code"},
                                                {GradeKind::language, "language"}};
};

enum class ThoughtLanguage { en, zh };
template <> struct EnumNames<ThoughtLanguage> {
  static constexpr EnumName<ThoughtLanguage> all[] = {{ThoughtLanguage::en, "en"}, {ThoughtLanguage::zh, "zh"}};
};

struct CountdownTask {
  std::vector<long> numbers;  // at most kMaxCountdownNumbers, each from 0 to kMaxCountdownNumber
  long target = 0;
};
constexpr size_t kMaxCountdownNumbers = 32;
constexpr long kMaxCountdownNumber = 1000000000000;

// `reference` is the right answer, or a text that ends with it: "… #### 18" as in GSM8K, or with a \boxed{18}.
Grade grade_math(std::string_view response, std::string_view reference, Thought thought);
// An expression of + − * / and parentheses that uses each number exactly once and has the target's value.
Grade grade_countdown(std::string_view response, const CountdownTask& task, Thought thought);
// <think>…</think>, then <answer>…</answer>, each once.
Grade grade_format(std::string_view response, Thought thought);
// As a chat model answers: <think>…</think> once and at the beginning, if there is a thought, which may be empty; then something is
// said. Without a box, <answer> tags come as a pair, once.
Grade grade_chat_format(std::string_view response, Thought thought);
// Han characters make a text Chinese.
ThoughtLanguage language_of(std::string_view text);
// The share of a text's words that are of this language; nothing if it has no words.
std::optional<double> language_share(std::string_view text, ThoughtLanguage language);
// The same of the thought (R1 §2.3.2).
Grade grade_language(std::string_view response, ThoughtLanguage language, Thought thought);

}  // namespace minke
