#include "tokenize/char_set.h"

#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "core/error.h"

namespace minke {

using unicode::Range;

CharSet::CharSet(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> joined;
  for (const Range& r : ranges) {
    if (!joined.empty() && r.first <= joined.back().last + 1) joined.back().last = std::max(joined.back().last, r.last);
    else joined.push_back(r);
  }
  ranges_ = std::make_shared<const std::vector<Range>>(std::move(joined));
}

bool CharSet::contains(char32_t c) const {
  const auto after = std::upper_bound(ranges().begin(), ranges().end(), c,
                                      [](char32_t value, const Range& r) { return value < r.first; });
  return after != ranges().begin() && c <= std::prev(after)->last;
}

CharSet CharSet::operator|(const CharSet& other) const {
  std::vector<Range> all = ranges();
  all.insert(all.end(), other.ranges().begin(), other.ranges().end());
  return CharSet(std::move(all));
}

CharSet CharSet::operator&(const CharSet& other) const { return ~(~*this | ~other); }

CharSet CharSet::operator~() const { return CharSet(unicode::complement(ranges())); }

bool CharSet::operator==(const CharSet& other) const {
  return std::equal(ranges().begin(), ranges().end(), other.ranges().begin(), other.ranges().end(),
                    [](const Range& a, const Range& b) { return a.first == b.first && a.last == b.last; });
}

namespace {

CharSet category(std::string_view name) { return CharSet(unicode::ranges_of(name)); }

CharSet from_icu(const icu::UnicodeSet& set) {
  std::vector<Range> ranges;
  for (int32_t i = 0; i < set.getRangeCount(); ++i)
    ranges.push_back({char32_t(set.getRangeStart(i)), char32_t(set.getRangeEnd(i))});
  return CharSet(std::move(ranges));
}

CharSet from_icu(UProperty property, int32_t value) {
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeSet set;
  set.applyIntPropertyValue(property, value, status);
  check(U_SUCCESS(status), "ICU has the property");
  return from_icu(set);
}

// What Unicode 16, of which the regex library is, has beyond the 15.0 of Debian 12's ICU (found by asking that library
// about each code point). A newer ICU has these already.
struct Newer {
  std::string_view name;
  std::vector<Range> ranges;
};
const std::vector<Range> kNewerAlphabetic = {
    {0x363, 0x36F},     {0x897, 0x897},     {0x1C89, 0x1C8A},   {0x1DD3, 0x1DE6},   {0xA7CB, 0xA7CD},
    {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65}, {0x10D69, 0x10D69}, {0x10D6F, 0x10D85},
    {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA},
    {0x113CC, 0x113CD}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0}, {0x13460, 0x143FA},
    {0x16100, 0x1612E}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED}, {0x1E5F0, 0x1E5F0},
    {0x2EBF0, 0x2EE5D}};
const std::vector<Range> kNewerUppercase = {
    {0x1C89, 0x1C89}, {0xA7CB, 0xA7CC}, {0xA7DA, 0xA7DA}, {0xA7DC, 0xA7DC}, {0x10D50, 0x10D65}};
const std::vector<Range> kNewerLowercase = {{0x1C8A, 0x1C8A}, {0xA7CD, 0xA7CD}, {0xA7DB, 0xA7DB}, {0x10D70, 0x10D85}};
const std::vector<Range> kNewerEmoji = {{0x1FA89, 0x1FA89}, {0x1FA8F, 0x1FA8F}, {0x1FABE, 0x1FABE}, {0x1FAC6, 0x1FAC6},
                                        {0x1FADC, 0x1FADC}, {0x1FADF, 0x1FADF}, {0x1FAE9, 0x1FAE9}};
const Newer kNewer[] = {{"alphabetic", kNewerAlphabetic},
                        {"uppercase", kNewerUppercase},
                        {"lowercase", kNewerLowercase},
                        {"emoji", kNewerEmoji},
                        {"emojipresentation", kNewerEmoji},
                        {"ideographic", {{0x18CFF, 0x18CFF}, {0x2EBF0, 0x2EE5D}}},
                        {"unifiedideograph", {{0x2EBF0, 0x2EE5D}}},
                        {"han", {{0x2EBF0, 0x2EE5D}}},
                        {"hani", {{0x2EBF0, 0x2EE5D}}},
                        {"latin", {{0xA7CB, 0xA7CD}, {0xA7DA, 0xA7DC}}},
                        {"latn", {{0xA7CB, 0xA7CD}, {0xA7DA, 0xA7DC}}},
                        {"cyrillic", {{0x1C89, 0x1C8A}}},
                        {"cyrl", {{0x1C89, 0x1C8A}}},
                        {"arabic", {{0x897, 0x897}, {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}}},
                        {"arab", {{0x897, 0x897}, {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}}}};
// These differ, too, and no tokenizer was seen to use them.
constexpr std::string_view kOldScripts[] = {"common",
                                            "zyyy",
                                            "unknown",
                                            "zzzz",
                                            "myanmar",
                                            "mymr",
                                            "balinese",
                                            "bali",
                                            "inherited",
                                            "zinh",
                                            "qaai",
                                            "kawi",
                                            "egyptianhieroglyphs",
                                            "egyp",
                                            "khitansmallscript",
                                            "kits"};
constexpr std::string_view kBinary[] = {
    "alphabetic", "uppercase", "lowercase", "emoji", "emojipresentation", "ideographic", "unifiedideograph",
    // the same in both
    "emojimodifier", "emojimodifierbase", "emojicomponent", "extendedpictographic", "whitespace", "hexdigit",
    "asciihexdigit", "regionalindicator", "variationselector", "joincontrol"};

template <class Names> bool is_among(std::string_view name, const Names& names) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

struct LongName {
  std::string_view name, category;
};
constexpr LongName kLongNames[] = {{"letter", "L"},
                                   {"casedletter", "LC"},
                                   {"uppercaseletter", "Lu"},
                                   {"lowercaseletter", "Ll"},
                                   {"titlecaseletter", "Lt"},
                                   {"modifierletter", "Lm"},
                                   {"otherletter", "Lo"},
                                   {"mark", "M"},
                                   {"combiningmark", "M"},
                                   {"nonspacingmark", "Mn"},
                                   {"spacingmark", "Mc"},
                                   {"enclosingmark", "Me"},
                                   {"number", "N"},
                                   {"decimalnumber", "Nd"},
                                   {"letternumber", "Nl"},
                                   {"othernumber", "No"},
                                   {"punctuation", "P"},
                                   {"connectorpunctuation", "Pc"},
                                   {"dashpunctuation", "Pd"},
                                   {"openpunctuation", "Ps"},
                                   {"closepunctuation", "Pe"},
                                   {"initialpunctuation", "Pi"},
                                   {"finalpunctuation", "Pf"},
                                   {"otherpunctuation", "Po"},
                                   {"symbol", "S"},
                                   {"mathsymbol", "Sm"},
                                   {"currencysymbol", "Sc"},
                                   {"modifiersymbol", "Sk"},
                                   {"othersymbol", "So"},
                                   {"separator", "Z"},
                                   {"spaceseparator", "Zs"},
                                   {"lineseparator", "Zl"},
                                   {"paragraphseparator", "Zp"},
                                   {"other", "C"},
                                   {"control", "Cc"},
                                   {"format", "Cf"},
                                   {"surrogate", "Cs"},
                                   {"privateuse", "Co"},
                                   {"unassigned", "Cn"}};

CharSet make_posix(std::string_view name) {
  const CharSet space({{'\t', '\r'}, {0x85, 0x85}});
  const CharSet circled({{0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}});
  if (name == "word") return category("L") | category("M") | category("Nd") | category("Nl") | category("Pc") | circled;
  if (name == "space") return space | category("Z");
  if (name == "digit") return category("Nd");
  if (name == "xdigit") return CharSet({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  if (name == "ascii") return CharSet({{0, 0x7F}});
  if (name == "blank") return category("Zs") | CharSet::of('\t');
  if (name == "cntrl") return category("Cc");
  if (name == "punct") return category("P") | category("S");
  if (name == "alpha") return from_icu(UCHAR_ALPHABETIC, 1) | CharSet(kNewerAlphabetic);
  if (name == "alnum") return from_icu(UCHAR_ALPHABETIC, 1) | CharSet(kNewerAlphabetic) | category("Nd");
  if (name == "upper") return from_icu(UCHAR_UPPERCASE, 1) | CharSet(kNewerUppercase);
  if (name == "lower") return from_icu(UCHAR_LOWERCASE, 1) | CharSet(kNewerLowercase);
  if (name == "graph") return ~(space | category("Z") | category("Cc") | category("Cn") | category("Cs"));
  if (name == "print") return ~(category("Cc") | category("Cn") | category("Cs") | category("Zl") | category("Zp"));
  return {};
}

std::optional<CharSet> by_icu(const std::string& name) {
  if (name.starts_with("in"))
    if (const int32_t block = u_getPropertyValueEnum(UCHAR_BLOCK, name.c_str() + 2); block > 0)  // 0: of no block
      return from_icu(UCHAR_BLOCK, block);
  CharSet set;
  if (is_among(name, kBinary)) {
    set = from_icu(u_getPropertyEnum(name.c_str()), 1);
  } else if (const int32_t script = u_getPropertyValueEnum(UCHAR_SCRIPT, name.c_str());
             script != UCHAR_INVALID_CODE && !is_among(name, kOldScripts)) {
    set = from_icu(UCHAR_SCRIPT, script);
  }
  if (set == CharSet()) return {};
  for (const Newer& newer : kNewer)
    if (newer.name == name) set = set | CharSet(newer.ranges);
  return set;
}

std::optional<CharSet> find_named(const std::string& name) {
  if (name == "punct") return category("P");  // here without symbols
  if (CharSet set = make_posix(name); set != CharSet()) return set;
  if (name == "any") return CharSet({{0, 0x10FFFF}});
  if (name == "assigned") return ~category("Cn");
  const auto of_category = [](std::string_view c) {
    return c == "LC" ? category("Lu") | category("Ll") | category("Lt") : category(c);
  };
  for (const LongName& known : kLongNames) {
    std::string small(known.category);
    for (char& c : small) c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
    if (name == known.name || name == small) return of_category(known.category);
  }
  return by_icu(name);
}

struct Folding {
  std::map<char32_t, std::vector<char32_t>> members;  // of each folded character, where there are several
  std::vector<Range> to_several;
  std::set<std::pair<char32_t, char32_t>> beginnings;  // of what characters fold to, where that is several

  Folding() {
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      if (const char32_t folded = char32_t(u_foldCase(UChar32(c), U_FOLD_CASE_DEFAULT)); folded != c) {
        if (members[folded].empty()) members[folded].push_back(folded);
        members[folded].push_back(c);
      }
      if (!u_hasBinaryProperty(UChar32(c), UCHAR_CHANGES_WHEN_CASEFOLDED)) continue;
      const icu::UnicodeString whole = icu::UnicodeString(UChar32(c)).foldCase();
      if (whole.countChar32() < 2) continue;
      to_several.push_back({c, c});
      beginnings.insert({char32_t(whole.char32At(0)), char32_t(whole.char32At(whole.moveIndex32(0, 1)))});
    }
  }
};
const Folding& folding() {
  static const Folding made;
  return made;
}

char32_t folded(char32_t c) { return char32_t(u_foldCase(UChar32(c), U_FOLD_CASE_DEFAULT)); }

}  // namespace

std::optional<CharSet> posix_set(std::string_view name) {
  CharSet set = make_posix(name);
  if (set == CharSet()) return {};
  return set;
}

std::optional<CharSet> named_set(std::string_view given) {
  std::string name;
  for (char c : given)
    if (c != ' ' && c != '-' && c != '_') name += c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  static std::mutex mutex;
  static std::map<std::string, std::optional<CharSet>> known;  // patterns name the same few over and over
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(name); found != known.end()) return found->second;
  if (known.size() > 1000) known.clear();
  return known[name] = find_named(name);
}

CharSet fold_case(const CharSet& set) {
  std::vector<Range> ranges = set.ranges();
  for (const auto& [form, all] : folding().members)
    if (std::any_of(all.begin(), all.end(), [&](char32_t c) { return set.contains(c); }))
      for (char32_t c : all) ranges.push_back({c, c});
  return CharSet(std::move(ranges));
}

bool folds_to_several(const CharSet& set) {
  return std::any_of(folding().to_several.begin(), folding().to_several.end(),
                     [&](const Range& r) { return set.contains(r.first); });
}

bool is_several_folded(char32_t first, char32_t second) {
  return folding().beginnings.contains({folded(first), folded(second)});
}

}  // namespace minke
