// grade_language of grade.h. Tested in tests/reward/format_test.cpp.
#include <fmt/format.h>

#include "reward/grade.h"
#include "reward/tokens.h"

namespace minke {
namespace {

bool is_ascii_letter(long c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// Letters of other alphabets; punctuation, digits, symbols and emoji are none.
bool is_other_letter(long c) {
  return (c >= 0xC0 && c <= 0x1FFF && c != 0xD7 && c != 0xF7) || (c >= 0x2C00 && c <= 0x2DFF) ||
         (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FA) || (c >= 0x3105 && c <= 0x318E) ||
         (c >= 0xA000 && c <= 0xD7FF);
}
bool is_kana(long c) { return c >= 0x3041 && c <= 0x30FA; }

struct Words {
  size_t english = 0, chinese = 0, other = 0;
  size_t all() const { return english + chinese + other; }
  size_t of(ThoughtLanguage language) const { return language == ThoughtLanguage::en ? english : chinese; }
};

Words count_words(std::string_view text) {
  Words words;
  size_t letters = 0;  // of the word that is being read
  bool foreign = false, command = false;
  const auto end_word = [&] {
    // A single letter is a variable in any language, and "\frac" is notation.
    if (letters > 1 && !command) ++(foreign ? words.other : words.english);
    letters = 0;
    foreign = command = false;
  };
  for (size_t at = 0; at < text.size();) {
    const long c = next_code_point(text, at);
    if (is_han(c)) {
      end_word();
      ++words.chinese;
    } else if (is_kana(c)) {
      end_word();
      ++words.other;
    } else if (is_ascii_letter(c)) {
      ++letters;
    } else if (is_other_letter(c)) {
      ++letters;
      foreign = true;
    } else if ((c == '\'' || c == 0x2019) && letters > 0) {
      ++letters;  // "don't"
    } else {
      end_word();
      command = c == '\\';
    }
  }
  end_word();
  return words;
}

}  // namespace

ThoughtLanguage language_of(std::string_view text) {
  for (size_t at = 0; at < text.size();)
    if (is_han(next_code_point(text, at))) return ThoughtLanguage::zh;
  return ThoughtLanguage::en;
}

std::optional<double> language_share(std::string_view text, ThoughtLanguage language) {
  const Words words = count_words(text);
  if (words.all() == 0) return std::nullopt;
  return double(words.of(language)) / double(words.all());
}

Grade grade_language(std::string_view response, ThoughtLanguage language, Thought thought) {
  const ResponseParts parts = parts_of(response, thought);
  const Words words = count_words(parts.has_thought ? parts.thought : response);
  const size_t wanted = words.of(language);
  const double share = words.all() == 0 ? 0 : double(wanted) / double(words.all());
  std::string reason = fmt::format("{} of {} words are {}", wanted, words.all(),
                                   language == ThoughtLanguage::en ? "English" : "Chinese");
  if (!parts.has_thought) return {0, share, reason + ", but there is no thought"};
  return {share, share, std::move(reason)};
}

}  // namespace minke
