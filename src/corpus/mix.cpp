// The mix of genres as users write it: corpus_mix of corpus.h. Tested in tests/corpus/corpus_test.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "corpus/corpus.h"
#include "corpus/tasks.h"

namespace minke {
namespace {

constexpr double kNeedleWeight = 0.30, kOtherWeight = 0.10;  // of what is generated only on request
constexpr double kMaxWeight = 1e6;

struct Part {
  DocumentKind kind;
  double weight = 0;  // in the shares of its group; 0: the kind's usual one
  bool english = false;
};
struct Group {
  std::string_view name;
  std::vector<Part> parts;
};

const std::vector<Group>& groups() {
  // r1_zero: shares of documents, which are of different lengths; in tokens it is 43 % facts, 8 % questions, 26 % attempts, 2 % chains,
  // 3 % checks, 14 % countdowns, 5 % stories (tests/corpus/thoughts_test.cpp).
  static const std::vector<Group> all = {{"math", {{DocumentKind::word_problem}, {DocumentKind::arithmetic}}},
                                         {"r1_zero",
                                          {{DocumentKind::fact, 0.36},
                                           {DocumentKind::questions, 0.06},
                                           {DocumentKind::attempt, 0.44},
                                           {DocumentKind::chain, 0.03},
                                           {DocumentKind::check, 0.03},
                                           {DocumentKind::countdown, 0.075},
                                           {DocumentKind::story, 0.012, true}}}};
  return all;
}

// One kind or group with its levels and weight, as it is written: "countdown:3-4*0.5".
struct Choice {
  std::string_view text, name, levels;
  double weight = 0;  // 0: the usual one
};

double parse_weight(std::string_view text, std::string_view choice) {
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (error != std::errc() || end != text.data() + text.size() || !(weight > 0 && weight <= kMaxWeight))
    user_error("corpus kind \"{}\": \"{}\" is no weight. Give a number above 0, at most {}, such as countdown*0.5",
               printable(choice), printable(text), kMaxWeight);
  return weight;
}

std::vector<Choice> choices_of(std::string_view list) {
  std::vector<Choice> choices;
  for (size_t at = 0; at < list.size();) {
    // A comma ends a choice, unless a digit follows it: "chains:2,4".
    size_t end = at;
    while (end < list.size() &&
           !(list[end] == ',' && !(end + 1 < list.size() && list[end + 1] >= '0' && list[end + 1] <= '9')))
      ++end;
    Choice choice{list.substr(at, end - at), {}, {}};
    std::string_view rest = choice.text;
    if (const size_t star = rest.find('*'); star != rest.npos) {
      choice.weight = parse_weight(rest.substr(star + 1), choice.text);
      rest = rest.substr(0, star);
    }
    const size_t colon = std::min(rest.find(':'), rest.size());
    choice.name = rest.substr(0, colon);
    if (colon < rest.size()) {
      choice.levels = rest.substr(colon + 1);
      if (choice.levels.empty()) choice.levels = " ";  // refused as levels
    }
    choices.push_back(choice);
    at = std::min(end + 1, list.size());
  }
  return choices;
}

std::string singular(std::string_view word) {
  if (word == "stories") return "story";
  if (word.size() > 1 && word.ends_with('s')) word.remove_suffix(1);
  return std::string(word);
}

double weight_of(const CorpusMix& mix, const Part& part) {
  const auto& row = mix.weight[size_t(part.kind)];
  if (part.weight > 0) return part.weight;
  if (row[0] + row[1] > 0) return row[0] + row[1];
  return part.kind == DocumentKind::needle ? kNeedleWeight : kOtherWeight;
}

[[noreturn]] void unknown_kind(std::string_view word) {
  user_error("corpus kind \"{}\" is unknown. Use some of {}, math, r1_zero, separated by commas", printable(word),
             names_of<DocumentKind>(", "));
}

bool has_both_languages(DocumentKind kind) {
  return kind == DocumentKind::story || kind == DocumentKind::dialogue || kind == DocumentKind::word_problem ||
         kind == DocumentKind::chat || kind == DocumentKind::worked;
}

// The kinds that a choice means; their weights and levels are set in the mix.
void choose(CorpusMix& mix, const Choice& choice, std::array<bool, kDocumentKinds>& keep) {
  std::vector<Part> parts;
  for (const Group& group : groups())
    if (choice.name == group.name) parts = group.parts;
  if (parts.empty()) {
    auto kind = find_named<DocumentKind>(choice.name);
    if (!kind) kind = find_named<DocumentKind>(singular(choice.name));
    if (!kind) unknown_kind(choice.name);
    parts = {{*kind}};
  }
  double total = 0;
  for (const Part& part : parts) total += weight_of(mix, part);
  for (const Part& part : parts) {
    const bool says_more = choice.weight > 0 || !choice.levels.empty() || part.weight > 0;
    if (keep[size_t(part.kind)] && says_more)
      user_error("corpus kind \"{}\": {} was named before; name each kind once", printable(choice.text),
                 name_of(part.kind));
    keep[size_t(part.kind)] = true;
    auto& row = mix.weight[size_t(part.kind)];
    const double usual = row[0] + row[1],
                 wanted = weight_of(mix, part) * (choice.weight > 0 ? choice.weight / total : 1);
    if (part.kind == DocumentKind::chat || part.kind == DocumentKind::worked)
      row = {wanted / 2, wanted / 2};  // as much of either language
    else if (part.english || usual == 0) row = {wanted, 0};
    else if (choice.weight > 0) row = {row[0] * wanted / usual, row[1] * wanted / usual};
    if (const auto language = find_named<Language>(choice.levels); language && has_both_languages(part.kind)) {
      row = {0, 0};
      row[size_t(*language)] = wanted;
    } else if (!choice.levels.empty()) {
      mix.levels[size_t(part.kind)] = parse_levels(choice.levels, document_levels(part.kind),
                                                   fmt::format("corpus kind \"{}\"", printable(choice.text)));
    }
  }
}

}  // namespace

LevelRange document_levels(DocumentKind kind) {
  switch (kind) {
    case DocumentKind::worked:
    case DocumentKind::word_problem: return task_levels(TaskKind::word_problem);
    case DocumentKind::arithmetic: return task_levels(TaskKind::arithmetic);
    case DocumentKind::questions:
    case DocumentKind::chain:
    case DocumentKind::check:
    case DocumentKind::attempt: return task_levels(TaskKind::chain);  // countdown's and 2
    case DocumentKind::countdown: return task_levels(TaskKind::countdown);
    case DocumentKind::logic: return task_levels(TaskKind::logic);
    case DocumentKind::exercise: return task_levels(TaskKind::code);
    default: return {};
  }
}

CorpusMix corpus_mix(std::string_view kinds, std::string_view languages) {
  CorpusMix mix;
  std::array<bool, kDocumentKinds> keep_kind{};
  std::array<bool, 2> keep_language{};
  for (const Choice& choice : choices_of(kinds)) choose(mix, choice, keep_kind);
  for (const Choice& choice : choices_of(languages)) {
    const auto language = find_named<Language>(choice.text);
    if (!language) user_error("corpus language \"{}\" is unknown. Use en, zh or en,zh", printable(choice.text));
    keep_language[size_t(*language)] = true;
  }
  if (kinds.empty()) keep_kind.fill(true);
  if (languages.empty()) keep_language.fill(true);
  double total = 0;
  for (size_t k = 0; k < kDocumentKinds; ++k)
    for (size_t l = 0; l < 2; ++l) {
      if (!keep_kind[k] || !keep_language[l]) mix.weight[k][l] = 0;
      total += mix.weight[k][l];
    }
  if (total == 0)
    user_error(
        "only story, dialogue, word_problem, worked and chat have a Chinese form; add one of them, or the language en");
  return mix;
}

}  // namespace minke
