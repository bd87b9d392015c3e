// Little stories in English: a cast whose names, pronouns and homes hold to the end, and a plot from plots.h.
#include "corpus/genres.h"
#include "corpus/plots.h"
#include "corpus/words.h"

namespace minke::corpus {
namespace {

constexpr std::string_view kChildOpenings[] = {
    "{Once upon a time, there was|There once was|Once there was} a {#small|young|clever|cheerful|quiet|curious} "
    "$a_kind {named|called} $a.",
    "$a was a {curious|brave|quiet|kind|lively|clever|shy} $a_kind {of {five|six|seven|eight|nine} years|who lived in "
    "$a_home|from $town}.",
    "In $town lived a {young|curious|brave|cheerful} $a_kind {whose name was|named|called} $a.",
    "{This is a story about|Have you heard about|Do you know the story of} $a, the {curious|brave|clever|kind} $a_kind "
    "from {$town}?",
    "A {#small|young} $a_kind called $a lived in $a_home with $a_his {family|parents|grandparents|mother|father|aunt}.",
};
constexpr std::string_view kAnimalOpenings[] = {
    "{Once upon a time, there was|There once was|Once there was|Long ago there was} a "
    "{#small|young|clever|cheerful|shy|curious} $a_kind {named|called} $a. $a lived $a_home.",
    "$a was @ $a_kind and lived $a_home {with $a_his {mother|father|three brothers|two sisters}|all alone|}.",
    "$a_home lived @ $a_kind {named|called} $a.",
    "{Far away|Not far from here}, $a_home, lived {a #small|a young|a curious|a brave} $a_kind. {Everyone called "
    "$a_him $a|$a_his name was $a}.",
};
constexpr std::string_view kWhaleOpenings[] = {
    "{Once upon a time, there was|There once was|Once there was|Far in the north lived} a {#small|young|curious|brave} "
    "minke whale {named|called} $a.",
    "$a was a minke whale. Minke whales are {the smallest of the great whales|small for whales, but as long as a bus}, "
    "and $a was {the smallest of them all|only a calf|smaller still}.",
    "In the {cold|blue|wide} {sea|ocean} lived a young minke whale {named|called} $a. $a_he had a {grey|dark} back, a "
    "white {belly|band on each fin} and {bright|curious} eyes.",
};
constexpr std::string_view kTraits[] = {
    "",
    "",
    "$a {loved|liked} {to sing|to ask questions|the colour #colour|stories|rainy days|to look at the stars|the smell "
    "of the sea|to count things|to laugh}.",
    "{Everybody|Everyone} liked $a because $a_he {was always friendly|could laugh so well|told such good "
    "stories|helped wherever $a_he could}.",
    "$a had {one|a} big wish: to {see the whole world|be brave|know everything|have a good friend}.",
};
constexpr std::string_view kWeatherTraits[] = {
    "That day #weather.",
    "#weather, and $a was in a {good|fine|strange} mood.",
    "It was {spring|summer|autumn}, and #weather.",
};

struct Elder {
  std::string_view name;
  bool female;
};
constexpr Elder kElders[] = {{"Grandma", true},  {"Grandpa", false},   {"Mom", true},       {"Dad", false},
                             {"Aunt May", true}, {"Uncle Ben", false}, {"Aunt Rosa", true}, {"Uncle Joe", false},
                             {"Mother", true},   {"Father", false}};
constexpr std::string_view kTowns =
    "{a {small|quiet|big} {town|village} {by the sea|in the mountains|near the river|at the edge of the forest}|a "
    "{house|cottage} {on a hill|by the sea|at the end of the road}|the {old|big|noisy} city}";

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

// Names that the plot itself uses would make two people one.
bool name_in_plot(const Plot& plot, std::string_view name) {
  return has(plot.help, name) || has(plot.bind, name) || has(plot.end, name);
}

bool has_own_weather(const Plot& plot) {
  for (std::string_view word : {"snow", "rain", "fog", "wind", "night", "utumn", "sky"})
    if (has(plot.want, word) || has(plot.problem, word)) return true;
  return false;
}

void bind_cast(Expander& e, const Plot& plot, Cast cast) {
  std::string_view taken[3];
  const PersonKeys* keys[] = {&kHero, &kFriend, &kThird};
  for (int i = 0; i < 3; ++i) {
    const Person* person;
    do person = &fresh_person(e, english_names(), {taken, size_t(i)});
    while (name_in_plot(plot, person->name));
    bind_person(e, *keys[i], *person);
    taken[i] = person->name;
  }
  const Elder& elder = e.pick(kElders);
  e.set("elder", elder.name);
  e.set("e_he", elder.female ? "she" : "he");
  e.set("town", kTowns);
  const auto child_kind = [&](std::string_view he) { return e.get(he) == "she" ? "girl" : "boy"; };
  if (cast == Cast::child) {
    e.set("a_kind", child_kind("a_he"));
    e.set("b_kind", child_kind("b_he"));
    e.set("a_home",
          "a {small|white|tall|yellow|narrow} house {by the sea|near the station|on a hill|next to a bakery|in a quiet "
          "street|with a garden}");
    e.set("b_intro", "$a_his {|best |good |old }friend $b");
    e.set("dream", "{flying|the sea|faraway places|tomorrow}");
    return;
  }
  const auto animals = english_animals();
  const size_t first = e.below(animals.size());
  const size_t second = (first + 1 + e.below(animals.size() - 1)) % animals.size();
  const Animal &hero = animals[first], &other = animals[second];
  e.set("a_kind", cast == Cast::whale ? "minke whale" : hero.kind);
  e.set("a_home", cast == Cast::whale ? "in the sea" : hero.home);
  e.set("a_food", hero.food);
  e.set("b_kind", cast == Cast::whale ? "seal" : other.kind);
  e.set("b_intro", "$b the $b_kind");
  e.set("dream",
        cast == Cast::whale ? "{the open sea|old songs|the northern lights}" : "{$a_food|green hills|the big world}");
}

void add_section(Expander& e, std::string_view section, bool paragraphs) {
  const size_t begin = section.find_first_not_of(' '), end = section.find_last_not_of(' ');
  e.add(paragraphs ? "\n" : " ");
  e.add(section.substr(begin, end - begin + 1));
}

}  // namespace

std::string story_en(Rng rng) {
  Expander e(rng, english_rules());
  const auto home = english_plots(), wild = english_wild_plots();
  const size_t which = e.below(home.size() + wild.size());
  const Plot& plot = which < home.size() ? home[which] : wild[which - home.size()];
  Cast cast = plot.cast;
  if (cast == Cast::any) cast = e.chance(0.5) ? Cast::child : Cast::animal;
  bind_cast(e, plot, cast);
  if (!plot.bind.empty()) e.expand(plot.bind);
  e.set("moral", plot.moral);

  const bool paragraphs = e.chance(0.5);
  if (e.chance(0.3)) {
    const std::string title = title_case(e.expand(plot.title, true));
    e.add_plain(title + "\n");
  }
  if (cast == Cast::child) e.add(e.pick(kChildOpenings));
  else if (cast == Cast::animal) e.add(e.pick(kAnimalOpenings));
  else e.add(e.pick(kWhaleOpenings));
  const std::string_view trait = !has_own_weather(plot) && e.chance(0.35) ? e.pick(kWeatherTraits) : e.pick(kTraits);
  if (!trait.empty()) add_section(e, trait, false);
  add_section(e, plot.want, false);
  add_section(e, plot.problem, paragraphs);
  add_section(e, plot.help, paragraphs);
  add_section(e, plot.end, paragraphs);
  const bool alone = cast == Cast::whale || !has(plot.help, "$b");
  if (alone && e.chance(0.6)) {
    add_section(e,
                "{That night $a slept {well|soundly} and dreamed of $dream.|And $a never forgot that {day|night}.|It "
                "was a day that $a {would always remember|never forgot}.|$a could not wait to tell everyone about it.}",
                false);
  } else if (!alone && e.chance(0.7)) {
    e.add(" #goodend");
  }
  e.add(" #moral");
  return tidy(e.take());
}

}  // namespace minke::corpus
