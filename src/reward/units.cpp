#include "reward/units.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace minke {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;
// Spelling → name. Plurals in s are known without being listed.
constexpr Pair kUnits[] = {
    {"mm", "mm"},         {"millimeter", "mm"}, {"millimetre", "mm"}, {"cm", "cm"},         {"centimeter", "cm"},
    {"centimetre", "cm"}, {"dm", "dm"},         {"m", "m"},           {"meter", "m"},       {"metre", "m"},
    {"km", "km"},         {"kilometer", "km"},  {"kilometre", "km"},  {"in", "inch"},       {"inch", "inch"},
    {"inches", "inch"},   {"ft", "foot"},       {"foot", "foot"},     {"feet", "foot"},     {"yd", "yard"},
    {"yard", "yard"},     {"mi", "mile"},       {"mile", "mile"},     {"mg", "mg"},         {"milligram", "mg"},
    {"g", "g"},           {"gram", "g"},        {"kg", "kg"},         {"kilogram", "kg"},   {"lb", "pound"},
    {"lbs", "pound"},     {"pound", "pound"},   {"oz", "ounce"},      {"ounce", "ounce"},   {"ton", "ton"},
    {"tonne", "tonne"},   {"ml", "ml"},         {"mL", "ml"},         {"milliliter", "ml"}, {"l", "l"},
    {"L", "l"},           {"liter", "l"},       {"litre", "l"},       {"gal", "gallon"},    {"gallon", "gallon"},
    {"quart", "quart"},   {"pint", "pint"},     {"ms", "ms"},         {"s", "second"},      {"sec", "second"},
    {"second", "second"}, {"min", "minute"},    {"minute", "minute"}, {"h", "hour"},        {"hr", "hour"},
    {"hrs", "hour"},      {"hour", "hour"},     {"day", "day"},       {"week", "week"},     {"month", "month"},
    {"year", "year"},     {"yr", "year"},       {"mph", "mph"},       {"kph", "kph"},       {"Hz", "Hz"},
    {"hz", "Hz"},         {"J", "J"},           {"joule", "J"},       {"N", "N"},           {"newton", "N"},
    {"W", "W"},           {"watt", "W"},        {"kW", "kW"},         {"V", "V"},           {"volt", "V"},
    {"A", "A"},           {"K", "K"},           {"Pa", "Pa"},         {"C", "celsius"},     {"F", "fahrenheit"},
    {"°", "degree"},      {"deg", "degree"},    {"degree", "degree"}, {"℃", "celsius"},     {"rad", "radian"},
    {"radian", "radian"}, {"sq", "square"},     {"square", "square"}, {"cubic", "cubic"},   {"cu", "cubic"},
    {"$", "dollar"},      {"usd", "dollar"},    {"USD", "dollar"},    {"dollar", "dollar"}, {"US", "dollar"},
    {"cent", "cent"},     {"€", "euro"},        {"EUR", "euro"},      {"euro", "euro"},     {"£", "sterling"},
    {"GBP", "sterling"},  {"¥", "yuan"},        {"元", "yuan"},       {"CNY", "yuan"},      {"RMB", "yuan"},
    {"yuan", "yuan"},     {"JPY", "yen"},       {"yen", "yen"},       {"₹", "rupee"},       {"INR", "rupee"},
    {"rupee", "rupee"},   {"Rs", "rupee"}};
constexpr std::string_view kChanging[] = {"or",         "and",        "not",         "no",        "is",
                                          "isn",        "are",        "was",         "maybe",     "perhaps",
                                          "if",         "but",        "unless",      "plus",      "minus",
                                          "times",      "over",       "less",        "more",      "than",
                                          "half",       "halves",     "third",       "thirds",    "fourth",
                                          "fourths",    "fifth",      "fifths",      "tenth",     "tenths",
                                          "eighth",     "eighths",    "sixth",       "sixths",    "hundredth",
                                          "hundredths", "thousandth", "thousandths", "millionth", "millionths",
                                          "point",      "squared",    "cubed",       "factorial", "root",
                                          "wrong",      "false",      "incorrect",   "double",    "twice",
                                          "to",         "from",       "except",      "instead",   "approximately",
                                          "about",      "either",     "both",        "between",   "nor",
                                          "one",        "two",        "three",       "four",      "five",
                                          "six",        "seven",      "eight",       "nine",      "ten",
                                          "mod",        "半",         "不",          "或",        "零",
                                          "一",         "二",         "三",          "四",        "五",
                                          "六",         "七",         "八",          "九",        "十",
                                          "divided",    "multiplied", "hundred",     "thousand",  "million",
                                          "billion",    "trillion",   "dozen",       "score",     "percent",
                                          "infinity",   "remainder"};
constexpr std::pair<std::string_view, int> kMultipliers[] = {
    {"hundred", 2}, {"thousand", 3}, {"million", 6}, {"billion", 9}, {"trillion", 12}, {"万", 4}, {"亿", 8}};

std::string lower(std::string_view word) {
  std::string text(word);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return text;
}

std::string_view find_unit(std::string_view word) {
  const auto at = [](std::string_view w) {
    const auto* found = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Pair& p) { return p.first == w; });
    return found == std::end(kUnits) ? std::string_view() : found->second;
  };
  if (const auto name = at(word); !name.empty() || word.size() < 2) return name;
  const std::string small = lower(word);
  if (const auto name = at(small); !name.empty()) return name;
  if (small.size() > 3 && small.back() == 's') return at(std::string_view(small).substr(0, small.size() - 1));
  return {};
}

}  // namespace

bool is_known_unit(std::string_view word) { return !find_unit(word).empty(); }

bool is_currency(std::string_view token) {
  constexpr std::string_view kCurrencies[] = {"$",   "€",   "£",   "¥",   "₹",   "USD", "US",
                                              "EUR", "GBP", "CNY", "RMB", "JPY", "INR", "Rs"};
  return std::find(std::begin(kCurrencies), std::end(kCurrencies), token) != std::end(kCurrencies);
}

bool changes_the_number(std::string_view word) {
  return std::find(std::begin(kChanging), std::end(kChanging), lower(word)) != std::end(kChanging);
}

std::string unit_name(std::string_view word) {
  if (const std::string_view name = find_unit(word); !name.empty()) return std::string(name);
  std::string small = lower(word);
  if (small.size() > 3 && small.back() == 's' && small[small.size() - 2] != 's') small.pop_back();
  return small;
}

int multiplier_power(std::string_view word) {
  const std::string small = lower(word);
  for (const auto& [name, power] : kMultipliers)
    if (name == small) return power;
  return 0;
}

}  // namespace minke
