// Sets of code points, and the names that Oniguruma gives to some of them: general categories (of Unicode 16, as that
// library has them), POSIX names, scripts, blocks and binary properties. Tested in tests/tokenize/char_set_test.cpp.
#pragma once
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenize/unicode.h"

namespace minke {

class CharSet {  // a copy shares the ranges
 public:
  CharSet() = default;
  explicit CharSet(std::vector<unicode::Range> ranges);  // in any order
  static CharSet of(char32_t c) { return CharSet({{c, c}}); }

  const std::vector<unicode::Range>& ranges() const { return *ranges_; }  // sorted, with gaps between them
  bool contains(char32_t c) const;
  CharSet operator|(const CharSet& other) const;
  CharSet operator&(const CharSet& other) const;
  CharSet operator~() const;
  bool operator==(const CharSet& other) const;

 private:
  std::shared_ptr<const std::vector<unicode::Range>> ranges_ = std::make_shared<std::vector<unicode::Range>>();
};

// \p{name}; case, spaces, - and _ in the name count for nothing. Nothing if there is no such name.
std::optional<CharSet> named_set(std::string_view name);
// [:name:]; the POSIX names only.
std::optional<CharSet> posix_set(std::string_view name);

// Upper and lower case made equal: all characters that fold to what one of the set's folds to.
CharSet fold_case(const CharSet& set);
// True if the set has a character that folds to several, as ß to ss.
bool folds_to_several(const CharSet& set);
// True if the folded form of some character begins with what these two fold to, as that of ß does with s, s.
bool is_several_folded(char32_t first, char32_t second);

}  // namespace minke
